"""
What a NIC that is made for an IPv4 address gets with it: its MAC address and the name of its tap.

A network's DHCP server is told in advance which address it has for which MAC, for all addresses of the network: so the
start of a VM changes nothing on it, and a NIC that is made has to have the MAC that its network knows its address by.
Whatever else asks for a NIC's MAC or tap reads the NIC's row (``store/nic.py``), where they stand from then on. A NIC
without an IPv4 address has both from its own id.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAC_PREFIX: Final = "02:57"  # locally administered unicast; 0x57 is "W". By an id: 02:58
# With its 8 digits a name has 10 characters; the kernel allows 15 (IFNAMSIZ). libvirt claims "vnet" for itself. A tap
# that is named by its NIC's id has an "n" before them.
TAP_PREFIX: Final = "wv"


def mac_of(address: IPv4Address) -> str:
    """The MAC address that a network has this address for: ``02:57`` and the address's four bytes."""
    return ":".join([MAC_PREFIX, *(f"{byte:02x}" for byte in address.packed)])


def tap_of(address: IPv4Address) -> str:
    """The name on the node of the interface that is made for this address: ``wv`` and its 8 hexadecimal digits."""
    return TAP_PREFIX + address.packed.hex()


def address_of_mac(mac: str) -> IPv4Address:
    """
    The inverse of ``mac_of``; upper-case digits are understood.
    :raises ValueError: the MAC address is none of ours.
    """
    parts = mac.lower().split(":")
    if len(parts) != 6 or ":".join(parts[:2]) != MAC_PREFIX or any(len(part) != 2 for part in parts):
        raise ValueError(f"not a MAC address made from an address: {mac!r}")
    return IPv4Address(_bytes_of("".join(parts[2:])))


def _bytes_of(digits: str) -> bytes:
    """``bytes.fromhex`` without its tolerance of white space."""
    if any(digit not in "0123456789abcdef" for digit in digits):
        raise ValueError(f"not hexadecimal: {digits!r}")
    return bytes.fromhex(digits)
