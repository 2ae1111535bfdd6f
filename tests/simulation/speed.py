"""How fast simulated time runs: thirty VMs on three nodes at rest, and the same with users at work."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import create_engine, text

from simulation.beginning import LOGINS
from simulation.farm import server_of_our_own
from simulation.simulation import Simulation
from simulation.workload import Workload


def main() -> None:
    """Print minutes simulated in a minute, and what an empty transaction took on the same server."""
    with tempfile.TemporaryDirectory() as made, server_of_our_own() as server:
        state_dir = Path(made) / "state"
        figures = {"empty_ms": _empty_ms(server.url("postgres"))}
        with Simulation(server, state_dir, 1) as simulation:
            for login in LOGINS:
                values = {"image_id": simulation.image_id, "template_id": simulation.template_id, "count": 10}
                simulation.call("user.vm.create", {"name": "vm", "description": "", **values}, login=login)
            simulation.run_for(120)
            figures["rest"], figures["rest_cpu_s"] = _rate(simulation, 3600)
            Workload(simulation, 1800, 20.0)
            figures["work"], figures["work_cpu_s"] = _rate(simulation, 1800)
        json.dump(figures, sys.stdout)


def _rate(simulation: Simulation, seconds: float) -> tuple[float, float]:
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    simulation.run_for(seconds)
    took = time.perf_counter() - began
    return seconds / took, resource.getrusage(resource.RUSAGE_SELF).ru_utime - used


def _empty_ms(url: str) -> float:
    engine = create_engine(url)
    with engine.connect() as connection:
        began = time.perf_counter()
        for _ in range(1000):
            connection.execute(text("SELECT 1"))
            connection.commit()
        took = time.perf_counter() - began
    engine.dispose()
    return took  # of a thousand: in ms each


if __name__ == "__main__":
    main()
