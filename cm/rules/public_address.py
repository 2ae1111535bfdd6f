"""
Public addresses: which an administrator's words name, which port of a shared one a guest's gets, what state one is in,
and by which commands a VM is reached. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import collapse_addresses, ip_address, ip_network, summarize_address_range
from typing import Any, Final

from cm.rpc.vocabulary import PublicState
from cm.rules.network import Address, Network

ADDRESSES_MAX: Final = 1024  # that one call adds
PORT_FIRST: Final = 20000  # of shared addresses; below them stands what people expect to find there
PORT_LAST: Final = 59999
_LIKE: Final = 10000  # guests' ports below it get one that ends alike: 22 becomes 20022


def parse_addresses(given: Sequence[str]) -> list[Address]:
    """
    Addresses, ranges (``203.0.113.7-203.0.113.9``) and networks (``203.0.113.0/28``: those that hosts may have), each
    address once, in order.

    :raises ValueError: what is wrong, as the end of a sentence that begins with "they ...".
    """
    found: set[Address] = set()
    for each in given:
        for part in each.replace(",", " ").split():
            for network in _networks(part):
                if network.num_addresses + len(found) > ADDRESSES_MAX * 2:
                    raise ValueError(f"are more than {ADDRESSES_MAX} at once")
                found.update(network.hosts() if "/" in part else network)
    if not found:
        raise ValueError("are addresses, first-last, or networks")
    if len(found) > ADDRESSES_MAX:
        raise ValueError(f"are more than {ADDRESSES_MAX} at once")
    for address in found:
        if _no_hosts(address):
            raise ValueError(f"cannot be loopback, link-local, multicast or reserved addresses: {address} is one")
    return sorted(found, key=lambda address: (address.version, int(address)))


def merged(addresses: Iterable[Address]) -> list[str]:
    """The fewest networks that have exactly these addresses, those of IPv4 first."""
    by_version: dict[int, list[Any]] = {4: [], 6: []}
    for address in addresses:
        by_version[address.version].append(address)
    return [str(network) for each in by_version.values() for network in collapse_addresses(each)]


def _networks(part: str) -> Iterable[Network]:
    try:
        if "/" in part:
            return [ip_network(part)]
        first, dash, last = part.partition("-")
        begin, end = ip_address(first), ip_address(last if dash else first)
        if begin.version == 4 and end.version == 4:
            return list(summarize_address_range(begin, end))
        if begin.version == 6 and end.version == 6:
            return list(summarize_address_range(begin, end))
    except ValueError:
        pass
    raise ValueError(f"are addresses, first-last, or networks: {part!r} is none")


def _no_hosts(address: Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.version == 4 and address.is_reserved)
        or (address.version == 6 and address.ipv4_mapped is not None)
    )


def free_port(guest_port: int, taken: Collection[int]) -> int | None:
    """A port of a shared address for one of a guest's: one that ends alike where it is free, or the first free one."""
    alike = PORT_FIRST + guest_port
    if guest_port < _LIKE and alike not in taken:
        return alike
    start = PORT_FIRST + _LIKE
    others = (*range(start, PORT_LAST + 1), *range(PORT_FIRST, start))
    return next((port for port in others if port not in taken), None)


# ------------------------------------------------------------------ state


@dataclass(frozen=True)
class AddressFacts:
    """
    :ivar used: it is assigned, or of a shared one ports are given away.
    :ivar placed: the VM has a node; of a shared address a VM that one of its ports leads to.
    :ivar capable: that node's agent answers for public addresses.
    :ivar told: it has told that it answers for this one.
    """

    owned: bool
    used: bool
    placed: bool
    capable: bool
    told: bool


def public_state(facts: AddressFacts) -> tuple[PublicState, str]:
    """With why it waits, else ""."""
    if not facts.used:
        return (PublicState.UNASSIGNED if facts.owned else PublicState.FREE), ""
    if not facts.placed:
        return PublicState.WAITING, "its VM does not run"
    if not facts.capable:
        return PublicState.WAITING, "the node's agent is too old, or does not report"
    if not facts.told:
        return PublicState.WAITING, "its node has not told yet that it answers"
    return PublicState.ANSWERED, ""


# ------------------------------------------------------------------ how a VM is reached


@dataclass(frozen=True)
class Way:
    """``method``: ssh, rdp, vnc, http, https."""

    method: str
    command: str


PORTS: Final = {"ssh": 22, "rdp": 3389, "vnc": 5900, "http": 80, "https": 443}  # of TCP, where a guest has them
_METHODS: Final = {port: method for method, port in PORTS.items()}


def way(method: str, address: str, port: int, username: str) -> Way:
    """What somebody types or opens to reach a guest's service at a public address and port."""
    host = f"[{address}]" if ":" in address else address
    if method == "ssh":
        who = f"{username}@{address}" if username else address
        return Way(method, f"ssh {who}" if port == PORTS[method] else f"ssh -p {port} {who}")
    if method == "rdp":
        return Way(method, f"xfreerdp /v:{host}:{port}" + (f" /u:{username}" if username else ""))
    if method == "vnc":
        return Way(method, f"vncviewer {host}::{port}")
    return Way(method, f"{method}://{host}" + ("/" if port == PORTS[method] else f":{port}/"))


class Through(StrEnum):
    """What leads to a VM, the farthest reaching first."""

    PUBLIC = "public"  # a public address of its own
    PORT = "port"  # a port of a shared one
    NETWORK = "network"  # its own address, for who is on its network, or has a way there
    SCREEN = "screen"  # its node's port for its screen, by a password of its own


@dataclass(frozen=True)
class Entrance:
    """One way to a VM: what to type, and by what and where that leads to it."""

    method: str
    through: Through
    address: str
    port: int
    command: str


def entrances(
    addresses: Sequence[str],
    ports: Iterable[tuple[str, str, int, int]],
    inside: Sequence[str],
    screen: tuple[str, int] | None,
    username: str,
    platform: str,
) -> list[Entrance]:
    """
    All ways to a VM.

    :param addresses: and ``ports``, ``username`` and ``platform`` as of ``ways``.
    :param inside: its own addresses on networks where others are.
    :param screen: address and port where its screen is open; None: it is not.
    """
    usual = "rdp" if platform == "windows" else "ssh"
    places = [(Through.PUBLIC, usual, each, PORTS[usual]) for each in addresses]
    places += [
        (Through.PORT, _METHODS[guest_port], address, port)
        for address, protocol, port, guest_port in ports if protocol == "tcp" and guest_port in _METHODS
    ]  # fmt: skip
    places += [(Through.NETWORK, usual, each, PORTS[usual]) for each in inside]
    places += [(Through.SCREEN, "vnc", *screen)] if screen is not None else []
    return [
        Entrance(method, through, address, port, way(method, address, port, username).command)
        for through, method, address, port in places
    ]


def ways(
    addresses: Sequence[str], ports: Iterable[tuple[str, str, int, int]], username: str, platform: str
) -> list[Way]:
    """
    :param addresses: public ones of its own.
    :param ports: address, protocol, public port, guest's port.
    :param platform: of what is installed: windows is reached by rdp.
    """
    usual = "rdp" if platform == "windows" else "ssh"
    found = [way(usual, address, PORTS[usual], username) for address in addresses]
    for address, protocol, port, guest_port in ports:
        if protocol == "tcp" and guest_port in _METHODS:
            found.append(way(_METHODS[guest_port], address, port, username))
    return found
