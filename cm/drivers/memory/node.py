"""
``INode`` in memory.

A ``MemoryNode`` is a connection; its ``world`` is the node. Several nodes may share a world (``MemoryNode.named``), and
a world goes on while it is unreachable. Knobs for tests act on the world; they are the methods and attributes below the
line, which no interface has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import ClassVar

from cm.drivers.memory.block_job import MemoryBlockJobs
from cm.drivers.memory.console_log import MemoryConsoleLogs
from cm.drivers.memory.disk import MemoryDisks, let_go
from cm.drivers.memory.figures import Load
from cm.drivers.memory.guest_agent import MemoryGuestAgents
from cm.drivers.memory.inside import Inside
from cm.drivers.memory.link import KEEPALIVE_S, Faults, Link
from cm.drivers.memory.managed import MemoryManaged
from cm.drivers.memory.migration import MemoryMigrations
from cm.drivers.memory.nic import MemoryNics, let_go_of_nics
from cm.drivers.memory.parts import MemoryHypervisor, MemoryNetworks, MemoryPools, MemoryVolumes
from cm.drivers.memory.sizing import MemorySizing
from cm.drivers.memory.snapshot import MemorySnapshots
from cm.drivers.memory.stream import MemoryStreams
from cm.drivers.memory.suspension import MemorySuspensions
from cm.drivers.memory.variables import MemoryVariables
from cm.drivers.memory.world import Hook, World
from cm.interfaces.hypervisor import NodeInfo, VncSpec
from cm.rpc.errors import CloudError
from cm.rpc.vocabulary import SeenReason


class MemoryNode:
    """
    :param name: our name of the node, and of its world where none is given.
    """

    _worlds: ClassVar[dict[str, tuple[World, Faults]]] = {}
    _worlds_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str = "memory", world: World | None = None, faults: Faults | None = None) -> None:
        self.name = name
        self.world = world or World(name)
        self._faults = faults or Faults()
        self._link = link = Link(name, self.world, self._faults)
        self.hypervisor = MemoryHypervisor(link)
        self.pools = MemoryPools(link)
        self.volumes = MemoryVolumes(link)
        self.disks = MemoryDisks(link)
        self.block_jobs = MemoryBlockJobs(link)
        self.migrations = MemoryMigrations(link, self._worlds.get)
        self.suspensions = MemorySuspensions(link)
        self.networks = MemoryNetworks(link)
        self.nics = MemoryNics(link)
        self.streams = MemoryStreams(link)
        self.snapshots = MemorySnapshots(link)
        self.guest_agents = MemoryGuestAgents(link)
        self.console_logs = MemoryConsoleLogs(link)
        self.variables = MemoryVariables(link)
        self.sizing = MemorySizing(link)
        self.managed = MemoryManaged(link)

    @classmethod
    def named(cls, world: str, node: str | None = None) -> MemoryNode:
        """A connection to the world of that name in this process, made when first asked for."""
        with cls._worlds_lock:
            found = cls._worlds.setdefault(world, (World(world), Faults()))
        return cls(node or world, *found)

    @classmethod
    def forget_all(cls) -> None:
        """Forget the named worlds, between tests."""
        with cls._worlds_lock:
            cls._worlds.clear()

    def open(self) -> NodeInfo:
        with self._link.call("open") as world:
            return world.facts()

    def close(self) -> None:
        with self.world.lock:
            self._link.closed = True
            self.hypervisor.unsubscribe()

    # ------------------------------------------------------------------ knobs for tests

    @property
    def calls(self) -> list[str]:
        """The methods called so far, in order."""
        return self._faults.calls

    @property
    def ignores_power_button(self) -> set[str]:
        """Uuids of guests that do not react to ``shutdown``."""
        return self.world.ignores_power_button

    @property
    def holds_disks(self) -> set[str]:
        """Uuids of guests that do not let go of their disks."""
        return self.world.holds_disks

    @property
    def keeps_size(self) -> set[str]:
        """Uuids of guests that give back neither CPUs nor memory."""
        return self.world.keeps_size

    @property
    def holds_nics(self) -> set[str]:
        """Uuids of guests that do not let go of their NICs."""
        return self.world.holds_nics

    @property
    def locks_tray(self) -> set[str]:
        """Uuids of guests that hold what is in their drives."""
        return self.world.locks_tray

    def let_go(self, uuid: str) -> None:
        """A guest that held on to its disks gives up those that it was asked for."""
        with self.world.lock:
            self.world.holds_disks.discard(uuid)
            let_go(self.world, self._link.running(uuid))

    def let_go_of_nics(self, uuid: str) -> None:
        """A guest that held on to its NICs gives up those that it was asked for."""
        with self.world.lock:
            self.world.holds_nics.discard(uuid)
            let_go_of_nics(self._link.running(uuid))

    @property
    def hang_jobs(self) -> bool:
        """While true no job of a disk comes any further."""
        return self.world.hang_jobs

    @hang_jobs.setter
    def hang_jobs(self, value: bool) -> None:
        self.world.hang_jobs = value

    def end_jobs(self, uuid: str) -> None:
        """QEMU gives up what it does to a domain's disks, as where a target is full."""
        with self.world.lock:
            for job in self._link.running(uuid).jobs.values():
                target = self.world.storages.behind(job.target)
                if target is not None:
                    target.writer = None
            self._link.running(uuid).jobs.clear()

    @property
    def loads(self) -> dict[str, Load]:
        """By uuid, what guests do all the time; the others are idle."""
        return self.world.loads

    @property
    def agents(self) -> dict[str, bool]:
        """By uuid, guests that have the QEMU guest agent, and whether it answers."""
        return self.world.agents

    @property
    def insides(self) -> dict[str, Inside]:
        """By uuid, what agents have been at within their guests; who writes one says what is there."""
        return self.world.insides

    @property
    def on_hook(self) -> Hook | None:
        """Called as libvirt calls its hook script: (uuid, name, operation, sub-operation)."""
        return self.world.on_hook

    @on_hook.setter
    def on_hook(self, hook: Hook | None) -> None:
        self.world.on_hook = hook

    @property
    def unreachable(self) -> bool:
        """While true each call raises ``NodeUnreachable`` at once and does nothing. Setting it tells subscribers."""
        return self._faults.unreachable

    @unreachable.setter
    def unreachable(self, value: bool) -> None:
        was, self._faults.unreachable = self._faults.unreachable, value
        if value and not was:
            self.lose_connection()

    def fail_next(self, method: str, error: CloudError, *, after: bool = False) -> None:
        """
        Let the next call of ``method`` raise ``error``; several queue up.
        :param after: the work is done first, as when only the answer is lost.
        """
        self._faults.next.setdefault(method, []).append((error, after))

    def hang(self, limit_s: float = KEEPALIVE_S, methods: Collection[str] = ()) -> Callable[[], None]:
        """
        Let calls wait until the returned function is called; after ``limit_s`` each ends in ``NodeUnreachable``. With
        limit 0 they end so at once, for tests without threads.

        :param methods: only calls of these wait; default: all.
        """
        event = threading.Event()
        self._faults.hang, self._faults.hang_s, self._faults.hanging = event, limit_s, frozenset(methods)

        def release() -> None:
            self._faults.hang = None
            event.set()

        return release

    def lose_connection(self) -> None:
        """Tell subscribers that the connection has ended. They stay subscribed, as with libvirt."""
        for lost in list(self.world.lost_callbacks):
            lost("the connection was closed")

    def guest_power_off(self, uuid: str) -> None:
        """The guest powers itself off."""
        domain = self._link.running(uuid)
        self.world.tell(uuid, domain.spec.name, "shutdown", "guest")
        self.world.stop(uuid, SeenReason.SHUTDOWN)

    def crash(self, uuid: str) -> None:
        """QEMU dies."""
        self._link.running(uuid)
        self.world.stop(uuid, SeenReason.CRASHED)

    def panic(self, uuid: str) -> None:
        """Its guest's kernel panics, which its panic device tells QEMU; libvirt ends it."""
        domain = self._link.running(uuid)
        self.world.tell(uuid, domain.spec.name, "crashed", "panicked")
        self.world.stop(uuid, SeenReason.CRASHED)

    def starve_watchdog(self, uuid: str) -> None:
        """Its guest does not feed its watchdog any more, if it has one."""
        domain = self._link.running(uuid)
        assert domain.running is not None
        if domain.running.watchdog:
            domain.paused, domain.reason = True, SeenReason.WATCHDOG
            self.world.tell(uuid, domain.spec.name, "suspended", "watchdog")

    def write_console(self, uuid: str, text: bytes) -> None:
        """The guest writes to its serial console: to its log, and to whoever speaks to it."""
        log = self._link.running(uuid).spec.console_log
        with self.world.lock:
            if log is not None:
                self.world.log(log, text)
            console = self.world.consoles.get(uuid)
        if console is not None:
            console.outward.offer(text)

    def power_cut(self) -> None:
        """The host restarts: every domain is off, without hooks or events; transient ones are gone."""
        with self.world.lock:
            self.world.expected.clear()
            for uuid, domain in list(self.world.domains.items()):
                self.world.let_go(domain)
                domain.running, domain.vnc, domain.paused = None, None, False
                domain.reason = SeenReason.HOST_RESTARTED
                if uuid in self.world.consoles:
                    self.world.consoles[uuid].end()
                if not domain.defined:
                    del self.world.domains[uuid]
        self.lose_connection()

    def vnc_of(self, uuid: str) -> VncSpec | None:
        """The VNC server of a running domain as it stands."""
        return self._link.running(uuid).vnc
