"""No clock but the simulated one decides anything: the machine may be as slow, and the server as busy, as it likes."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from cm.runtime.feed import read_head
from lab.postgres import PrivatePostgres
from simulation.database import look_into, make_database
from simulation.simulation import EPOCH, Simulation


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


def test_no_other_transactions(server: PrivatePostgres) -> None:
    """Where a feed begins is not moved by transactions of others on the server: how often it reads depends on it."""
    own = look_into(make_database(server, "sim_beside"), lambda: EPOCH)
    others = create_engine(server.url("postgres"))
    heads = []
    for _ in range(2):
        with Session(own) as session:
            heads.append(read_head(session))
        with others.begin() as connection:
            connection.execute(text("SELECT pg_current_xact_id()"))
    own.dispose()
    others.dispose()
    server.drop_database("sim_beside")
    assert heads[0] == heads[1]
