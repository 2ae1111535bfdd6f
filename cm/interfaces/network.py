"""Networks of guests on a node."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol


@dataclass(frozen=True)
class NetworkSpec:
    """
    A network of guests on a node: a bridge with its gateway and a DHCP server whose leases are fixed in advance.

    A guest's MAC address and the name of its tap are pure functions of its address (``rules/network.py``), so the
    definition covers the whole pool and starting a VM changes nothing on the network.
    """

    name: str  # libvirt network
    bridge: str
    pool: IPv4Network
    gateway: IPv4Address
    first: IPv4Address  # first and last address that guests get
    last: IPv4Address
    dns: tuple[str, ...] = ()


class INetworks(Protocol):
    """One node's networks."""

    def ensure(self, network: NetworkSpec) -> None:
        """Make the network be defined as said, active and autostarted; repeatable and cheap when it already is."""

    def remove(self, name: str) -> None:
        """Stop and forget; absent is not an error."""
