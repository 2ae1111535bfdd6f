"""Where an import by URL may go."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215
_6TO4: Final = IPv6Network("2002::/16")  # RFC 3056: the IPv4 address stands in bytes 2 to 5
_TEREDO: Final = IPv6Network("2001::/32")
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "192.0.0.0/24",
        "::/128", "::1/128", "fe80::/10", "fec0::/10", "ff00::/8", "100::/64",
    )
)  # fmt: skip
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "192.0.2.0/24",
        "198.51.100.0/24", "203.0.113.0/24", "fc00::/7", "2001:db8::/32",
    )
)  # fmt: skip


@dataclass(frozen=True)
class FetchPolicy:
    """
    :param allow_private: whether private ranges (RFC 1918, 6598, 4193) may be reached.
    :param allowed_networks: ranges that may be reached whatever else is said here (a mirror in the data centre).
    :param own_addresses: ours: never to be reached, except through ``allowed_networks``.
    :param refuse_own: the same for whatever addresses this machine has.
    :param timeout_s: for the whole import.
    :param stall_s: without a byte.
    :param pace_s: in each of which so many seconds times ``bytes_per_s_min`` have to come.
    """

    allow_private: bool = False
    allowed_networks: tuple[Network, ...] = ()
    own_addresses: frozenset[Address] = frozenset()
    refuse_own: bool = True
    max_bytes: int = 2**40
    timeout_s: float = 4 * 3600.0
    stall_s: float = 30.0
    pace_s: float = 60.0
    bytes_per_s_min: int = 8192
    redirects_max: int = 5
    ports: tuple[int, ...] = ()  # empty: any


def embedded(address: Address) -> Iterable[Address]:
    """
    The address and the IPv4 addresses that it may lead to: mapped (``::ffff:a.b.c.d``), compatible (``::a.b.c.d``),
    NAT64, 6to4, Teredo.
    """
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    number = int(address)
    if number >> 32 == 0 or any(address in network for network in _NAT64):
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _6TO4:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address(~number & 0xFFFFFFFF)


def refusal(address: Address, policy: FetchPolicy) -> str | None:
    """Why ``address`` may not be reached; None: it may."""
    if _within(address, policy.allowed_networks):
        return None
    for each in embedded(address):
        if each in policy.own_addresses or (policy.refuse_own and is_own(each)):
            return "it is an address of ours"
        if _within(each, _NEVER) or each.is_loopback or each.is_multicast or each.is_link_local or each.is_unspecified:
            return f"{address} is a loopback, link-local, multicast or reserved address"
        if not policy.allow_private and (_within(each, _PRIVATE) or not each.is_global):
            # A translated or mapped address is not "global" itself; what it embeds is judged instead.
            if each is address and len(list(embedded(address))) > 1:
                continue
            return f"{address} is a private address"
    return None


def is_own(address: Address) -> bool:
    """Whether this machine has the address: a socket can be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
