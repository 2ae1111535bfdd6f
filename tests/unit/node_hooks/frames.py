"""Frames that a guest may send, and forged ones, each by a name that ``docs/network.md`` lists."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES = "33:33:00:00:00:01"
# A bridge takes for itself what is sent there.
SWITCHES, SPANNING_TREE = "01:80:c2:00:00:0e", "01:80:c2:00:00:03"


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def packed(address: str) -> bytes:
    return ip_address(address).packed


@dataclass(frozen=True)
class Station:
    mac: str
    v4: str
    v6: str
    link: str  # its address on the link


def ether(source: str, kind: int, content: bytes, to: str = BROADCAST) -> bytes:
    return mac_bytes(to) + mac_bytes(source) + kind.to_bytes(2, "big") + content


def arp(sender_mac: str, sender: str, target: str = "10.128.0.77", operation: int = 1) -> bytes:
    head = bytes.fromhex("000108000604") + operation.to_bytes(2, "big")
    return head + mac_bytes(sender_mac) + packed(sender) + bytes(6) + packed(target)


def ipv4(source: str, protocol: int, content: bytes, to: str = "255.255.255.255", offset: int = 0) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 1, offset, 64, protocol, 0)
    head += IPv4Address(source).packed + IPv4Address(to).packed
    total = sum(struct.unpack(">10H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + (0xFFFF - total).to_bytes(2, "big") + head[12:] + content


def udp(sport: int, dport: int, content: bytes = b"12345678") -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(content), 0) + content


def ipv6(source: str, following: int, content: bytes, to: str = "ff02::1") -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(content), following, 255)
    return head + IPv6Address(source).packed + IPv6Address(to).packed + content


def option(kind: int, content: bytes) -> bytes:
    return bytes([kind, (len(content) + 2) // 8]) + content


def icmp6(kind: int, rest: bytes = bytes(4)) -> bytes:
    return bytes([kind, 0, 0, 0]) + rest


def neighbour(kind: int, target: str, *options: bytes) -> bytes:
    return icmp6(kind, bytes.fromhex("60000000" if kind == 136 else "00000000") + packed(target) + b"".join(options))


def behind(header: int, content: bytes, following: int = 58) -> tuple[int, bytes]:
    """Content behind an extension header: 0 hop by hop, 43 routing, 44 fragment, 60 options for the receiver."""
    if header == 44:
        return 44, bytes([following, 0, 0, 1, 0, 0, 0, 7]) + content  # the first one, more follow
    return header, bytes([following, 0, 1, 4, 0, 0, 0, 0]) + content


RA = icmp6(134, bytes.fromhex("40000708") + bytes(8))


def allowed(own: Station) -> dict[str, bytes]:
    lla = option(1, mac_bytes(own.mac))
    echo = icmp6(128, b"\0\1\0\1" + b"x" * 24)
    return {
        "own address": ether(own.mac, 0x800, ipv4(own.v4, 17, udp(5000, 5001))),
        "own address, fragment": ether(own.mac, 0x800, ipv4(own.v4, 17, b"x" * 16, offset=0x20)),
        "own ARP": ether(own.mac, 0x806, arp(own.mac, own.v4)),
        "ARP probe": ether(own.mac, 0x806, arp(own.mac, "0.0.0.0")),
        "DHCP discover": ether(own.mac, 0x800, ipv4("0.0.0.0", 17, udp(68, 67))),
        "own IPv6 address": ether(own.mac, 0x86DD, ipv6(own.v6, 17, udp(5000, 5001)), ALL_NODES),
        "own link-local address": ether(own.mac, 0x86DD, ipv6(own.link, 58, echo), ALL_NODES),
        "large ping, fragment": ether(own.mac, 0x86DD, ipv6(own.v6, *behind(44, echo)), ALL_NODES),
        "neighbour solicitation": ether(
            own.mac, 0x86DD, ipv6(own.link, 58, neighbour(135, "fd00::77", lla)), ALL_NODES
        ),
        "own neighbour advertisement": ether(
            own.mac, 0x86DD, ipv6(own.v6, 58, neighbour(136, own.v6, option(2, mac_bytes(own.mac)))), ALL_NODES
        ),
        "duplicate address detection": ether(own.mac, 0x86DD, ipv6("::", 58, neighbour(135, own.link)), ALL_NODES),
        "duplicate address detection with a nonce": ether(
            own.mac, 0x86DD, ipv6("::", 58, neighbour(135, own.v6, option(14, b"123456"))), ALL_NODES
        ),
        "router solicitation": ether(own.mac, 0x86DD, ipv6(own.link, 58, icmp6(133) + lla), ALL_NODES),
        "listener report": ether(
            own.mac, 0x86DD, ipv6(own.link, *behind(0, icmp6(143, bytes(24)))), ALL_NODES
        ),
        "DHCPv6 solicit": ether(own.mac, 0x86DD, ipv6(own.link, 17, udp(546, 547), "ff02::1:2"), ALL_NODES),
    }  # fmt: skip


def forged(own: Station, other: Station, gateway: Station) -> dict[str, bytes]:
    def v4(source: str, protocol: int, content: bytes, mac: str = own.mac, **more: int) -> bytes:
        return ether(mac, 0x800, ipv4(source, protocol, content, **more))  # type: ignore[arg-type]

    def v6(source: str, following: int, content: bytes, mac: str = own.mac) -> bytes:
        return ether(mac, 0x86DD, ipv6(source, following, content), ALL_NODES)

    talk = udp(5000, 5001)
    lla, not_lla = option(2, mac_bytes(own.mac)), option(2, mac_bytes(other.mac))
    return {
        "another's address": v4(other.v4, 17, talk),
        "the gateway's address": v4(gateway.v4, 17, talk),
        "another's MAC": v4(own.v4, 17, talk, other.mac),
        "another's MAC and address": v4(other.v4, 17, talk, other.mac),
        "the gateway's MAC": v4(own.v4, 17, talk, gateway.mac),
        "another's address in a fragment": v4(other.v4, 17, talk, offset=0x20),
        "no address, no DHCP": v4("0.0.0.0", 17, talk),
        "DHCP answer": v4(own.v4, 17, udp(67, 68)),
        "DHCP answer from another port": v4(own.v4, 17, udp(1067, 68)),
        "DHCP answer to another port": v4(own.v4, 17, udp(67, 1068)),
        "redirect": v4(own.v4, 1, b"\5\1\0\0" + packed(own.v4) + bytes(28)),
        "router advertisement of IPv4": v4(own.v4, 1, b"\x09\0\0\0\1\2\0\x1e" + packed(own.v4) + bytes(4)),
        "ARP request as another": ether(own.mac, 0x806, arp(own.mac, other.v4)),
        "ARP answer as another": ether(own.mac, 0x806, arp(own.mac, other.v4, own.v4, 2)),
        "ARP answer as the gateway": ether(own.mac, 0x806, arp(own.mac, gateway.v4, own.v4, 2)),
        "gratuitous ARP of another's address": ether(own.mac, 0x806, arp(own.mac, other.v4, other.v4, 2)),
        "ARP with another's MAC inside": ether(own.mac, 0x806, arp(other.mac, own.v4)),
        "ARP probe with another's MAC inside": ether(own.mac, 0x806, arp(other.mac, "0.0.0.0")),
        "reverse ARP": ether(own.mac, 0x8035, arp(own.mac, own.v4, own.v4, 3)),
        "VLAN tag": ether(own.mac, 0x8100, b"\0\5\x08\0" + ipv4(own.v4, 17, talk)),
        "two VLAN tags": ether(own.mac, 0x88A8, b"\0\5\x81\0\0\6\x08\0" + ipv4(own.v4, 17, talk)),
        "ARP in a VLAN tag": ether(own.mac, 0x8100, b"\0\5\x08\6" + arp(own.mac, own.v4)),
        "PPPoE": ether(own.mac, 0x8863, b"\x11\x09\0\0\0\4\1\1\0\0"),
        "unknown protocol": ether(own.mac, 0x88B5, b"\xa7" * 40),
        "length instead of a protocol": ether(own.mac, 40, b"\xaa\xaa\3" + b"\xa7" * 37),
        "another's IPv6 address": v6(other.v6, 17, talk),
        "another's link-local address": v6(other.link, 17, talk),
        "the gateway's link-local address": v6(gateway.link, 17, talk),
        "no IPv6 address": v6("::", 17, talk),
        "IPv6 with another's MAC": v6(own.v6, 17, talk, other.mac),
        "router advertisement": v6(own.link, 58, RA),
        "router advertisement behind hop-by-hop options": v6(own.link, *behind(0, RA)),
        "router advertisement behind options": v6(own.link, *behind(60, RA)),
        "router advertisement in a fragment": v6(own.link, *behind(44, RA)),
        "fragment that hides what it is": v6(own.link, *behind(44, bytes([58, 0, 1, 4, 0, 0, 0, 0]), 60)),
        "redirect of IPv6": v6(own.link, 58, icmp6(137, bytes(4) + packed("fd00::77") + packed("fd00::77"))),
        "neighbour advertisement of another": v6(own.link, 58, neighbour(136, other.v6, lla)),
        "neighbour advertisement of the gateway": v6(own.link, 58, neighbour(136, gateway.link, lla)),
        "neighbour advertisement with another's MAC": v6(own.link, 58, neighbour(136, own.v6, not_lla)),
        "neighbour advertisement with two options": v6(own.link, 58, neighbour(136, own.v6, lla, not_lla)),
        "neighbour advertisement behind options": v6(own.link, *behind(60, neighbour(136, other.v6, lla))),
        "neighbour solicitation with another's MAC": v6(
            own.link, 58, neighbour(135, "fd00::77", option(1, mac_bytes(other.mac)))
        ),
        "probe for another's address": v6("::", 58, neighbour(135, other.v6)),
        "probe with another's MAC": v6("::", 58, neighbour(135, own.v6, option(1, mac_bytes(other.mac)))),
        "router solicitation with another's MAC": v6(own.link, 58, icmp6(133) + option(1, mac_bytes(other.mac))),
        "listener query": v6(own.link, *behind(0, icmp6(130, bytes(20)))),
        "DHCPv6 answer": v6(own.link, 17, udp(547, 546)),
        "DHCPv6 answer from another port": v6(own.link, 17, udp(1547, 546)),
        "DHCPv6 answer behind options": v6(own.link, *behind(60, udp(547, 546), 17)),
        "routing header": v6(own.v6, *behind(43, talk, 17)),
        "router renumbering": v6(own.link, 58, icmp6(138, bytes(12))),
    }  # fmt: skip


def learned(other: Station) -> dict[str, bytes]:
    """Frames that a bridge takes for itself: nobody gets them, but it would learn that their sender is here."""
    return {
        "another's MAC towards the bridge itself": ether(other.mac, 0x88CC, b"\0" * 40, SWITCHES),
        "another's MAC in a bridge's own protocol": ether(other.mac, 38, b"\x42\x42\3" + b"\0" * 35, SPANNING_TREE),
    }
