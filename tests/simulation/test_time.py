"""No clock but the simulated one decides anything: the machine may be as slow as it likes."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from lab.postgres import PrivatePostgres
from simulation.simulation import Simulation


def test_no_other_clock(server: PrivatePostgres, state_dir: Path) -> None:
    """No statement is ended for how long it really takes, and the server does nothing to a table by itself."""
    with Simulation(server, state_dir, 1, clouds=1) as simulation:
        assert simulation.cloud is not None
        for process in (*simulation.processes, *simulation.cloud.processes):
            for engine in (process.manager.database.engine, process.manager.database._reading):
                with engine.connect() as connection:
                    assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"
                    left = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                    left += " AND NOT coalesce(reloptions, '{}') @> ARRAY['autovacuum_enabled=false']"
                    assert connection.execute(text(left)).all() == []
