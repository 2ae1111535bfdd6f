"""
What a NIC that is made for an IPv4 address gets with it: its MAC address and the name of its tap.

A network's DHCP server is told in advance which address it has for which MAC, for all addresses of the network: so the
start of a VM changes nothing on it, and a NIC that is made has to have the MAC that its network knows its address by.
Whatever else asks for a NIC's MAC or tap reads the NIC's row (``store/nic.py``), where they stand from then on. A NIC
without an IPv4 address has both from its own id.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final

from cm.rpc.vocabulary import NetworkKind
from cm.rules.names import domain_name

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAC_PREFIX: Final = "02:57"  # locally administered unicast; 0x57 is "W". By an id: 02:58
NIC_MAC_PREFIX: Final = "02:58"
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


def nic_of_mac(mac: str) -> int:
    """The number of the NIC that has this MAC address by its number; 0: no NIC has it so."""
    parts = mac.lower().split(":")
    if len(parts) != 6 or ":".join(parts[:2]) != NIC_MAC_PREFIX:
        return 0
    try:
        return int.from_bytes(_bytes_of("".join(parts[2:])), "big")
    except ValueError:
        return 0


def _bytes_of(digits: str) -> bytes:
    """``bytes.fromhex`` without its tolerance of white space."""
    if any(digit not in "0123456789abcdef" for digit in digits):
        raise ValueError(f"not hexadecimal: {digits!r}")
    return bytes.fromhex(digits)


# ------------------------------------------------------------------ bandwidth

KBIT_MIN: Final = 64  # below it a guest's packets wait for seconds
KBIT_MAX: Final = 1_000_000_000


def limited(nic: Mapping[str, Any], kbit_in: int, kbit_out: int) -> dict[str, Any]:
    """
    A NIC as its node's document has it: with its own limits, else with the cluster's.

    :param kbit_in: the cluster's; 0: none. What has no limit is not told.
    """
    limits = {"kbit_in": nic["kbit_in"] or kbit_in, "kbit_out": nic["kbit_out"] or kbit_out}
    return {key: value for key, value in nic.items() if key not in limits} | {k: v for k, v in limits.items() if v}


# ------------------------------------------------------------------ links

VNI_FIRST: Final = 4096  # what others made by hand mostly has lower numbers
VXLAN_BYTES: Final = 50  # that a tunnel of IPv4 takes of each frame
LABEL_MAX: Final = 63  # RFC 1035


def vni_of(network_id: int) -> int:
    """A network's number in VXLAN frames: of 24 bits."""
    return VNI_FIRST + network_id


def default_mtu(kind: str) -> int:
    """What a guest's frame may carry, where nodes' own links take 1,500 bytes."""
    return 1500 - VXLAN_BYTES if kind == NetworkKind.VXLAN else 1500


def label_of(name: str) -> str:
    """A name as one label of the DNS: small letters, digits and hyphens; "" where nothing of it is left."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:LABEL_MAX].strip("-")


def host_names(names: Mapping[int, str]) -> dict[int, str]:
    """
    What VMs of one network are called there, by number. Of those whose names are the same label the first one has it;
    the others, and those of whose name nothing is left, are called ``NAME-NUMBER``.

    :param names: as their owners wrote them.
    """
    found: dict[int, str] = {}
    taken: set[str] = set()
    for vm_id, name in sorted(names.items()):
        label = label_of(name) or domain_name(vm_id)
        if label in taken:
            ending = f"-{vm_id}"
            label = label[: LABEL_MAX - len(ending)].rstrip("-") + ending
        while label in taken:  # somebody called theirs so
            label = f"x-{label}"[:LABEL_MAX].rstrip("-")
        taken.add(label)
        found[vm_id] = label
    return found


def free_prefix(pool: IPv4Network, taken: Iterable[IPv4Network], bits: int) -> IPv4Network | None:
    """The first network of so many bits in a pool that shares no address with those that are taken."""
    if bits < pool.prefixlen:
        return None
    size = 1 << (32 - bits)
    start, end = int(pool.network_address), int(pool.broadcast_address) + 1
    for other in sorted(taken, key=lambda each: int(each.network_address)):
        first, last = int(other.network_address), int(other.broadcast_address)
        if last < start:
            continue
        if first >= start + size:
            break
        start = (last // size + 1) * size
    return IPv4Network((start, bits)) if start + size <= end else None


ULA_BITS: Final = 40  # of a prefix's own, RFC 4193, 3.2


def unique_local(secret: bytes) -> IPv6Network:
    """
    A cluster's /48 of unique local addresses: fd and 40 bits that follow from its key alone, so that all its processes
    have the same, and two sites that are joined one day hardly do.
    """
    own = hmac.new(secret, b"unique local addresses", hashlib.sha256).digest()[: ULA_BITS // 8]
    return IPv6Network((b"\xfd" + own + bytes(10), 48))


def nth_prefix6(pool: IPv6Network, number: int) -> IPv6Network | None:
    """The /64 of a pool with this number; None: it has not so many."""
    if pool.prefixlen > 64 or number >= 1 << (64 - pool.prefixlen):
        return None
    return IPv6Network((int(pool.network_address) + (number << 64), 64))
