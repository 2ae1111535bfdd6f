"""
What an administrator does about volumes and images now and then: takes in what somebody put onto a storage. Drawn
apart from the rest of the workload, as moves are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cm.drivers.memory.volume import Volume
from cm.rpc.vocabulary import DiskFormat
from simulation.beginning import LOGINS
from simulation.chance import stream
from simulation.mirror import SOURCE
from support.image_files import qcow2

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Workload

PACE_S: Final = 15.0
BROUGHT: Final = "brought-"  # how the names begin of what is put onto storages
ASKED: Final = {"bring": 3}


class Keepers:
    """Of one workload."""

    def __init__(self, workload: Workload, until_s: float) -> None:
        self.workload = workload
        self.rng = stream(workload.simulation.seed, "keepers")
        self._until_s = until_s
        self._later()

    @property
    def simulation(self) -> Simulation:
        return self.workload.simulation

    def _later(self) -> None:
        self.simulation.later(self.rng.expovariate(1 / PACE_S), self._tick)

    def _tick(self) -> None:
        if self.simulation.schedule.seconds() < self._until_s:
            getattr(self, self.rng.choices(list(ASKED), list(ASKED.values()))[0])()
            self._later()

    def _account(self) -> int | None:
        """Of one of the people."""
        row = self.simulation.sql("SELECT id FROM account WHERE login = :l", l=self.rng.choice(LOGINS))
        return row[0].id if row else None

    def bring(self) -> None:
        """Somebody puts a file onto a storage, and the administrator makes a disk or an image of it."""
        simulation, user_id = self.simulation, self._account()
        if user_id is None:
            return
        number = self.rng.randrange(len(simulation.shares))
        more: dict[str, Any] = {"kind": "system"} if self.rng.random() < 0.3 else {}
        name = f"{BROUGHT}{len(self.workload.asks)}.{'raw' if more else 'qcow2'}"
        # What guests write to is qcow2 on files.
        brought = Volume(name, DiskFormat.RAW, len(SOURCE), len(SOURCE), content=SOURCE)
        if not more:
            content = qcow2(size=len(SOURCE))
            brought = Volume(name, DiskFormat.QCOW2, len(SOURCE), len(content), content=content)
        simulation.shares[number].volumes[name] = brought
        storage_id = simulation.storage_ids[number]
        asked = {"storage_id": storage_id, "volume": name, "user_id": user_id, "name": name, **more}
        self.workload.ask("admin", "admin.storage.adopt_volume", **asked)
