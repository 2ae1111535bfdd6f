"""``INetworks`` by libvirt networks: NAT, a bridge and a dnsmasq with a fixed lease for every address."""

from __future__ import annotations

import hashlib
import uuid
from functools import lru_cache
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.pool_xml import network_xml, same_addresses
from cm.interfaces.network import NetworkSpec

_NAMESPACE: Final = uuid.UUID("5d0c9c0b-6e37-5c1f-9a55-0a57f8be3d10")
_ANY: Final = "00000000-0000-0000-0000-000000000000"


# For all nodes of the process: of a /20 it takes 15 ms, and the first burst after a start would pay it at each node.
@lru_cache(maxsize=1024)
def definition_uuid(network: NetworkSpec) -> str:
    """
    The network's uuid in libvirt: a digest of its whole definition.

    So "is it defined as said?" is one lookup by uuid with a tiny answer, however many addresses the definition lists.
    libvirt 9.0 keeps no description of a network and returns its metadata only within the whole XML.
    """
    digest = hashlib.sha256(network_xml(network, _ANY).encode()).hexdigest()
    return str(uuid.uuid5(_NAMESPACE, digest))


class LibvirtNetworks:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def ensure(self, network: NetworkSpec) -> None:
        """
        A network of that name that is defined otherwise is stopped and defined anew. That replaces dnsmasq and bridge,
        and libvirt does not plug taps back in; so while guests are on it one that differs in nothing that they have,
        as an older version of ours defined it, goes on.

        Of several starts at once each does this, also of other processes: what one has just defined, the next finds by
        its name, and must not take for somebody else's.
        """
        wanted = definition_uuid(network)
        with self._connections.fast(network.name) as connection:
            found = _find(lambda: connection.networkLookupByUUIDString(wanted))
            if found is None:
                other = _find(lambda: connection.networkLookupByName(network.name))
                if other is not None and other.UUIDString() == wanted:
                    found = other
                elif other is not None and other.isActive() and _serves(other, network):
                    return
                elif other is not None:
                    _stop_and_forget(other)
            if found is None:
                found = connection.networkDefineXML(network_xml(network, wanted))
            if not found.autostart():
                found.setAutostart(1)
            if not found.isActive():
                _start(found)

    def remove(self, name: str) -> None:
        with self._connections.fast(name) as connection:
            found = _find(lambda: connection.networkLookupByName(name))
            if found is not None:
                _stop_and_forget(found)


def _find(ask: Any) -> Any | None:
    try:
        return ask()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
            return None
        raise


def _serves(found: Any, network: NetworkSpec) -> bool:
    """Whether guests are on a network as this one says it."""
    try:
        return bool(found.listAllPorts()) and same_addresses(found.XMLDesc(), network)
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_NO_NETWORK):
            return False  # libvirt's test driver knows no ports
        raise


def _start(network: Any) -> None:
    try:
        network.create()
    except libvirt.libvirtError:
        if not network.isActive():  # else somebody was faster
            raise


def _stop_and_forget(network: Any) -> None:
    if network.isActive():
        network.destroy()
    if network.isPersistent():
        network.undefine()
