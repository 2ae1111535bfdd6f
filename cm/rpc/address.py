"""For whom counts what comes from an address: networks, and what tells nothing of its caller."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address


@lru_cache(maxsize=4096)
def network_of(remote: str) -> str:
    """
    The address itself, of an IPv6 address its /64: one who has such an address has 2^64 of them (RFC 6177, 2). What is
    no address (``local``, of a UNIX socket) is a network of its own.
    """
    try:
        address = ip_address(remote)
    except ValueError:
        return remote
    if isinstance(address, IPv4Address):
        return remote
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


@lru_cache(maxsize=4096)
def counted_address(remote: str) -> str:
    """
    The address that a peer counts for (of IPv6 its /64), or "" where it says nothing of who calls: on a UNIX socket
    and on loopback, where a proxy on the same machine has everybody's calls.
    """
    network = network_of(remote)
    try:
        return "" if ip_address(remote).is_loopback else network
    except ValueError:
        return ""
