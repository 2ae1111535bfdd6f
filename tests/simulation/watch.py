"""
What must hold at every moment: looked at when a domain starts, when a volume is deleted, and every two seconds.

What ``invariants`` finds at rest may have been put right by then; this is what may not even be wrong for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cm.drivers.memory.node import MemoryNode
    from simulation.simulation import Simulation
    from simulation.world import Node

LOOK_S: Final = 2.0
SILENCE_S: Final = 60.0  # how long after a call without answer that may be written down


class Watch:
    """Of one simulation; says what is wrong to ``Simulation.break_invariant``."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._begun: dict[str, float] = {}  # when the run of each domain began, by uuid
        self._written: dict[str, Any] = {}  # what a domain wrote to, by the volume's name
        self._gone: frozenset[str] = frozenset()
        self._looked_at = 0.0
        self._silent: dict[int, bool] = {}  # nodes that were recorded so at the last look

    def starts(self, node: Node, uuid: str) -> None:
        """A domain is about to run: nowhere else, and with the disks that it wrote to before."""
        simulation = self._simulation
        self._begun[uuid] = simulation.schedule.seconds()
        for other in simulation.nodes:
            if other is not node and uuid in other.running():
                simulation.break_invariant(f"VM {uuid} is started on {node.name} while it runs on {other.name}")
        for disk in node.memory.world.domains[uuid].spec.disks:
            volume = node.memory.world.storages.behind(disk.path)
            if volume is None or disk.read_only or volume.name in simulation.excused_volumes:
                continue
            if self._written.setdefault(volume.name, volume) is not volume:
                simulation.break_invariant(f"VM {uuid} starts with another volume {volume.name} than it wrote to")

    def deletes(self, memory: MemoryNode, pool: str, name: str) -> None:
        """A volume is about to be deleted: nobody writes to it."""
        if memory.unreachable:
            return
        volume = memory.world.storages.share(pool).volumes.get(name)
        if volume is not None and volume.writer is not None:
            self._simulation.break_invariant(f"the volume {name} is deleted while {volume.writer} writes to it")

    def begin(self) -> None:
        """Look from now on."""
        self._looked_at = self._simulation.schedule.seconds()
        self._simulation.later(LOOK_S, self._look)

    def _look(self) -> None:
        """What runs, and ran at the last look already, has not been taken for ended since."""
        simulation = self._simulation
        rows = simulation.sql(
            "SELECT uuid::text AS uuid FROM vm WHERE closed_at IS NULL AND seen IN ('off', 'absent', 'crashed')"
        )
        gone = frozenset(row.uuid for row in rows)
        for node in simulation.nodes:
            for uuid in node.running():
                new = uuid in gone and uuid not in self._gone and uuid not in simulation.excused_uuids
                if new and self._begun.get(uuid, 0.0) < self._looked_at:
                    simulation.break_invariant(f"VM {uuid} was recorded as ended while it runs on {node.name}")
        self._gone = gone
        for row in simulation.sql("SELECT id, state, state_reason FROM node WHERE deleted_at IS NULL"):
            node = simulation.by_id.get(row.id)
            if node is None:
                continue
            silent = row.state == "unreachable"
            told = node.silent_at is not None and node.silent_at > self._looked_at - SILENCE_S
            if silent and not self._silent.get(row.id) and not told:
                simulation.break_invariant(f"{node.name} answers, and was recorded as silent: {row.state_reason}")
            self._silent[row.id] = silent
        self._looked_at = simulation.schedule.seconds()
        simulation.later(LOOK_S, self._look)
