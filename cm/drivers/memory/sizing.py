"""``ISizing`` in memory."""

from __future__ import annotations

from dataclasses import replace

from cm.drivers.memory.domain import INTERNAL_ERROR, Domain
from cm.drivers.memory.link import Link
from cm.interfaces.sizing import DomainSize
from cm.rpc.errors import HypervisorError
from cm.rules.sizing import MODULES_MAX


class MemorySizing:
    def __init__(self, link: Link) -> None:
        self._link = link

    def size(self, uuid: str) -> DomainSize:
        with self._link.call("size") as world, world.lock:
            domain = self._link.running(uuid)
            assert domain.running is not None
            return DomainSize(domain.running.vcpus, domain.running.memory_mib, tuple(domain.modules))

    def set_vcpus(self, uuid: str, count: int) -> None:
        with self._link.call("set_vcpus") as world, world.lock:
            domain = self._link.running(uuid)
            assert domain.running is not None
            if count > max(domain.running.max_vcpus, domain.running.vcpus):
                raise HypervisorError(f"requested vcpus is greater than max allowable vcpus: {count}", INTERNAL_ERROR)
            if count < domain.running.vcpus and uuid in world.keeps_size:
                raise HypervisorError("vcpu unplug request timed out. Unplug result must be manually inspected",
                                      INTERNAL_ERROR)  # fmt: skip
            domain.running = replace(domain.running, vcpus=count)

    def plug_memory(self, uuid: str, module_mib: int) -> None:
        with self._link.call("plug_memory") as world, world.lock:
            domain = self._link.running(uuid)
            assert domain.running is not None
            after = domain.running.memory_mib + module_mib
            if len(domain.modules) >= MODULES_MAX or after > domain.running.max_memory_mib:
                raise HypervisorError("no free memory device slot available", INTERNAL_ERROR)
            domain.modules.append(module_mib)
            domain.running = replace(domain.running, memory_mib=after)

    def unplug_memory(self, uuid: str, module_mib: int) -> None:
        with self._link.call("unplug_memory") as world, world.lock:
            domain = self._link.running(uuid)
            if uuid not in world.keeps_size and module_mib in domain.modules:
                take_module(domain, module_mib)


def take_module(domain: Domain, module_mib: int) -> None:
    """Its guest lets go of one."""
    assert domain.running is not None
    domain.modules.remove(module_mib)
    domain.running = replace(domain.running, memory_mib=domain.running.memory_mib - module_mib)
