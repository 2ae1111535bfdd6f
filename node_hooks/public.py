"""
Public addresses and ports that this node answers for, as the document tells them: records and their reading. Pure.

Guests of two networks may have the same address. So a guest is told by its network's bridge and its address together.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from node_hooks.links import mark_of, read_network
from node_hooks.reading import (
    INTERFACE,
    Address,
    Network,
    read_address,
    read_entries,
    read_name,
    read_range,
    read_text,
    read_whole,
)

PROTOCOLS: Final = {"tcp": 6, "udp": 17}


@dataclass(frozen=True)
class _Way:
    """
    From an address to the guest behind it.

    :ivar uplink: the node's interface where it is answered for; empty: the one that leads to its network.
    """

    address: Address
    guest: Address
    bridge: str
    uplink: str

    @property
    def mark(self) -> int:
        """Of the network's routing table."""
        return mark_of(self.bridge)


@dataclass(frozen=True)
class PublicAddress(_Way):
    """All that comes to the address is its guest's, and the guest leaves by it."""


@dataclass(frozen=True)
class PublicPort(_Way):
    """One port of an address that guests share. ``protocol``: its name."""

    protocol: str
    port: int
    guest_port: int


@dataclass(frozen=True)
class Public:
    """
    :ivar reachable: public addresses of other nodes' guests, where guests may go also on a link of this node's.
    :ivar coming: of guests on their way here: translated, and not answered for yet; ``coming_ports`` likewise.
    """

    addresses: tuple[PublicAddress, ...] = ()
    ports: tuple[PublicPort, ...] = ()
    reachable: tuple[Network, ...] = ()
    coming: tuple[PublicAddress, ...] = ()
    coming_ports: tuple[PublicPort, ...] = ()

    @property
    def all(self) -> Sequence[PublicAddress | PublicPort]:
        return [*self.addresses, *self.ports]

    @property
    def translated(self) -> "Public":
        """All that is translated, as if it were answered for."""
        return Public((*self.addresses, *self.coming), (*self.ports, *self.coming_ports))

    @property
    def uplinks(self) -> Mapping[Address, str]:
        """Of every address, sorted."""
        found = {each.address: each.uplink for each in self.all}
        return {address: found[address] for address in sorted(found, key=_order)}


def parse_public(given: object, problems: list[str]) -> Public | None:
    """
    :param given: the section's content; None: the manager is older and knows none.
    :param problems: what is not understood is told there, and is not answered for: another node may well be.
    """
    if given is None:
        return None
    if not isinstance(given, dict):
        problems.append(f"public {given!r:.200}: no addresses and ports")
        return Public()
    addresses, ports = _parse_ways(given, problems, frozenset())
    told = given.get("coming")
    others = {each.address for each in (*addresses, *ports)}
    coming, coming_ports = _parse_ways(told if isinstance(told, dict) else {}, problems, others)
    reachable = set()
    for entry in read_entries(given.get("reachable")):
        try:
            reachable.add(read_range(entry))
        except (ValueError, TypeError) as error:
            problems.append(f"reachable {entry!r:.200}: {error}")
    found = tuple(sorted(reachable, key=lambda each: (*_order(each.network_address), each.prefixlen)))
    return Public(addresses, ports, found, coming, coming_ports)


def _parse_ways(
    given: Mapping[str, Any], problems: list[str], others: Collection[Address]
) -> tuple[tuple[PublicAddress, ...], tuple[PublicPort, ...]]:
    """:param others: addresses that are somebody's already."""
    addresses: dict[Address, PublicAddress] = {}
    for entry in read_entries(given.get("addresses")):
        try:
            each = PublicAddress(*_parse_way(entry))
            if each.address in addresses or each.address in others:
                raise ValueError("told twice")
            addresses[each.address] = each
        except (ValueError, TypeError, KeyError) as error:
            problems.append(f"public address {entry!r:.200}: {error}")
    ports: dict[tuple[Address, str, int], PublicPort] = {}
    for entry in read_entries(given.get("ports")):
        try:
            port = _parse_port(entry)
            key = (port.address, port.protocol, port.port)
            if key in ports or port.address in addresses or port.address in others:
                raise ValueError("told twice")
            ports[key] = port
        except (ValueError, TypeError, KeyError) as error:
            problems.append(f"public port {entry!r:.200}: {error}")
    return (
        tuple(addresses[address] for address in sorted(addresses, key=_order)),
        tuple(ports[key] for key in sorted(ports, key=lambda key: (*_order(key[0]), *key[1:]))),
    )


def _order(address: Address) -> tuple[int, int]:
    return address.version, int(address)


def _parse_way(entry: Mapping[str, Any]) -> tuple[Address, Address, str, str]:
    address, guest = _address(entry["address"]), _address(entry["guest"])
    if address.version != guest.version:
        raise ValueError("its guest's address is of the other family")
    uplink = entry.get("uplink")
    return address, guest, read_network(entry["bridge"]), "" if uplink is None else read_name(INTERFACE, uplink)


def _parse_port(entry: Mapping[str, Any]) -> PublicPort:
    protocol = read_text(entry["protocol"])
    if protocol not in PROTOCOLS:
        raise ValueError(f"{protocol!r:.50} has no ports")
    port, guest_port = (read_whole(entry[name], 1, 65_535) for name in ("port", "guest_port"))
    return PublicPort(*_parse_way(entry), protocol, port, guest_port)


def _address(value: object) -> Address:
    address = read_address(value)
    if address.is_multicast or address.is_loopback or address.is_link_local or address.is_unspecified:
        raise ValueError(f"{address} is nobody's")
    return address
