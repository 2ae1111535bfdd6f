"""
People who give stopped VMs other sizes, and put VMs into affinity groups of theirs; an administrator who says that a
group is strict, or is not any more. Drawn apart from the rest of the workload.
"""

from __future__ import annotations

from typing import Any

from simulation.beginning import LOGINS
from simulation.draws import Draws

_GROUPS = "SELECT a.login, g.id FROM affinity_group g JOIN account a ON a.id = g.account_id WHERE g.deleted_at IS NULL"


class Sizes(Draws):
    STREAM = "sizes"
    PACE_S = 12.0
    ASKED = {"resize": 5, "resize_any": 1, "resize_by_administrator": 1}

    def _size(self, where: str) -> Any:
        """A VM, and a size that there is."""
        return self._one(
            "SELECT a.login, v.id, t.id AS template_id FROM vm v JOIN account a ON a.id = v.account_id CROSS JOIN"
            f" template t WHERE v.closed_at IS NULL AND {where} AND t.deleted_at IS NULL ORDER BY 2, 3"
        )

    def _resize(self) -> None:
        row = self._size("v.wanted = 'stopped' AND NOT v.node_claimed")
        if row is not None:
            self._workload.ask(row.login, "user.vm.resize", vm_id=row.id, template_id=row.template_id)
            self._workload._later(self._rng.uniform(1.0, 8.0), row.login, "user.vm.start", vm_id=row.id)

    def _resize_any(self) -> None:
        """Mostly one that runs, or is suspended: it is refused."""
        row = self._size("v.wanted <> 'stopped'")
        if row is not None:
            self._workload.ask(row.login, "user.vm.resize", vm_id=row.id, template_id=row.template_id)

    def _resize_by_administrator(self) -> None:
        row = self._size("v.wanted = 'stopped'")
        if row is not None:
            self._workload.ask("admin", "admin.vm.resize", vm_id=row.id, template_id=row.template_id)


class Groups(Draws):
    STREAM = "affinity groups"
    PACE_S = 12.0
    ASKED = {"create": 2, "put": 6, "take": 1, "edit": 1, "delete": 1, "judge": 1}

    def _create(self) -> None:
        self._workload.ask(
            self._rng.choice(LOGINS), "user.affinity_group.create", name=f"beside{len(self._workload.asks)}",
            affinity=self._rng.choice(["together", "apart"]), strict=self._rng.random() < 0.3,
        )  # fmt: skip

    def _group(self) -> Any:
        return self._one(f"{_GROUPS} ORDER BY g.id")

    def _put(self) -> None:
        """A VM of whose group it is; one that rests is started then, where the group has it."""
        row = self._one(
            f"SELECT g.login, g.id, v.id AS vm_id, v.seen FROM ({_GROUPS}) g JOIN account a ON a.login = g.login"
            " JOIN vm v ON v.account_id = a.id WHERE v.closed_at IS NULL ORDER BY g.id, v.id"
        )
        if row is not None:
            asked = {"vm_id": row.vm_id, "affinity_group_id": row.id}
            self._workload.ask(row.login, "user.vm.set_affinity_group", **asked)
            if row.seen in ("off", "absent"):
                self._workload._later(2.0, row.login, "user.vm.start", vm_id=row.vm_id)

    def _take(self) -> None:
        row = self._one(
            "SELECT a.login, v.id FROM vm v JOIN account a ON a.id = v.account_id WHERE v.closed_at IS NULL"
            " AND v.affinity_group_id IS NOT NULL ORDER BY 2"
        )
        if row is not None:
            self._workload.ask(row.login, "user.vm.set_affinity_group", vm_id=row.id, affinity_group_id=None)

    def _edit(self) -> None:
        row = self._group()
        if row is not None:
            asked = {"affinity_group_id": row.id, "strict": self._rng.random() < 0.5}
            self._workload.ask(row.login, "user.affinity_group.edit", **asked)

    def _delete(self) -> None:
        row = self._group()
        if row is not None:
            self._workload.ask(row.login, "user.affinity_group.delete", affinity_group_id=row.id)

    def _judge(self) -> None:
        row = self._group()
        if row is not None:
            asked = {"affinity_group_id": row.id, "strict": self._rng.random() < 0.5}
            self._workload.ask("admin", "admin.affinity_group.edit", **asked)
