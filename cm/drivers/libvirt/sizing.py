"""
``ISizing`` by libvirt: CPUs of QEMU's that a guest sees come, and memory modules (``<memory model='dimm'>``). A guest
is asked for one by its alias, as for any device: the other call waits for 5 s and then says that all is well.
"""

from __future__ import annotations

from typing import Any

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.domain_read import memory_mib_of
from cm.drivers.libvirt.plug import LIVE, Asking, definition_of, running_domain
from cm.drivers.libvirt.xml_text import Element, element, serialized
from cm.interfaces.sizing import DomainSize

CHANGE = "change the size"


class LibvirtSizing:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._asking = Asking()

    def _running(self, connection: Any, uuid: str) -> Any:
        return running_domain(self._connections, connection, uuid, CHANGE)

    def size(self, uuid: str) -> DomainSize:
        with self._connections.fast(uuid) as connection, self._running(connection, uuid) as domain:
            told = definition_of(domain)
            return DomainSize(domain.vcpusFlags(LIVE), memory_mib_of(told.find("memory")), _modules(told))

    def set_vcpus(self, uuid: str, count: int) -> None:
        with self._connections.slow(uuid) as connection, self._running(connection, uuid) as domain:
            if domain.vcpusFlags(LIVE) != count:
                domain.setVcpusFlags(count, LIVE)

    def plug_memory(self, uuid: str, module_mib: int) -> None:
        target = element("target", element("size", text=str(module_mib), unit="MiB"), element("node", text="0"))
        with self._connections.slow(uuid) as connection, self._running(connection, uuid) as domain:
            domain.attachDeviceFlags(serialized(element("memory", target, model="dimm")), LIVE)

    def unplug_memory(self, uuid: str, module_mib: int) -> None:
        with self._connections.slow(uuid) as connection, self._running(connection, uuid) as domain:
            self._asking.ask(domain, uuid, str(module_mib), _module)


def _all(told: Element) -> list[Element]:
    return [each for each in told.findall("devices/memory") if each.get("model") == "dimm"]


def _mib(module: Element) -> int:
    return memory_mib_of(module.find("target/size"))


def _modules(told: Element) -> tuple[int, ...]:
    return tuple(_mib(module) for module in _all(told))


def _module(told: Element, size_mib: str) -> Element | None:
    return next((module for module in _all(told) if _mib(module) == int(size_mib)), None)
