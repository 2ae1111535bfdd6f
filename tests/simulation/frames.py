"""Packets as nft's expressions tell of them, each the first one of a flow; ``packets`` runs them through rules."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from simulation.packets import Packet

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
GATEWAY_MAC: Final = "02:00:00:fe:00:64"  # of the bridge of each network that nodes make


@dataclass(frozen=True)
class Flow:
    """The first packet of one. ``port``: the receiver's; 0: its protocol has none."""

    source: Any
    to: Any
    protocol: int
    port: int = 0
    sport: int = 40_000


def frame(mac: str, flow: Flow, to_mac: str = GATEWAY_MAC, **more: Any) -> Packet:
    family = flow.source.version
    ip = "ip" if family == 4 else "ip6"
    made: Packet = {
        "ether saddr": mac, "ether daddr": to_mac, "ether type": ip, f"{ip} saddr": flow.source, f"{ip} daddr": flow.to,
        "meta l4proto": flow.protocol, "meta nfproto": f"ipv{family}", "meta mark": 0, "ct mark": 0, "ct state": "new",
        "ct direction": "original", "ct status": "",
    }  # fmt: skip
    if family == 6:
        made |= {"ip6 nexthdr": flow.protocol, "ip6 length": 40, "ip6 hoplimit": 64}
    name = {TCP: "tcp", UDP: "udp"}.get(flow.protocol)
    if name is not None:
        made |= {f"{name} sport": flow.sport, f"{name} dport": flow.port, "th sport": flow.sport, "th dport": flow.port}
        made["ct original proto-dst"] = flow.port
    elif flow.protocol == ICMP:
        made["icmp type"] = "echo-request"
    elif flow.protocol == ICMP6:
        made["icmpv6 type"] = "echo-request"
    return made | more


def arp(mac: str, address: Any) -> Packet:
    return {
        "ether saddr": mac, "ether daddr": "ff:ff:ff:ff:ff:ff", "ether type": "arp", "arp saddr ether": mac,
        "arp saddr ip": address, "arp daddr ip": ip_address("10.0.0.99"), "meta mark": 0,
    }  # fmt: skip


def neighbour(mac: str, source: Any, about: Any) -> Packet:
    """Who says by which MAC an address is reached."""
    to = ip_address("ff02::1")
    return frame(mac, Flow(source, to, ICMP6), **{
        "icmpv6 type": "nd-neighbor-advert", "ip6 length": 32, "ip6 hoplimit": 255, "@th,64,128": int(about),
        "@th,192,16": 0x0201, "@th,208,48": int(mac.replace(":", ""), 16),
    })  # fmt: skip
