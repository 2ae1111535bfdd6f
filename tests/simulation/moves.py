"""
People who have the bytes of their disks worked on: larger, copied, moved, turned into images and back. Drawn apart from
the rest of the workload, so that what else a seed tells stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.asking import OPEN
from simulation.beginning import LOGINS
from simulation.chance import stream

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Workload

PACE_S: Final = 9.0
ACTIONS: Final = {"move": 6, "grow": 4, "copy": 2, "image": 2, "convert": 2, "back": 1, "admin_move": 2, "abandon": 1,
                  "drop": 3}  # fmt: skip
GROWN_MIB: Final = 32
GIVES_S: Final = 40.0  # between images that an administrator copies for somebody
MINE: Final = "copied"  # how what it makes is named


class Moves:
    """Of one workload, where there are storages to move between."""

    def __init__(self, workload: Workload, seconds: float) -> None:
        self.workload = workload
        self.rng = stream(workload.simulation.seed, "moves")
        self._end_s = self.simulation.schedule.seconds() + seconds
        self._gives = stream(workload.simulation.seed, "gives")
        self.simulation.later(3.0, self._tick)
        self.simulation.later(12.0, self._give)

    @property
    def simulation(self) -> Simulation:
        return self.workload.simulation

    def _tick(self) -> None:
        if self.simulation.schedule.seconds() >= self._end_s:
            return
        getattr(self, "_" + self.rng.choices(list(ACTIONS), list(ACTIONS.values()))[0])()
        self.simulation.later(self.rng.expovariate(1 / PACE_S), self._tick)

    def _give(self) -> None:
        """An administrator copies an image of any kind for somebody."""
        if self.simulation.schedule.seconds() >= self._end_s:
            return
        whole = "SELECT id FROM image WHERE deleted_at IS NULL AND state = 'ok' ORDER BY id"
        images = [row.id for row in self.simulation.sql(whole)]
        found = self.simulation.sql("SELECT id FROM account WHERE login = ANY(:logins) ORDER BY id", logins=[*LOGINS])
        people = [row.id for row in found]  # a cloud manager's cluster has accounts of its own, too
        if images and people:
            asking = {"image_id": self._gives.choice(images), "user_id": self._gives.choice(people)}
            name = f"{MINE}{len(self.workload.asks)}"
            self.workload.ask("admin", "admin.system_image.copy", **asking, name=name)
        self.simulation.later(self._gives.expovariate(1 / GIVES_S), self._give)

    def _row(self, statement: str) -> Any:
        rows = self.simulation.sql(statement)
        return self.rng.choice(rows) if rows else None

    def _disk(self) -> Any:
        """A live VM's root disk, or one that somebody copied."""
        return self._row(
            "SELECT k.id, a.login, u.size_bytes / 1048576 AS mib, u.storage_id, u.name AS volume, v.id AS vm_id,"
            " v.seen FROM disk k JOIN volume u ON u.id = k.volume_id JOIN account a ON a.id = k.account_id"
            " LEFT JOIN attachment t ON t.disk_id = k.id LEFT JOIN vm v ON v.id = t.vm_id"
            " WHERE a.login <> 'admin' AND u.made ORDER BY k.id"
        )

    def _elsewhere(self, storage_id: int) -> int:
        return next(each for each in self.simulation.storage_ids if each != storage_id)

    def _move(self, login: str = "") -> None:
        disk = self._disk()
        if disk is not None:
            role = "admin" if login else "user"
            to = self._elsewhere(disk.storage_id)
            self.workload.ask(login or disk.login, f"{role}.disk.move", disk_id=disk.id, storage_id=to)

    def _admin_move(self) -> None:
        self._move("admin")

    def _grow(self) -> None:
        disk = self._disk()
        if disk is not None:
            more = self.rng.choice([GROWN_MIB, GROWN_MIB, -GROWN_MIB, 0])
            self.workload.ask(disk.login, "user.disk.grow", disk_id=disk.id, size_mib=max(int(disk.mib) + more, 1))

    def _copied(self, view: str, **more: Any) -> None:
        """Of a VM that is stopped for it, so that there is one."""
        disk = self._disk()
        if disk is None or (view == "to_image" and not self._boots(disk)):
            return
        asking = {"disk_id": disk.id, "name": f"{MINE}{len(self.workload.asks)}", **more}
        if disk.vm_id is None or disk.seen != "running":
            self.workload.ask(disk.login, f"user.disk.{view}", **asking)
            return
        self.workload.ask(disk.login, "user.vm.stop", vm_id=disk.vm_id)
        self.simulation.later(8.0, lambda: self.workload.ask(disk.login, f"user.disk.{view}", **asking))

    def _copy(self) -> None:
        self._copied("copy", storage_id=self.rng.choice(self.simulation.storage_ids))

    def _image(self) -> None:
        self._copied("to_image")

    def _entry(self, kind: str) -> Any:
        return self._row(
            "SELECT i.id, a.login, u.storage_id, u.name AS volume FROM image i JOIN account a ON a.id = i.account_id"
            " JOIN volume u ON u.id = i.volume_id WHERE i.deleted_at IS NULL"
            f" AND i.kind = '{kind}' AND i.name LIKE '{MINE}%' AND i.state = 'ok' ORDER BY i.id"
        )

    def _boots(self, row: Any) -> bool:
        """Nobody makes an image of what VMs would not start from, as of a data disk."""
        return self.simulation.effects.held.boots(row.storage_id, row.volume)

    def _convert(self) -> None:
        entry = self._entry("storage")
        if entry is not None and self._boots(entry):
            self.workload.ask(entry.login, "user.storage_image.convert_to_system_image", image_id=entry.id)

    def _back(self) -> None:
        entry = self._entry("system")
        if entry is not None:
            self.workload.ask(entry.login, "user.system_image.convert_to_storage_image", image_id=entry.id)

    def _drop(self) -> None:
        """So that quotas have room for more."""
        entry = self._entry("storage")
        if entry is not None:
            self.workload.ask(entry.login, "user.storage_image.delete", image_id=entry.id)

    def _abandon(self) -> None:
        found = self._row(
            "SELECT o.id, a.login FROM operation o JOIN account a ON a.id = o.account_id WHERE o.kind LIKE 'disk_%'"
            f" AND o.state IN {OPEN} ORDER BY o.id"
        )
        if found is not None:
            role = "admin" if found.login == "admin" else "user"
            self.workload.ask(found.login, f"{role}.operation.abandon", operation_id=found.id)
