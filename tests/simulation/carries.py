"""
An administrator has disks go from one node's own storage to another's. No node has both, so their bytes go through a
manager, for which their VMs are stopped; some of it is given up, or tried again. By draws of its own, so that what else
a seed tells stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cm.drivers.memory.volume import CONTENT_MAX
from simulation.beginning import LOGINS
from simulation.draws import Draws
from simulation.travels import OPEN

if TYPE_CHECKING:
    from simulation.workload import Ask

TRIES: Final = 3
STOPS_S: Final = 8.0  # in which a VM has mostly stopped
BUSY: Final = frozenset({"vm_busy", "storage_out_of_reach"})  # it does not even stop, or runs again


class Carries(Draws):
    STREAM = "disks between nodes"
    PACE_S = 15.0

    def _draw(self) -> None:
        row = self._disk()
        if row is None:
            self._create()
            return
        to = self._one(
            "SELECT s.id FROM storage s JOIN node n ON n.id = s.node_id WHERE s.deleted_at IS NULL AND NOT n.locked"
            f" AND s.id <> {row.storage_id} ORDER BY s.id"
        )
        if to is not None:
            self._stop(row, to.id, TRIES)

    def _disk(self) -> Any:
        """
        Of a live VM, the only one that it has on its node's own storage: with two it would start nowhere meanwhile.
        None with snapshots is moved.
        """
        found = self.simulation.sql(
            "SELECT v.id AS vm_id, a.login, min(k.id) AS id, min(s.id) AS storage_id, min(u.name) AS volume FROM vm v"
            " JOIN account a ON a.id = v.account_id JOIN attachment t ON t.vm_id = v.id JOIN disk k ON k.id = t.disk_id"
            " JOIN volume u ON u.id = k.volume_id JOIN storage s ON s.id = u.storage_id"
            " LEFT JOIN snapshot n ON n.disk_id = k.id WHERE v.closed_at IS NULL AND s.node_id IS NOT NULL"
            " GROUP BY v.id, a.login HAVING count(DISTINCT k.id) = 1 AND bool_and(u.made) AND count(n.id) = 0"
            " ORDER BY v.id"
        )
        fit = [row for row in found if self._fits(row.storage_id, row.volume)]
        return self._rng.choice(fit) if fit else None

    def _fits(self, storage_id: int, name: str | None) -> bool:
        """Of what is sent to them nodes in memory hold so much."""
        there = dict(self.simulation.own_volumes()).get(storage_id, {})
        size_bytes = 0
        while name in there:
            size_bytes += there[name].allocation_bytes
            name = there[name].base
        return size_bytes <= CONTENT_MAX

    def _create(self) -> None:
        simulation = self.simulation
        self._workload.ask(
            self._rng.choice(LOGINS), "user.vm.create", name=f"local{len(self._workload.asks)}", description="",
            image_id=self._rng.choice(simulation.image_ids), template_id=simulation.template_id, local_disk=True,
            on_poweroff=self._rng.choice(["stop", "restart"]),
        )  # fmt: skip

    def _stop(self, row: Any, storage_id: int, tries: int) -> None:
        self._workload.ask(row.login, "user.vm.stop", vm_id=row.vm_id)
        self.simulation.later(STOPS_S, self._move, row, storage_id, tries - 1)

    def _move(self, row: Any, storage_id: int, tries: int) -> None:
        asked = self._workload.ask("admin", "admin.disk.move", disk_id=row.id, storage_id=storage_id)
        self.simulation.later(self._rng.uniform(0.2, 5.0), self._follow, row, storage_id, tries, asked)

    def _follow(self, row: Any, storage_id: int, tries: int, asked: Ask) -> None:
        """Its VM is started, be it too early; some that is under way is given up, and some that failed tried again."""
        if asked.error in BUSY and tries and self.simulation.schedule.seconds() < self._until_s:
            self._stop(row, storage_id, tries)
        if not asked.accepted:
            return
        operation_id = asked.answer["operation_id"]
        (op,) = self.simulation.sql("SELECT state FROM operation WHERE id = :o", o=operation_id)
        if op.state in OPEN and self._rng.random() < 0.3:
            self._workload.ask("admin", "admin.operation.abandon", operation_id=operation_id)
        elif op.state == "failed" and self._rng.random() < 0.5:
            self._workload.ask("admin", "admin.operation.retry", operation_id=operation_id)
        for after_s in (0.0, 10.0):
            self._workload._later(after_s, row.login, "user.vm.start", vm_id=row.vm_id)
