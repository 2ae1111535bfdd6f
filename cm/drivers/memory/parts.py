"""The parts of a node in memory: ``IHypervisor``, ``IPools``, ``IVolumes``, ``INetworks``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence

from cm.drivers.memory.domain import OPERATION_FAILED, check_vnc, waiting
from cm.drivers.memory.link import Link
from cm.drivers.memory.volume import CONTENT_MAX, Volume
from cm.interfaces.hypervisor import DomainDescription, DomainEvent, DomainSeen, DomainSpec, NodeInfo, VncSpec
from cm.interfaces.network import NetworkSpec
from cm.interfaces.source import DiskSource
from cm.interfaces.volume import StorageSpec, StorageUsage, VolumeSeen
from cm.rpc.errors import HypervisorError, NotSupported, StorageSilent, VolumeNotFound
from cm.rpc.vocabulary import DiskFormat, Seen, SeenReason
from cm.rules.figures import NodeFigures
from cm.rules.machine import Cpu
from cm.runtime.wall import steady_seconds


class MemoryHypervisor:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._callback: Callable[[DomainEvent], None] | None = None
        self._lost: Callable[[str], None] | None = None

    def info(self) -> NodeInfo:
        with self._link.call("info") as world:
            return world.facts()

    def cpu(self) -> str:
        with self._link.call("cpu") as world:
            return json.dumps([world.cpu.model, world.cpu.vendor, world.cpu.features])

    def common_cpu(self, cpus: Sequence[str]) -> Cpu:
        with self._link.call("common_cpu"):
            told = [json.loads(cpu) for cpu in cpus]
            model, vendor, _ = told[0]
            if any(each[:2] != [model, vendor] for each in told):
                raise HypervisorError("CPUs are incompatible", OPERATION_FAILED)
            has = set.intersection(*({name for name, there in each[2] if there} for each in told))
            return Cpu(model, vendor, tuple((name, name in has) for name in sorted({n for e in told for n, _ in e[2]})))

    def domains(self) -> Sequence[DomainSeen]:
        with self._link.call("domains") as world, world.lock:
            expected = [waiting(spec) for spec in world.expected.values()]
            return [domain.seen() for domain in world.domains.values()] + expected

    def measure(self) -> NodeFigures:
        with self._link.call("measure") as world, world.lock:
            return world.measured(steady_seconds())

    def look(self, uuid: str) -> DomainSeen:
        with self._link.call("look") as world, world.lock:
            domain = world.domains.get(uuid)
            if domain is not None:
                return domain.seen()
            if uuid in world.expected:
                return waiting(world.expected[uuid])
            return DomainSeen(uuid, "", Seen.ABSENT, SeenReason.ABSENT, persistent=False)

    def describe(self, uuid: str) -> DomainDescription | None:
        with self._link.call("describe") as world, world.lock:
            domain = world.domains.get(uuid)
            return None if domain is None else world.described(domain)

    def define(self, spec: DomainSpec) -> None:
        with self._link.call("define") as world:
            world.define(spec)

    def start(self, uuid: str) -> None:
        with self._link.call("start") as world:
            world.start(uuid)

    def destroy(self, uuid: str) -> None:
        with self._link.call("destroy") as world:
            silent = world.silent_below(uuid)
            if silent is not None:
                raise StorageSilent(world.name, silent)
            world.stop(uuid, SeenReason.DESTROYED)

    def shutdown(self, uuid: str) -> None:
        """
        The guest obeys at once unless ``ignores_power_button`` holds its uuid, or it waits for a storage: nothing more
        is heard of it then.
        """
        with self._link.call("shutdown") as world:
            domain = self._link.running(uuid)
            if uuid not in world.ignores_power_button and world.silent_below(uuid) is None:
                world.tell(uuid, domain.spec.name, "shutdown", "host")
                world.stop(uuid, SeenReason.SHUTDOWN)

    def reset(self, uuid: str) -> None:
        with self._link.call("reset"):
            self._link.running(uuid)

    def press_keys(self, uuid: str, keys: Sequence[int]) -> None:
        with self._link.call("press_keys") as world:
            self._link.running(uuid)
            if world.keyless:
                raise NotSupported("press keys")
            world.pressed.append((uuid, tuple(keys)))

    def pause(self, uuid: str) -> None:
        with self._link.call("pause") as world:
            domain = self._link.running(uuid)
            if not domain.paused:
                domain.paused, domain.reason = True, SeenReason.USER
                world.tell(uuid, domain.spec.name, "suspended", "paused")

    def resume(self, uuid: str) -> None:
        with self._link.call("resume") as world:
            domain = self._link.running(uuid)
            if domain.paused:
                domain.paused, domain.reason = False, SeenReason.UNPAUSED
                world.tell(uuid, domain.spec.name, "resumed", "unpaused")

    def undefine(self, uuid: str) -> None:
        with self._link.call("undefine") as world:
            world.undefine(uuid)

    def set_vnc(self, uuid: str, vnc: VncSpec) -> None:
        with self._link.call("set_vnc"):
            check_vnc(vnc)
            domain = self._link.running(uuid)
            if domain.vnc is None:
                raise NotSupported("change a VNC server: the domain was started without one")
            domain.vnc = vnc

    def subscribe(self, callback: Callable[[DomainEvent], None], lost: Callable[[str], None]) -> None:
        with self._link.call("subscribe") as world, world.lock:
            self.unsubscribe()
            self._callback, self._lost = callback, lost
            world.subscribers.append(callback)
            world.lost_callbacks.append(lost)

    def unsubscribe(self) -> None:
        if self._callback is not None and self._callback in self._link.world.subscribers:
            self._link.world.subscribers.remove(self._callback)
        if self._lost is not None and self._lost in self._link.world.lost_callbacks:
            self._link.world.lost_callbacks.remove(self._lost)
        self._callback = self._lost = None


class MemoryPools:
    def __init__(self, link: Link) -> None:
        self._link = link

    def attach(self, storage: StorageSpec) -> StorageUsage:
        with self._link.call("attach") as world, world.lock:
            return world.storages.attach(storage)

    def ensure(self, storage: StorageSpec) -> None:
        with self._link.call("ensure") as world, world.lock:
            if not world.storages.has(storage.name):
                world.storages.attach(storage)

    def detach(self, storage_name: str) -> None:
        with self._link.call("detach") as world, world.lock:
            world.storages.detach(storage_name)

    def usage(self, storage_name: str, fresh: bool = True) -> StorageUsage:
        with self._link.call("usage") as world, world.lock:
            return world.storages.share(storage_name).usage()


class MemoryVolumes:
    def __init__(self, link: Link) -> None:
        self._link = link

    def list_all(self, storage_name: str) -> Sequence[VolumeSeen]:
        with self._link.call("list_all") as world, world.lock:
            found = list(world.storages.share(storage_name).volumes.values())
            for volume in found:
                volume.refresh()
            return [world.storages.seen(storage_name, volume) for volume in found]

    def find(self, storage_name: str, volume: str) -> VolumeSeen | None:
        with self._link.call("find") as world, world.lock:
            found = world.storages.find(storage_name, volume)
            return None if found is None else world.storages.seen(storage_name, found)

    def source(self, storage_name: str, volume: str) -> DiskSource:
        with self._link.call("source") as world, world.lock:
            return world.storages.place(storage_name, volume)

    def create_overlay(
        self, storage_name: str, volume: str, base: str, base_format: DiskFormat, size_bytes: int
    ) -> VolumeSeen:
        with self._link.call("create_overlay") as world, world.lock:
            return world.storages.seen(storage_name, world.storages.overlay(storage_name, volume, base, size_bytes))

    def create_copy(
        self,
        storage_name: str,
        volume: str,
        source: str,
        source_format: DiskFormat,
        size_bytes: int = 0,
        *,
        source_storage: str = "",
        format: DiskFormat = DiskFormat.QCOW2,
    ) -> VolumeSeen:
        with self._link.call("create_copy") as world, world.lock:
            there = source_storage or storage_name
            made = world.storages.copy(storage_name, volume, there, source, source_format, size_bytes, format)
            return world.storages.seen(storage_name, made)

    def create_empty(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        with self._link.call("create_empty") as world, world.lock:
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
        with self._link.call("upload") as world:
            with world.lock:
                storages = world.storages
                found = storages.find(storage_name, volume)
                if found is not None:
                    return storages.seen(storage_name, found)
                storages.takes(storage_name, format)
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

    def resize(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        with self._link.call("resize") as world, world.lock:
            return world.storages.seen(storage_name, world.storages.resize(storage_name, volume, size_bytes))

    def read_tail(self, storage_name: str, volume: str, limit_bytes: int) -> bytes:
        with self._link.call("read_tail") as world, world.lock:
            found = world.storages.share(storage_name).volumes.get(volume)
            if found is None:
                raise VolumeNotFound(storage_name, volume)
            return found.content[-limit_bytes:] if limit_bytes > 0 else b""

    def wipe(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int, overwrite: bool) -> VolumeSeen:
        with self._link.call("wipe") as world, world.lock:
            world.storages.share(storage_name).volumes.pop(volume, None)
            return world.storages.seen(storage_name, world.storages.empty(storage_name, volume, format, size_bytes))

    def delete(self, storage_name: str, volume: str) -> None:
        with self._link.call("delete") as world, world.lock:
            world.storages.share(storage_name).volumes.pop(volume, None)


class MemoryNetworks:
    def __init__(self, link: Link) -> None:
        self._link = link

    def ensure(self, network: NetworkSpec) -> None:
        with self._link.call("ensure") as world, world.lock:
            world.networks[network.name] = network

    def remove(self, name: str) -> None:
        with self._link.call("remove") as world, world.lock:
            world.networks.pop(name, None)
