"""
Administrators who have VMs go to other nodes while they run, end that on its way, or try again; some guests write
faster than their memory is sent, and the last moment goes wrong now and then. Drawn apart from the rest of the
workload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.chance import stream

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Workload

PACE_S: Final = 12.0
OPEN: Final = ("queued", "running", "waiting")
BROKEN: Final = ("left defined", "unknown", "nowhere")  # as ``World.broken`` has them


class Travels:
    def __init__(self, workload: Workload, end_s: float) -> None:
        self.workload = workload
        self.rng = stream(workload.simulation.seed, "travels")
        self._end_s = end_s
        self.simulation.later(6.0, self._tick)

    @property
    def simulation(self) -> Simulation:
        return self.workload.simulation

    def _tick(self) -> None:
        if self.simulation.schedule.seconds() >= self._end_s:
            return
        self._go()
        self.simulation.later(self.rng.expovariate(1 / PACE_S), self._tick)

    def _row(self, statement: str) -> Any:
        rows = self.simulation.sql(statement)
        return self.rng.choice(rows) if rows else None

    def _go(self) -> None:
        on = "v.closed_at IS NULL AND v.seen IN ('running', 'paused') ORDER BY v.id"
        row = self._row(f"SELECT v.id, v.uuid::text AS uuid, v.node_id FROM vm v WHERE v.node_id IS NOT NULL AND {on}")
        source = None if row is None else self.simulation.by_id.get(row.node_id)
        if row is None or source is None:
            return
        asking: dict[str, Any] = {"vm_id": row.id}
        if self.rng.random() < 0.3:
            asking["node_id"] = self.rng.choice(self.simulation.members()).node_id
        fate = self.rng.random()
        if fate < 0.15:
            asking["live"] = False
        elif fate < 0.45:
            source.memory.world.converges_not.add(row.uuid)
            asking |= {"timeout_s": self.rng.uniform(3.0, 20.0), "post_copy": fate < 0.25}
        elif fate < 0.65:
            source.memory.world.broken = self.rng.choice(BROKEN)
        self.workload.ask("admin", "admin.vm.migrate", **asking)
        self.simulation.later(self.rng.uniform(0.2, 15.0), self._follow, row.id, row.uuid)

    def _follow(self, vm_id: int, uuid: str) -> None:
        """Half of those under way are ended, and what has failed is tried again now and then."""
        for node in self.simulation.nodes:
            node.memory.world.converges_not.discard(uuid)
        last = self.simulation.sql(
            "SELECT id, state FROM operation WHERE vm_id = :v AND kind = 'vm_migrate' ORDER BY id DESC LIMIT 1", v=vm_id
        )
        for row in last:
            if row.state in OPEN and self.rng.random() < 0.4:
                self.workload.ask("admin", "admin.vm.abort_migration", vm_id=vm_id)
            elif row.state in OPEN and self.rng.random() < 0.2:
                self.workload.ask("admin", "admin.operation.abandon", operation_id=row.id)
            elif row.state == "failed" and self.rng.random() < 0.4:
                self.workload.ask("admin", "admin.operation.retry", operation_id=row.id)
