"""
People who give VMs other sizes, stopped ones and those that run, and put VMs into affinity groups of theirs; an
administrator who says that a group is strict, or is not any more. Drawn apart from the rest of the workload.
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


class LiveSizes(Draws):
    """Of VMs that were prepared for more. Now and then that is given up, or the VM is stopped meanwhile."""

    STREAM = "sizes of running VMs"
    PACE_S = 8.0
    ASKED = {"create": 2, "prepare": 1, "add": 2, "resize": 8}
    MORE_MIB = 1024

    def _create(self) -> None:
        simulation = self.simulation
        self._workload.ask(
            self._rng.choice(LOGINS), "user.vm.create", name=f"grows{len(self._workload.asks)}", description="",
            image_id=simulation.image_id, template_id=simulation.template_id, max_cpu=4, max_memory_mib=1536,
        )  # fmt: skip

    def _prepare(self) -> None:
        row = self._one(
            "SELECT a.login, v.id, t.id AS template_id, t.memory_mib FROM vm v JOIN account a ON a.id = v.account_id"
            " JOIN template t ON t.id = v.template_id WHERE v.closed_at IS NULL AND v.wanted = 'stopped' ORDER BY 2"
        )
        if row is not None:
            most = {"max_cpu": 4, "max_memory_mib": row.memory_mib + self.MORE_MIB}
            asked = {"vm_id": row.id, "template_id": row.template_id}
            self._workload.ask(row.login, "user.vm.resize", **asked, **most)
            self._workload._later(self._rng.uniform(1.0, 8.0), row.login, "user.vm.start", vm_id=row.id)

    def _add(self) -> None:
        self._workload.ask(
            "admin", "admin.template.add", name=f"larger{len(self._workload.asks)}", cpu=self._rng.choice([1, 2, 3]),
            memory_mib=512 + 128 * self._rng.randrange(6), disk_mib=96, points=4,
        )  # fmt: skip

    def _resize(self) -> None:
        row = self._one(
            "SELECT a.login, v.id, t.id AS template_id FROM vm v JOIN account a ON a.id = v.account_id CROSS JOIN"
            " template t WHERE v.closed_at IS NULL AND v.seen = 'running' AND greatest(v.max_cpu, v.max_memory_mib) > 0"
            " AND t.deleted_at IS NULL AND (t.cpu, t.memory_mib) <> (v.cpu, v.memory_mib)"
            " AND t.cpu <= greatest(v.max_cpu, v.cpu) AND t.memory_mib <= greatest(v.max_memory_mib, v.memory_mib)"
            " AND (t.memory_mib - v.memory_mib) % 128 = 0 ORDER BY 2, 3"
        )
        if row is None:
            return
        self._workload.ask(row.login, "user.vm.resize", vm_id=row.id, template_id=row.template_id)
        after_s, what = self._rng.uniform(0.0, 2.0), self._rng.random()
        if what < 0.15:
            self.simulation.later(after_s, self._workload._abandon_of, row.login, row.id)
        elif what < 0.25:
            self._workload._later(after_s, row.login, "user.vm.stop", vm_id=row.id)


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
