"""
What must hold at every moment: looked at when a domain starts, when a volume is deleted, and every two seconds.

What ``invariants`` finds at rest may have been put right by then; this is what may not even be wrong for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.beside import MEMBERS, Beside

if TYPE_CHECKING:
    from cm.drivers.memory.node import MemoryNode
    from simulation.simulation import Simulation
    from simulation.world import Node

LOOK_S: Final = 2.0
# After these no domain runs.
ENDS: Final = ("vm_stop", "vm_shutdown", "vm_suspend", "vm_trash", "vm_destroy", "vm_save_and_shutdown")
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
        self._audited = 0  # the last row of the audit that was looked at
        self._done = 0.0  # up to when what was done was looked at
        self._beside = Beside(simulation)

    def starts(self, node: Node, uuid: str) -> None:
        """A domain is about to run: nowhere else, and with the disks that it wrote to before."""
        simulation = self._simulation
        self._begun[uuid] = simulation.schedule.seconds()
        for other in simulation.nodes:
            if other is not node and uuid in other.running():
                simulation.break_invariant(f"VM {uuid} is started on {node.name} while it runs on {other.name}")
        for disk in node.memory.world.domains[uuid].spec.disks:
            volume = node.memory.world.storages.behind(disk.path)
            if volume is None or disk.read_only:
                continue
            if self._written.setdefault(volume.name, volume) is not volume:
                simulation.break_invariant(f"VM {uuid} starts with another volume {volume.name} than it wrote to")
        self._beside.starts(uuid, node.node_id)

    def deletes(self, memory: MemoryNode, pool: str, name: str) -> None:
        """A volume is about to be deleted: nobody writes to it."""
        if memory.unreachable:
            return
        volume = memory.world.storages.share(pool).volumes.get(name)
        if volume is not None and volume.writer is not None:
            self._simulation.break_invariant(f"the volume {name} is deleted while {volume.writer} writes to it")

    def wipes(self, memory: MemoryNode, pool: str, name: str) -> None:
        """The same, of one that is to be another from now on."""
        self.deletes(memory, pool, name)
        if not memory.unreachable:
            self._written.pop(name, None)

    def begin(self) -> None:
        """Look from now on."""
        self._looked_at = self._simulation.schedule.seconds()
        self._simulation.later(LOOK_S, self._look)

    def _look(self) -> None:
        """What runs, and ran at the last look already, has not been taken for ended since."""
        simulation = self._simulation
        since, self._done = self._done, simulation.unix_s()
        # Most looks find nothing new: that is asked of all of them at once.
        found = simulation.sql(
            "SELECT ARRAY(SELECT uuid::text FROM vm WHERE closed_at IS NULL AND seen IN ('off', 'absent', 'crashed'))"
            " AS gone, EXISTS (SELECT 1 FROM operation WHERE state = 'done' AND finished_at > to_timestamp(:since))"
            " AS done, EXISTS (SELECT 1 FROM audit WHERE id > :last AND method LIKE '%.acl.set') AS granted,"
            f" {MEMBERS} AS members",
            since=since,
            last=self._audited,
        )[0]
        gone = frozenset(found.gone)
        ran: dict[str, str] = {}
        for node in simulation.nodes:
            for uuid in node.running():
                if uuid in ran:
                    simulation.break_invariant(f"VM {uuid} runs on {ran[uuid]} and on {node.name}")
                ran[uuid] = node.name
                new = uuid in gone and uuid not in self._gone and self._begun.get(uuid, 0.0) < self._looked_at
                if new and not simulation.excuses.holds("tampered", uuid):
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
        if found.done:
            self._look_at_done(since)
        if found.granted:
            self._look_at_grants()
        self._beside.look(found.members)
        simulation.netwatch.look()
        self._looked_at = simulation.schedule.seconds()
        simulation.later(LOOK_S, self._look)

    def _look_at_done(self, since: float) -> None:
        """What is said to be done is so at once: a pass, which would put it right, comes later."""
        simulation = self._simulation
        rows = simulation.sql(
            "SELECT o.id, o.kind, v.id AS vm_id, v.uuid::text AS uuid, v.vnc_enabled,"
            " ARRAY['vm-' || v.uuid || '-root.qcow2'] AS volumes"
            " FROM operation o JOIN vm v ON v.id = o.vm_id WHERE o.state = 'done'"
            " AND o.finished_at > to_timestamp(:since) AND NOT EXISTS"
            " (SELECT 1 FROM operation p WHERE p.vm_id = v.id AND p.id <> o.id AND (p.id > o.id"  # or retried since
            " OR p.finished_at IS NULL OR p.finished_at > o.finished_at)) ORDER BY o.id",
            since=since,
        )
        begun = []
        for row in rows:
            running = [node.name for node in simulation.nodes if row.uuid in node.running()]
            what = f"operation {row.id} ({row.kind}) of VM {row.vm_id} is done"
            if row.kind in ENDS and running:
                if not simulation.excuses.holds("tampered", row.uuid):
                    simulation.break_invariant(f"{what}, and its domain runs on {running}")
            elif row.kind in ("vm_destroy", "vm_save_and_shutdown"):
                left = sorted(set(row.volumes) & set(simulation.volumes))
                if left and not simulation.sql(  # kept for others, as its storage says, or another's by now
                    "SELECT 1 FROM volume u WHERE u.name = ANY(:names) AND (u.id IN (SELECT volume_id FROM free_volume)"
                    " OR EXISTS (SELECT 1 FROM disk k JOIN attachment a ON a.disk_id = k.id WHERE k.volume_id = u.id"
                    " AND a.vm_id <> :vm_id))",
                    names=left,
                    vm_id=row.vm_id,
                ):
                    simulation.break_invariant(f"{what}, and {left} are left")
            elif row.kind == "vm_vnc":
                screens = [node.memory.vnc_of(row.uuid) for node in simulation.nodes if node.name in running]
                if any(screen is not None and screen.enabled != row.vnc_enabled for screen in screens):
                    simulation.break_invariant(f"{what}, and its screen is {screens}; wanted is {row.vnc_enabled}")
            elif row.kind in ("vm_create", "vm_start", "vm_resize"):
                begun.append(row.vm_id)
        if begun:
            for problem in simulation.effects.definitions(begun):
                simulation.break_invariant(problem)

    def _look_at_grants(self) -> None:
        """What was granted is, and what was taken back is not, whoever gave it, and whoever gave something else."""
        simulation = self._simulation
        rows = simulation.sql(
            "SELECT id, arguments FROM audit WHERE id > :last AND method LIKE '%.acl.set' ORDER BY id",
            last=self._audited,
        )
        last = {}
        for row in rows:
            self._audited = row.id
            if row.arguments.get("login"):
                last[row.arguments["kind"], row.arguments["object_id"], row.arguments["login"]] = row.arguments["level"]
        for (kind, object_id, login), level in last.items():
            held = simulation.sql(
                "SELECT g.level FROM acl g JOIN account a ON a.id = g.account_id WHERE g.kind = :k AND"
                " g.object_id = :i AND a.login = :l",
                k=kind, i=object_id, l=login,
            )  # fmt: skip
            found = [row.level for row in held]
            if found != ([level] if level else []) and not self._ended(kind, object_id):
                simulation.break_invariant(f"{login} was given {level} on {kind} {object_id}, and has {found}")
            simulation.effects.counted["grants looked at"] += 1

    def _ended(self, kind: str, object_id: int) -> bool:
        """What was granted on something ends with it: on a VM, an image, a lease, a VM template."""
        closed = "closed_at" if kind == "vm" else "deleted_at"
        query = f"SELECT 1 FROM {kind} WHERE id = :i AND {closed} IS NOT NULL"
        return bool(self._simulation.sql(query, i=object_id))
