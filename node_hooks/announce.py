"""
Tells a link that an address is to be found here: gratuitous ARP, or an unsolicited neighbour advertisement.

Neighbours have both packets, a request and an answer, as some heed the one and some the other. Who is not told goes on
sending to the node that had the address before for as long as it takes its own entry for fresh.
"""

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from node_hooks.reading import Address

_ARP, _IPV6 = 0x0806, 0x86DD
_REQUEST, _REPLY = 1, 2
_ICMPV6, _ADVERTISEMENT, _OVERRIDE = 58, 136, 0x2000_0000
_ALL_NODES = IPv6Address("ff02::1")
_BROADCAST, _ALL_NODES_MAC = b"\xff" * 6, b"\x33\x33\0\0\0\1"


def announce(uplink: str, addresses: Iterable[Address]) -> None:
    """:raises OSError: the interface is not there, or we may not."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as link:
        link.bind((uplink, 0))
        mac: bytes = link.getsockname()[4]
        for address in addresses:
            for frame in frames(mac, address):
                link.send(frame)


def frames(mac: bytes, address: Address) -> list[bytes]:
    if isinstance(address, IPv4Address):
        head = _BROADCAST + mac + struct.pack("!HHHBB", _ARP, 1, 0x0800, 6, 4)
        sender = mac + address.packed
        return [
            head + struct.pack("!H", _REQUEST) + sender + bytes(6) + address.packed,
            head + struct.pack("!H", _REPLY) + sender + sender,
        ]
    told = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + address.packed + b"\2\1" + mac
    total = sum(struct.unpack(f"!{(len(told) + 40) // 2}H", _pseudo_header(address, told) + told))
    total = (total & 0xFFFF) + (total >> 16)
    told = told[:2] + struct.pack("!H", 0xFFFF - (total & 0xFFFF) - (total >> 16)) + told[4:]
    head = struct.pack("!IHBB", 6 << 28, len(told), _ICMPV6, 255) + address.packed + _ALL_NODES.packed
    return [_ALL_NODES_MAC + mac + struct.pack("!H", _IPV6) + head + told]


def _pseudo_header(address: IPv6Address, told: bytes) -> bytes:
    return address.packed + _ALL_NODES.packed + struct.pack("!II", len(told), _ICMPV6)
