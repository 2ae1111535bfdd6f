"""What goes wrong, as a plan says (``plan.py``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cm.rpc.errors import HypervisorError, NodeUnreachable
from cm.rpc.vocabulary import SeenReason
from simulation.netfaults import NetworkFaults
from simulation.plan import Fault
from simulation.process import Process

if TYPE_CHECKING:
    from simulation.cloud import Cloud
    from simulation.simulation import Simulation
    from simulation.world import Node

MUTATING: Final = (
    "define", "start", "destroy", "undefine", "create_overlay", "create_copy", "delete", "shutdown", "reset", "pause",
    "resume", "set_vnc", "create_empty", "upload", "attach", "detach", "medium", "ensure", "copy", "finish", "abort",
    "grow", "resize", "wipe",
    "take", "hold", "pull", "commit", "migrate", "switch", "cancel", "save", "restore",
    "set_vcpus", "plug_memory", "unplug_memory",
    "set_password", "add_keys", "reboot", "power_off",
)  # fmt: skip


class Faults(NetworkFaults):
    """Carries a plan out."""

    def __init__(self, simulation: Simulation, plan: Sequence[Fault]) -> None:
        self.simulation = simulation
        self.plan = plan
        self.injected: Counter[str] = Counter()
        self._armed: list[Fault] = []  # crashes that are due
        self._ended = False
        simulation.on_point = self._on_point
        for fault in plan:
            simulation.later(fault.at_s, self._inject, fault)

    def _inject(self, fault: Fault) -> None:
        if self._ended:
            return
        simulation = self.simulation
        node = simulation.nodes[fault.node % len(simulation.nodes)]
        simulation.note("FAULT", fault)
        self.injected[fault.kind] += 1
        getattr(self, "_" + fault.kind)(fault, node)

    def end(self) -> None:
        """All is well again from here on; what was done stays done."""
        self._ended = True
        self._armed.clear()
        simulation = self.simulation
        simulation.note("faults end")
        if simulation.cloud is not None:
            simulation.cloud.cut, simulation.cloud.slow = False, 1.0
            simulation.cloud.twice = simulation.cloud.answers_lost = 0
        simulation.database_down = False
        simulation.notifications_lost = False
        simulation.commit_fault, simulation.unstored = None, 0
        for process in simulation.everyone():
            process.skew_s = 0.0
            if process.listener is not None and process.manager.listener is not None:
                process.run(process.listener.find)
        for node in simulation.nodes:
            node.hangs_until, node.slow, node.copy_s, node.skew_s, node.late_s = 0.0, 1.0, 0.0, 0.0, 0.0
            node.memory.unreachable = False
            node.memory._faults.next.clear()
            node.memory.keeps_size.clear()
            agent = node.agent
            agent.lose = agent.skip = agent.repeat = agent.deaf = agent.unstored = 0
            agent.stalled_until = 0.0
            agent.late_until, agent.cut = 0.0, 0
            if not agent.running:
                node.boot()
        simulation.silence.end()
        self._roomy()

    # ------------------------------------------------------------------ processes and their database

    def _on_point(self, process: Process, what: str, before: bool) -> bool:
        fault = next((each for each in self._armed if (each.kind == "cloud_crash") == process.is_cloud), None)
        if fault is None:
            return False
        skipped = int(fault.size * 40)
        self._skipped += 1
        if self._skipped <= skipped:
            return False
        self._armed.remove(fault)
        self._skipped = 0
        self.simulation.kill(process, 1.0 + 30.0 * ((fault.size * 7) % 1.0))
        return True

    _skipped = 0

    def _crash(self, fault: Fault, node: Node) -> None:
        """The next process that comes to a step, some steps from now, dies there."""
        self._armed.append(fault)

    def _manager_stall(self, fault: Fault, node: Node) -> None:
        """A manager's machine gives it no time for up to a minute, and others have taken over when it goes on."""
        processes = self.simulation.processes
        if processes:
            process = processes[fault.node % len(processes)]
            process.stalled_until = self.simulation.schedule.seconds() + 2 + 58 * fault.size
            self.simulation.note("stalled", process.name)

    def _cloud_crash(self, fault: Fault, node: Node) -> None:
        self._armed.append(fault)

    def _cloud_of_it(self) -> Cloud:
        assert self.simulation.cloud is not None
        return self.simulation.cloud

    def _link_cut(self, fault: Fault, node: Node) -> None:
        """Between cloud and cluster: what is open breaks, and nothing gets through for a while."""
        cloud = self._cloud_of_it()
        cloud.cut = True
        for open_one in list(cloud.streams):
            open_one.abortConnection()
        self.simulation.later(1 + 90 * fault.size**2, self._link_back)

    def _link_back(self) -> None:
        self._cloud_of_it().cut = False

    def _link_answer_lost(self, fault: Fault, node: Node) -> None:
        self._cloud_of_it().answers_lost += 1 + int(3 * fault.size)

    def _link_slow(self, fault: Fault, node: Node) -> None:
        cloud = self._cloud_of_it()
        cloud.slow = 50 + 5000 * fault.size**2
        self.simulation.later(30, self._link_back_to_speed)

    def _link_back_to_speed(self) -> None:
        self._cloud_of_it().slow = 1.0

    def _forward_twice(self, fault: Fault, node: Node) -> None:
        self._cloud_of_it().twice += 1 + int(4 * fault.size)

    def _clock_skew(self, fault: Fault, node: Node) -> None:
        for process in self.simulation.processes[:1]:
            process.skew_s = (fault.size - 0.5) * 3.0  # seconds; further apart is told by the drift ledger

    def _node_skew(self, fault: Fault, node: Node) -> None:
        node.skew_s = (fault.size - 0.5) * 3.0

    def _database_restart(self, fault: Fault, node: Node) -> None:
        simulation = self.simulation
        simulation.database_down = True
        if simulation.cloud is not None:
            simulation.cloud.cut_locks()
        for process in simulation.everyone():
            if process.listener is not None and process.listener.connected:
                process.run(process.listener.lose)
        simulation.later(1.0 + 40.0 * fault.size**2, self._database_back)

    def _database_back(self) -> None:
        if self._ended:
            return
        simulation = self.simulation
        simulation.note("database back")
        simulation.database_down = False
        for process in simulation.everyone():
            if process.listener is not None and process.endpoint is not None:
                simulation.later(simulation.faults_rng.uniform(0.1, 1.0), self._find, process)

    @staticmethod
    def _find(process: Process) -> None:
        if process.alive and process.listener is not None:
            process.run(process.listener.find)

    def _commit_unknown(self, fault: Fault, node: Node) -> None:
        self.simulation.commit_fault = "done" if fault.size < 0.5 else "lost"

    def _notifications_lost(self, fault: Fault, node: Node) -> None:
        """The connections that bring them break unnoticed, and are made anew."""
        simulation = self.simulation
        for process in simulation.everyone():
            if process.listener is not None and process.endpoint is not None and process.listener.connected:
                process.run(process.listener.lose)
                simulation.later(0.5 + 5 * fault.size, self._find, process)

    # ------------------------------------------------------------------ hooks

    def _hook_lost(self, fault: Fault, node: Node) -> None:
        node.agent.lose += 1

    def _hook_skipped(self, fault: Fault, node: Node) -> None:
        node.agent.skip += 1

    def _hook_unstored(self, fault: Fault, node: Node) -> None:
        """The database refuses what a batch of its records is to be stored by."""
        node.agent.unstored += 1 + int(3 * fault.size)

    def _hook_delayed(self, fault: Fault, node: Node) -> None:
        node.agent.stalled_until = self.simulation.schedule.seconds() + 5 + 115 * fault.size

    def _hook_repeated(self, fault: Fault, node: Node) -> None:
        node.agent.repeat += 1 + int(3 * fault.size)

    def _answer_lost(self, fault: Fault, node: Node) -> None:
        node.agent.deaf += 1 + int(3 * fault.size)

    def _agent_restart(self, fault: Fault, node: Node) -> None:
        node.agent.running = False
        self.simulation.later(1 + 30 * fault.size, self._agent_back, node)

    @staticmethod
    def _agent_back(node: Node) -> None:
        if not node.memory.unreachable:
            node.agent.start()

    # ------------------------------------------------------------------ nodes

    def _node_hang(self, fault: Fault, node: Node) -> None:
        node.hangs_until = self.simulation.schedule.seconds() + 1 + 120 * fault.size**2

    def _answers_late(self, fault: Fault, node: Node) -> None:
        """What is done on it happens, and is heard of up to some seconds later."""
        node.late_s = 0.5 + 5 * fault.size
        self.simulation.later(30, self._in_time, node)

    @staticmethod
    def _in_time(node: Node) -> None:
        node.late_s = 0.0

    def _node_dead(self, fault: Fault, node: Node) -> None:
        node.memory.unreachable = True
        node.cut_power()
        self.simulation.later(20 + 300 * fault.size**2, self._node_back, node)

    def _node_back(self, node: Node) -> None:
        if not self._ended:
            self.simulation.note("node back", node.name)
            node.memory.unreachable = False
            if not node.agent.running:
                node.boot()

    def _node_partition(self, fault: Fault, node: Node) -> None:
        """Its guests go on, and it is heard of no more for a while."""
        node.memory.unreachable = True
        self.simulation.later(5 + 300 * fault.size**2, self._node_back, node)

    def _libvirtd_restart(self, fault: Fault, node: Node) -> None:
        node.memory.unreachable = True
        self.simulation.later(1 + 4 * fault.size, self._node_back, node)

    def _call_fails(self, fault: Fault, node: Node) -> None:
        method = MUTATING[int(fault.size * len(MUTATING))]
        node.memory.fail_next(method, NodeUnreachable(node.name, "Connection reset by peer"))

    def _answer_gone(self, fault: Fault, node: Node) -> None:
        """It happens, and only the answer is lost."""
        method = MUTATING[int(fault.size * len(MUTATING))]
        node.memory.fail_next(method, NodeUnreachable(node.name, "Connection reset by peer"), after=True)

    # ------------------------------------------------------------------ behind our back

    def _some_domain(self, node: Node, fault: Fault, running: bool) -> str | None:
        domains = node.memory.world.domains
        found = sorted(u for u, d in domains.items() if (d.running is not None) == running)
        uuid = found[int(fault.size * len(found))] if found and node.agent.running else None
        return None if uuid is None or self.simulation.silence.holds(node.memory, uuid) else uuid

    def _domain_destroyed(self, fault: Fault, node: Node) -> None:
        uuid = self._some_domain(node, fault, running=True)
        if uuid is not None:
            node.memory.world.stop(uuid, SeenReason.DESTROYED)

    def _domain_undefined(self, fault: Fault, node: Node) -> None:
        uuid = self._some_domain(node, fault, running=True)
        if uuid is not None:
            self.simulation.excuses.give("tampered", uuid)
            node.memory.world.stop(uuid, SeenReason.DESTROYED)
            node.memory.world.undefine(uuid)

    def _domain_paused(self, fault: Fault, node: Node) -> None:
        uuid = self._some_domain(node, fault, running=True)
        if uuid is not None:
            self.simulation.excuses.give("tampered", uuid)
            domain = node.memory.world.domains[uuid]
            domain.paused, domain.reason = True, SeenReason.IO_ERROR
            node.memory.world.tell(uuid, domain.spec.name, "suspended", "ioerror")

    def _domain_started(self, fault: Fault, node: Node) -> None:
        uuid = self._some_domain(node, fault, running=False)
        if uuid is not None and not any(uuid in other.running() for other in self.simulation.nodes):
            try:
                node.memory.world.start(uuid)
            except HypervisorError:
                return  # its disk is in use, or gone
            self.simulation.excuses.give("tampered", uuid)
            self.simulation.excuses.give("started by hand", (uuid, node.launches.get(uuid, 0)))

    def _size_kept(self, fault: Fault, node: Node) -> None:
        """Guests of a node give back neither CPUs nor memory, for up to a minute and a half."""
        keeping = node.running()
        node.memory.keeps_size.update(keeping)
        self.simulation.later(5.0 + 85.0 * fault.size, node.memory.keeps_size.difference_update, keeping)

    def _stranger(self, fault: Fault, node: Node) -> None:
        """A domain that somebody else made."""
        from cm.interfaces.hypervisor import DomainSpec

        uuid = f"00000000-0000-4000-8000-{int(fault.size * 10**12):012d}"
        node.memory.world.define(
            DomainSpec(
                name=f"stranger-{uuid[-12:]}", uuid=uuid, title="", vcpus=1, memory_mib=64, disks=(), nics=(), vnc=None,
                console_log=None,
            )  # fmt: skip
        )
        node.memory.world.start(uuid)

    def _volume_deleted(self, fault: Fault, node: Node) -> None:
        volumes = self.simulation.volumes
        found = sorted(name for name in volumes if name.startswith("vm-") and name.endswith("-root.qcow2"))
        if found:
            name = found[int(fault.size * len(found))]
            self.simulation.excuses.give("volume deleted", name)
            for share in self.simulation.shares:
                share.volumes.pop(name, None)

    # ------------------------------------------------------------------ storage

    def _storage_slow(self, fault: Fault, node: Node) -> None:
        node.slow, node.copy_s = 5 + 100 * fault.size, 300 * fault.size
        self.simulation.later(60, self._fast, node)

    @staticmethod
    def _fast(node: Node) -> None:
        node.slow, node.copy_s = 1.0, 0.0

    def _storage_silent(self, fault: Fault, node: Node) -> None:
        """The server of a network storage has no answer for any node: what touches it waits, and goes on afterwards."""
        storage_ids = self.simulation.storage_ids
        storage_id = storage_ids[int(fault.size * 10) % len(storage_ids)]
        row = self.simulation.sql("SELECT path FROM storage WHERE id = :s", s=storage_id)[0]
        self.simulation.silence.begin(row.path)
        self.simulation.later(5 + 120 * fault.size**2, self._heard_again, row.path)

    def _heard_again(self, path: str) -> None:
        if path in self.simulation.silence.paths:
            self.simulation.note("storage back", path)
            self.simulation.silence.end(path)

    def _storage_fails(self, fault: Fault, node: Node) -> None:
        method = ("create_overlay", "create_copy", "delete")[int(fault.size * 3)]
        node.memory.fail_next(method, HypervisorError("Input/output error", 38))

    def _storage_full(self, fault: Fault, node: Node) -> None:
        shares = self.simulation.shares
        shares[int(fault.size * 10) % len(shares)].capacity_bytes = 0
        self.simulation.later(30 + 60 * fault.size, self._roomy)

    def _roomy(self) -> None:
        for share in self.simulation.shares:
            share.capacity_bytes = 2**40
