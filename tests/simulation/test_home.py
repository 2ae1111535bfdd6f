"""A run finds nothing of another, and nothing that the machine decides."""

from __future__ import annotations

import os
from pathlib import Path

from cm.drivers.images.child import Leash, run
from cm.services import upload
from lab.postgres import PrivatePostgres
from simulation.database import Server
from simulation.simulation import Simulation


def _simulation(server: PrivatePostgres, state_dir: Path, name: str) -> Simulation:
    return Simulation(Server(server.url("postgres")), state_dir, 1, name=name, clouds=1)


def test_first_is_like_all(server: PrivatePostgres, tmp_path: Path) -> None:
    """A manager makes its keys when it lacks them; the first run that ever is draws what later ones do."""
    drawn = []
    for _ in range(2):
        with _simulation(server, tmp_path, "home"):
            drawn.append(os.urandom(8))
    assert drawn[0] == drawn[1]


def test_files_of_others(server: PrivatePostgres, tmp_path: Path) -> None:
    """Of a run before and of one beside it: managers count from one in each, and would take these for their own."""
    places = []
    for name in ("home", "beside", "home"):
        with _simulation(server, tmp_path, name) as simulation:
            staging = simulation.processes[0].manager.policy.staging_dir
            assert list(staging.iterdir()) == []
            (staging / "import-1-1").touch()
            places.append(staging)
    assert places[0] != places[1]
    assert list(tmp_path.rglob("import-*")) == []


def test_machine(server: PrivatePostgres, tmp_path: Path) -> None:
    """No program is ended for how long it really takes, and what the disk has free is nobody's business."""
    told: list[bytes] = []
    with _simulation(server, tmp_path, "home"):
        ended = run(["/bin/sleep", "0.5"], Leash(deadline_s=0.1), what="a nap", watch=told.append)
        assert ended.status == 0 and not told
        assert upload.free_bytes(tmp_path) == upload.free_bytes(Path("/proc"))
