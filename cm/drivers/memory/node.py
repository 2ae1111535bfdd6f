"""
``INodeDriver`` in memory.

A ``MemoryNode`` is a connection; its ``world`` is the node. Several nodes may share a world (``MemoryNode.named``), and
a world goes on while it is unreachable. Knobs for tests act on the world; they are the methods and attributes below the
line, which no interface has.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Final

from zope.interface import implementer

from cm.drivers.memory.volumes import CONTENT_MAX, Volume
from cm.drivers.memory.world import Domain, Hook, World, check_vnc
from cm.interfaces.hypervisor import DomainDescription, DomainEvent, DomainSeen, DomainSpec, NodeInfo, VncSpec
from cm.interfaces.network import NetworkSpec
from cm.interfaces.node import INodeDriver
from cm.interfaces.volume import StorageSpec, StorageUsage, VolumeSeen
from cm.rpc.errors import CloudError, DomainNotRunning, NodeUnreachable, NotSupported, VolumeNotFound
from cm.rpc.vocabulary import DiskFormat, Seen, SeenReason

KEEPALIVE_S: Final = 4.0  # when libvirt's keep-alive ends a call to a node that hangs


class _Faults:
    """The knobs of a world, shared by its nodes."""

    def __init__(self) -> None:
        self.unreachable = False
        self.hang: threading.Event | None = None
        self.hang_s = KEEPALIVE_S
        self.next: dict[str, list[tuple[CloudError, bool]]] = {}
        self.calls: list[str] = []


@implementer(INodeDriver)
class MemoryNode:
    """
    :param name: our name of the node, and of its world where none is given.
    """

    _worlds: ClassVar[dict[str, tuple[World, _Faults]]] = {}
    _worlds_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str = "memory", world: World | None = None, faults: _Faults | None = None) -> None:
        self.name = name
        self.world = world or World(name)
        self._faults = faults or _Faults()
        self._closed = False
        self._callback: Callable[[DomainEvent], None] | None = None
        self._lost: Callable[[str], None] | None = None

    @classmethod
    def named(cls, world: str, node: str | None = None) -> MemoryNode:
        """A connection to the world of that name in this process, made when first asked for."""
        with cls._worlds_lock:
            found = cls._worlds.setdefault(world, (World(world), _Faults()))
        return cls(node or world, *found)

    @classmethod
    def forget_all(cls) -> None:
        """Forget the named worlds, between tests."""
        with cls._worlds_lock:
            cls._worlds.clear()

    @contextmanager
    def _call(self, method: str) -> Iterator[World]:
        """One call: the faults asked for, then the world's lock for as long as the block lasts."""
        faults = self._faults
        faults.calls.append(method)
        if self._closed:
            raise NodeUnreachable(self.name, "its driver was closed")
        hang = faults.hang
        if hang is not None and not hang.wait(faults.hang_s):
            raise NodeUnreachable(self.name, "connection closed due to keepalive timeout")
        if faults.unreachable:
            raise NodeUnreachable(self.name, "Connection refused")
        queue = faults.next.get(method)
        error, after = queue.pop(0) if queue else (None, False)
        if error is not None and not after:
            raise error
        yield self.world
        if error is not None:
            raise error

    # ------------------------------------------------------------------ INodeDriver, IHypervisor

    def open(self) -> NodeInfo:
        with self._call("open") as world:
            return world.facts()

    def info(self) -> NodeInfo:
        with self._call("info") as world:
            return world.facts()

    def domains(self) -> Sequence[DomainSeen]:
        with self._call("domains") as world, world.lock:
            return [domain.seen() for domain in world.domains.values()]

    def look(self, uuid: str) -> DomainSeen:
        with self._call("look") as world, world.lock:
            domain = world.domains.get(uuid)
            if domain is None:
                return DomainSeen(uuid, "", Seen.ABSENT, SeenReason.ABSENT, persistent=False)
            return domain.seen()

    def describe(self, uuid: str) -> DomainDescription | None:
        with self._call("describe") as world, world.lock:
            domain = world.domains.get(uuid)
            return None if domain is None else world.described(domain)

    def define(self, spec: DomainSpec) -> None:
        with self._call("define") as world:
            world.define(spec)

    def start(self, uuid: str) -> None:
        with self._call("start") as world:
            world.start(uuid)

    def destroy(self, uuid: str) -> None:
        with self._call("destroy") as world:
            world.stop(uuid, SeenReason.DESTROYED)

    def shutdown(self, uuid: str) -> None:
        """The guest obeys at once unless ``ignores_power_button`` holds its uuid."""
        with self._call("shutdown") as world:
            domain = self._running(uuid)
            if uuid not in self.ignores_power_button:
                world.tell(uuid, domain.spec.name, "shutdown", "host")
                world.stop(uuid, SeenReason.SHUTDOWN)

    def reset(self, uuid: str) -> None:
        with self._call("reset"):
            self._running(uuid)

    def pause(self, uuid: str) -> None:
        with self._call("pause") as world:
            domain = self._running(uuid)
            if not domain.paused:
                domain.paused, domain.reason = True, SeenReason.USER
                world.tell(uuid, domain.spec.name, "suspended", "paused")

    def resume(self, uuid: str) -> None:
        with self._call("resume") as world:
            domain = self._running(uuid)
            if domain.paused:
                domain.paused, domain.reason = False, SeenReason.UNPAUSED
                world.tell(uuid, domain.spec.name, "resumed", "unpaused")

    def undefine(self, uuid: str) -> None:
        with self._call("undefine") as world:
            world.undefine(uuid)

    def set_vnc(self, uuid: str, vnc: VncSpec) -> None:
        with self._call("set_vnc"):
            check_vnc(vnc)
            domain = self._running(uuid)
            if domain.vnc is None:
                raise NotSupported("change a VNC server: the domain was started without one")
            domain.vnc = vnc

    def subscribe(self, callback: Callable[[DomainEvent], None], lost: Callable[[str], None]) -> None:
        with self._call("subscribe") as world, world.lock:
            self._unsubscribe()
            self._callback, self._lost = callback, lost
            world.subscribers.append(callback)
            world.lost_callbacks.append(lost)

    def _unsubscribe(self) -> None:
        if self._callback is not None and self._callback in self.world.subscribers:
            self.world.subscribers.remove(self._callback)
        if self._lost is not None and self._lost in self.world.lost_callbacks:
            self.world.lost_callbacks.remove(self._lost)
        self._callback = self._lost = None

    def close(self) -> None:
        with self.world.lock:
            self._closed = True
            self._unsubscribe()

    def _running(self, uuid: str) -> Domain:
        domain = self.world.domains.get(uuid)
        if domain is None or domain.running is None:
            raise DomainNotRunning(uuid)
        return domain

    # ------------------------------------------------------------------ IImageStore

    def attach(self, storage: StorageSpec) -> StorageUsage:
        with self._call("attach") as world, world.lock:
            return world.storages.attach(storage)

    def detach(self, storage_name: str) -> None:
        with self._call("detach") as world, world.lock:
            world.storages.detach(storage_name)

    def usage(self, storage_name: str) -> StorageUsage:
        with self._call("usage") as world, world.lock:
            return world.storages.share(storage_name).usage()

    def volumes(self, storage_name: str) -> Sequence[VolumeSeen]:
        with self._call("volumes") as world, world.lock:
            found = list(world.storages.share(storage_name).volumes.values())
            return [world.storages.seen(storage_name, volume) for volume in found]

    def find(self, storage_name: str, volume: str) -> VolumeSeen | None:
        with self._call("find") as world, world.lock:
            found = world.storages.find(storage_name, volume)
            return None if found is None else world.storages.seen(storage_name, found)

    def create_overlay(
        self, storage_name: str, volume: str, base: str, base_format: DiskFormat, size_bytes: int
    ) -> VolumeSeen:
        with self._call("create_overlay") as world, world.lock:
            return world.storages.seen(storage_name, world.storages.overlay(storage_name, volume, base, size_bytes))

    def create_copy(self, storage_name: str, volume: str, source: str, source_format: DiskFormat) -> VolumeSeen:
        with self._call("create_copy") as world, world.lock:
            made = world.storages.copy(storage_name, volume, source, source_format)
            return world.storages.seen(storage_name, made)

    def create_empty(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        with self._call("create_empty") as world, world.lock:
            return world.storages.seen(storage_name, world.storages.empty(storage_name, volume, format, size_bytes))

    def upload(
        self,
        storage_name: str,
        volume: str,
        path: str,
        format: DiskFormat,
        size_bytes: int,
        progress: Callable[[int], None],
    ) -> VolumeSeen:
        """The end of the file is kept, for ``read_tail``."""
        with self._call("upload") as world:
            with world.lock:
                storages = world.storages
                found = storages.find(storage_name, volume)
                if found is not None:
                    return storages.seen(storage_name, found)
                with open(path, "rb") as file:
                    length = os.fstat(file.fileno()).st_size
                    file.seek(max(0, length - CONTENT_MAX))
                    content = file.read()
                made = storages.put(
                    storage_name, Volume(volume, format, size_bytes, length, content=content, half_made=True)
                )
            progress(length)  # without the lock, and a volume of which this raises stays half-made
            with world.lock:
                made.half_made = False
                return storages.seen(storage_name, made)

    def read_tail(self, storage_name: str, volume: str, limit_bytes: int) -> bytes:
        with self._call("read_tail") as world, world.lock:
            found = world.storages.share(storage_name).volumes.get(volume)
            if found is None:
                raise VolumeNotFound(storage_name, volume)
            return found.content[-limit_bytes:] if limit_bytes > 0 else b""

    def delete(self, storage_name: str, volume: str) -> None:
        with self._call("delete") as world, world.lock:
            world.storages.share(storage_name).volumes.pop(volume, None)

    # ------------------------------------------------------------------ INetwork

    def ensure(self, network: NetworkSpec) -> None:
        with self._call("ensure") as world, world.lock:
            world.networks[network.name] = network

    def remove(self, name: str) -> None:
        with self._call("remove") as world, world.lock:
            world.networks.pop(name, None)

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

    def hang(self, limit_s: float = KEEPALIVE_S) -> Callable[[], None]:
        """
        Let calls wait until the returned function is called; after ``limit_s`` each ends in ``NodeUnreachable``. With
        limit 0 they end so at once, for tests without threads.
        """
        event = threading.Event()
        self._faults.hang, self._faults.hang_s = event, limit_s

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
        domain = self._running(uuid)
        self.world.tell(uuid, domain.spec.name, "shutdown", "guest")
        self.world.stop(uuid, SeenReason.SHUTDOWN)

    def crash(self, uuid: str) -> None:
        """QEMU dies."""
        self._running(uuid)
        self.world.stop(uuid, SeenReason.CRASHED)

    def write_console(self, uuid: str, text: bytes) -> None:
        """The guest writes to its serial console."""
        log = self._running(uuid).spec.console_log
        if log is not None:
            with self.world.lock:
                self.world.storages.append(log, text)

    def power_cut(self) -> None:
        """The host restarts: every domain is off, without hooks or events; transient ones are gone."""
        with self.world.lock:
            for uuid, domain in list(self.world.domains.items()):
                for volume in domain.writes:
                    volume.writer = None
                domain.writes, domain.running, domain.vnc, domain.paused = [], None, None, False
                domain.reason = SeenReason.HOST_RESTARTED
                if not domain.defined:
                    del self.world.domains[uuid]
        self.lose_connection()

    def vnc_of(self, uuid: str) -> VncSpec | None:
        """The VNC server of a running domain as it stands."""
        return self._running(uuid).vnc
