"""``INics`` by libvirt."""

from __future__ import annotations

from typing import Any

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.domain_xml import nic_xml
from cm.drivers.libvirt.errors import code_of, reason_of
from cm.drivers.libvirt.plug import LIVE, Asking, definition_of, running_domain
from cm.drivers.libvirt.xml_text import Element
from cm.interfaces.hypervisor import NicSpec
from cm.interfaces.nics import NicSeen
from cm.rpc.errors import HypervisorError


class LibvirtNics:
    """Of running domains alone: the definition is written anew before each start. The test driver has none of this."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._asking = Asking()

    def look(self, uuid: str, mac: str) -> NicSeen | None:
        with self._connections.fast(uuid) as connection, self._running(connection, uuid) as domain:
            found = _find(definition_of(domain), mac)
            if found is None:
                # It leaves the definition before its tap is closed; this call has its turn after that.
                domain.memoryStats()
                return None
            source, target, model = found.find("source"), found.find("target"), found.find("model")
            return NicSeen(
                mac,
                "" if target is None else target.get("dev", ""),
                "" if model is None else model.get("type", ""),
                "" if source is None else source.get(found.get("type", ""), ""),
            )

    def attach(self, uuid: str, nic: NicSpec) -> None:
        with self._connections.slow(uuid) as connection, self._running(connection, uuid) as domain:
            if _find(definition_of(domain), nic.mac) is None:
                try:
                    domain.attachDeviceFlags(nic_xml(nic), LIVE)
                except libvirt.libvirtError as error:
                    if code_of(error) == libvirt.VIR_ERR_NO_NETWORK:
                        raise HypervisorError(reason_of(error), code_of(error)) from error
                    raise
            self._asking.forget(uuid, nic.mac)

    def detach(self, uuid: str, mac: str) -> None:
        with self._connections.slow(uuid) as connection, self._running(connection, uuid) as domain:
            self._asking.ask(domain, uuid, mac, _find)

    def _running(self, connection: Any, uuid: str) -> Any:
        return running_domain(self._connections, connection, uuid, "change the network cards")


def _find(definition: Element, mac: str) -> Element | None:
    for nic in definition.findall("devices/interface"):
        address = nic.find("mac")
        if address is not None and address.get("address", "").lower() == mac:
            return nic
    return None
