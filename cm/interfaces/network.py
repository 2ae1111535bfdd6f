"""Networks of guests on a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cm.rules.network import Address, Network


@dataclass(frozen=True)
class NetworkSpec:
    """
    A network of guests on a node: a bridge with its gateway and a DHCP server whose leases are fixed in advance.

    Which MAC address it has an address for follows from the address (``rules/network.py``), so the definition covers
    the whole pool and starting a VM changes nothing on the network.
    """

    name: str  # libvirt network
    bridge: str
    pool: Network
    gateway: Address
    first: Address  # first and last address that guests get
    last: Address
    dns: tuple[str, ...] = ()


class INetworks(Protocol):
    """One node's networks."""

    def ensure(self, network: NetworkSpec) -> None:
        """
        Make the network be defined as said, active and autostarted; repeatable and cheap when it already is.
        :raises InvalidParameter: it is larger than the hypervisor takes, or of a family that it does not serve.
        """

    def remove(self, name: str) -> None:
        """Stop and forget; absent is not an error."""
