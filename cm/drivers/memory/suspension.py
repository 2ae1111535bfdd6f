"""``ISuspensions`` in memory: what a domain was like is kept in a volume, which any node of its storage can read."""

from __future__ import annotations

from dataclasses import replace

from cm.drivers.memory.domain import INTERNAL_ERROR, OPERATION_FAILED, SYSTEM_ERROR
from cm.drivers.memory.link import Link
from cm.drivers.memory.volume import Volume
from cm.interfaces.hypervisor import DomainSpec
from cm.rpc.errors import HypervisorError, NotSupported
from cm.rpc.vocabulary import DiskFormat, SeenReason

MIB = 2**20


class MemorySuspensions:
    def __init__(self, link: Link) -> None:
        self._link = link

    def save(self, uuid: str, storage_name: str, volume: str) -> None:
        with self._link.call("save") as world:
            with world.lock:
                running = self._link.running(uuid).running
                assert running is not None
                if self._link.running(uuid).jobs:
                    raise HypervisorError("domain has an active block job", INTERNAL_ERROR)
                if not world.storages.can(storage_name).files:
                    raise NotSupported("keep a guest's memory on devices")
                size_bytes = running.memory_mib * MIB
                made = Volume(volume, DiskFormat.RAW, size_bytes, size_bytes, saved=running)
                world.storages.put(storage_name, made)
            world.stop(uuid, SeenReason.SAVED)

    def restore(self, spec: DomainSpec, storage_name: str, volume: str) -> None:
        with self._link.call("restore") as world:
            found = world.storages.find(storage_name, volume)
            if found is None:
                raise HypervisorError(f"Failed to open file '{volume}': No such file or directory", SYSTEM_ERROR)
            saved = found.saved
            if saved is None or saved.uuid != spec.uuid:
                raise HypervisorError(f"save image '{volume}' is incomplete", OPERATION_FAILED)
            world.define(spec)
            screen = saved.vnc if saved.vnc is None else spec.vnc or saved.vnc
            world.restore(replace(saved, vnc=screen))
