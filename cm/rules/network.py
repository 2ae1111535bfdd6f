"""
What follows from a guest's address alone: its MAC address and the name of its tap.

Both are pure functions of the address, so a network's definition covers every guest that will ever be on it, and a
frame or an interface seen on a node tells whose it is without a query.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

MAC_PREFIX: Final = "02:57"  # locally administered unicast; 0x57 is "W"
# With its 8 digits a name has 10 characters; the kernel allows 15 (IFNAMSIZ). libvirt claims "vnet" for itself.
TAP_PREFIX: Final = "wv"


def mac_of(address: IPv4Address) -> str:
    """The MAC address of the guest with this address: ``02:57`` and the address's four bytes."""
    return ":".join([MAC_PREFIX, *(f"{byte:02x}" for byte in address.packed)])


def tap_of(address: IPv4Address) -> str:
    """The name on the node of the guest's interface: ``wv`` and the address as 8 hexadecimal digits."""
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


def address_of_tap(tap: str) -> IPv4Address:
    """
    The inverse of ``tap_of``.
    :raises ValueError: the interface is none of ours.
    """
    digits = tap.removeprefix(TAP_PREFIX)
    if digits == tap or len(digits) != 8 or digits != digits.lower():
        raise ValueError(f"not a tap made from an address: {tap!r}")
    return IPv4Address(_bytes_of(digits))


def _bytes_of(digits: str) -> bytes:
    """``bytes.fromhex`` without its tolerance of white space."""
    if any(digit not in "0123456789abcdef" for digit in digits):
        raise ValueError(f"not hexadecimal: {digits!r}")
    return bytes.fromhex(digits)
