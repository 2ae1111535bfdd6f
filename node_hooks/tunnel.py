"""
What keeps networks of ours apart and leads their packets, as nft text. Pure.

``tunnel``: every node is the gateway of its own guests, by the same addresses and MAC. So nothing of a gateway's leaves
by the VXLAN, or the VLAN, that joins the nodes, or comes by it: no ARP, neighbour or router discovery of a gateway, no
DHCP. A VLAN without a gateway of ours is let alone: the site has one there.

``routes``: networks may have the same addresses, and nothing of ours goes by addresses alone. What a guest began is
tracked in its network's own zone, and marked; answers carry the mark, which leads to the network's own routing table.
A DNS server of each listens at a port of its own, as two cannot listen at one address; guests ask at port 53.
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Final

from node_hooks.firewall import GATEWAY_MAC, METADATA, METADATA6, zone_of
from node_hooks.links import MARKS, NUMBER_MAX, TUNNEL, VLAN, Gateway, Link

GATEWAY_LINK: Final = IPv6Address("fe80::1")
VXLAN_PORT: Final = 4789
TUNNEL_TABLE: Final = "wawel_tunnel"
ROUTES_TABLE: Final = "wawel_routes"
LOCAL: Final = IPv6Network("fc00::/7")  # RFC 4193: unique local addresses, which nobody outside answers
_SLOTS: Final = 10_000
_PORTS: Final = 20_000
_VNI: Final = "@th,96,24"  # behind the UDP header, RFC 7348


def slots(links: Iterable[Link]) -> dict[str, int]:
    """By name, a number from 1 to 10,000 that no other of them has."""
    taken: dict[int, str] = {}
    for link in sorted(links, key=lambda each: each.number):
        slot = link.number % _SLOTS
        while slot in taken:
            slot = (slot + 1) % _SLOTS
        taken[slot] = link.name
    return {name: slot + 1 for slot, name in taken.items()}


def dns_port(slot: int) -> int:
    """Below those that Linux gives to outgoing connections."""
    return _PORTS + slot


def tunnel(links: Sequence[Link]) -> str:
    """A whole replacement of the table, for ``nft -f -``. Names stand for all tunnels, so that none is ever without."""
    joined = {_between(link): link for link in links if _between(link)}
    gateways = [(port, each) for port, link in joined.items() for each in link.gateways]
    addresses = [f'"{port}" . {each.ip}' for port, each in gateways if each.version == 4]
    shared = ", ".join(_number(each) for each in (GATEWAY_LINK, IPv6Address(METADATA6)))
    asked = [(port, each) for port, each in gateways if each.version == 6]
    vlans = [f'"{port}"' for port in joined if port.startswith(VLAN)]
    return _table("bridge", TUNNEL_TABLE, [
        _set("set gateways", "type ifname . ipv4_addr", addresses),
        _set("set vlans", "type ifname", vlans),
        "\tchain gateways_own {",
        f"\t\tether saddr {GATEWAY_MAC} counter drop",
        f"\t\tether daddr {GATEWAY_MAC} counter drop",
        "\t\tether type ip udp dport { 67, 68 } counter drop",
        "\t\tether type ip6 udp dport { 546, 547 } counter drop",
        "\t\ticmpv6 type { nd-router-solicit, nd-router-advert, nd-redirect } counter drop",
        f"\t\ticmpv6 type nd-neighbor-solicit @th,64,128 {{ {shared} }} counter drop",
        f"\t\tether type arp arp daddr ip {METADATA} counter drop",
        "\t}",
        "\tchain from_tunnel {",
        "\t\ttype filter hook prerouting priority -250; policy accept;",
        f'\t\tiifname != "{TUNNEL}*" iifname != @vlans accept',
        "\t\tjump gateways_own",
        "\t\tether type arp iifname . arp daddr ip @gateways counter drop",
        "\t\tether type arp iifname . arp saddr ip @gateways counter drop",
        "\t\ticmpv6 type nd-neighbor-solicit jump asked_by_tunnel",
        "\t}",
        "\tchain to_tunnel {",
        "\t\ttype filter hook forward priority -10; policy accept;",
        f'\t\toifname != "{TUNNEL}*" oifname != @vlans accept',
        "\t\tjump gateways_own",
        "\t\tether type arp oifname . arp daddr ip @gateways counter drop",
        "\t\ticmpv6 type nd-neighbor-solicit jump asked_of_tunnel",
        "\t}",
        "\tchain from_node {",
        "\t\ttype filter hook output priority -10; policy accept;",
        f'\t\toifname "{TUNNEL}*" ether saddr {GATEWAY_MAC} counter drop',
        f"\t\toifname @vlans ether saddr {GATEWAY_MAC} counter drop",
        "\t}",
        # One rule for each network, walked by neighbour solicitations alone: nft 1.0.6 names no such key for a set.
        "\tchain asked_by_tunnel {",
        *(f'\t\tiifname "{port}" @th,64,128 {_number(each.ip)} counter drop' for port, each in asked),
        "\t}",
        "\tchain asked_of_tunnel {",
        *(f'\t\toifname "{port}" @th,64,128 {_number(each.ip)} counter drop' for port, each in asked),
        "\t}",
    ])  # fmt: skip


def _between(link: Link) -> str:
    """The port of its bridge that leads to the other nodes, each of which is the gateway, too; empty: there is none."""
    if link.vni is not None:
        return link.tunnel
    return link.vlan_device if link.vlan is not None and link.gateways else ""


def routes(links: Sequence[Link], slot_of: Mapping[str, int]) -> str:
    """
    A whole replacement of the table, for ``nft -f -``.

    Marks of packets are set before those of ``firewall``, which keep what is there.

    Zones are set of what is routed or meant for the node alone: by the gateway's MAC. What a bridge carries from guest
    to guest is not looked at here.
    """
    routed = [link for link in links if link.gateways]
    bridges = [f'"{link.bridge}"' for link in routed]
    asked: dict[int, list[str]] = {4: [], 6: []}
    masked: dict[int, list[str]] = {4: [], 6: []}
    inside: dict[int, list[str]] = {4: [], 6: []}
    for link in routed:
        for each in link.gateways:
            asked[each.version].append(f'"{link.bridge}" . {each.ip}')
            if is_masked(link, each):
                masked[each.version].append(f"{link.mark:#x}")
                inside[each.version].append(f'"{link.bridge}"')
    own4 = [*asked[4], *(f'"{link.bridge}" . {METADATA}' for link in routed)]
    shared = (GATEWAY_LINK, IPv6Address(METADATA6))
    own6 = [*asked[6], *(f'"{link.bridge}" . {each}' for link in routed for each in shared)]
    served = [link for link in routed if link.dhcp]
    marks = f"{MARKS:#x}-{MARKS + NUMBER_MAX:#x}"
    return _table("inet", ROUTES_TABLE, [
        _set("set bridges", "type ifname", bridges),
        _set("set own", "type ifname . ipv4_addr", own4),
        _set("set own6", "type ifname . ipv6_addr", own6),
        _set("set resolvers", "type ifname . ipv4_addr", asked[4]),
        _set("set resolvers6", "type ifname . ipv6_addr", asked[6]),
        _set("map zones", "typeof iifname : ct zone", [f'"{link.bridge}" : {zone_of(link.name)}' for link in routed]),
        _set("map marks", "type ifname : mark", [f'"{link.bridge}" : {link.mark:#x}' for link in routed]),
        _set("map ports", "type ifname : inet_service",
             [f'"{link.bridge}" : {dns_port(slot_of[link.name])}' for link in served]),
        _set("map answering", "typeof th dport : ct zone",
             [f"{dns_port(slot_of[link.name])} : {zone_of(link.name)}" for link in served]),
        _set("set masked", "type mark", masked[4]),
        _set("set masked6", "type mark", masked[6]),
        _set("set inside", "type ifname", inside[4]),
        _set("set inside6", "type ifname", inside[6]),
        # What a VXLAN carries is followed inside of it; its own packets, which are no conversation, need not be.
        "\tchain outer {",
        *(f"\t\t{rule}" for rule in _outer(links)),
        "\t}",
        *_chain("tracked", "filter hook prerouting priority raw", [
            "iifname != @bridges goto outer",
            "iifname . ip daddr @own ct zone set iifname map @zones accept",
            "iifname . ip6 daddr @own6 ct zone set iifname map @zones accept",
            f"ether daddr {GATEWAY_MAC} ct original zone set iifname map @zones",
        ]),
        *_chain("answered", "filter hook output priority raw", [
            "oifname != @bridges goto outer",
            "meta l4proto { tcp, udp } ct zone set th sport map @answering accept",
            "ct zone set oifname map @zones",
        ]),
        *_chain("marked", "filter hook prerouting priority -151", [
            f"iifname @bridges ether daddr {GATEWAY_MAC} ct direction original ct mark set iifname map @marks",
            f"iifname != @bridges ct direction reply ct mark {marks} meta mark set ct mark",
        ]),
        *_chain("sent", "route hook output priority -151", [
            f"meta l4proto {{ tcp, udp }} th sport {_PORTS}-{_PORTS + _SLOTS} ct direction reply ct mark {marks}"
            " meta mark set ct mark",
        ]),
        *_chain("names", "nat hook prerouting priority dstnat", [
            "iifname . ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 redirect to :iifname map @ports",
            "iifname . ip6 daddr @resolvers6 meta l4proto { tcp, udp } th dport 53 redirect to :iifname map @ports",
        ]),
        *_chain("leaving", "nat hook postrouting priority srcnat", [
            "oifname @bridges accept",
            "meta nfproto ipv4 ct mark @masked masquerade",
            "meta nfproto ipv6 ct mark @masked6 masquerade",
        ]),
        *_chain("entering", "filter hook forward priority filter - 10", [
            "iifname @bridges accept",
            "ct status dnat accept",
            "ct state established,related accept",
            "meta nfproto ipv4 oifname @inside counter drop",
            "meta nfproto ipv6 oifname @inside6 counter drop",
        ]),
        *_chain("underlay", "filter hook input priority filter - 10", _underlay(links)),
    ])  # fmt: skip


def is_masked(link: Link, gateway: Gateway) -> bool:
    """Whether its guests leave with the node's address. Of IPv6 only those whose addresses nobody outside answers."""
    return link.masquerade and (gateway.version == 4 or gateway.ip in LOCAL)


def _outer(links: Iterable[Link]) -> list[str]:
    vnis = ", ".join(f"{link.vni:#x}" for link in links if link.vni is not None)
    return [f"udp dport {VXLAN_PORT} {_VNI} {{ {vnis} }} notrack"] if vnis else []


def _underlay(links: Iterable[Link]) -> list[str]:
    """Frames of a network of ours come from nodes that carry it, and from nobody else."""
    tunnels = [link for link in links if link.vni is not None]
    if not tunnels:
        return []
    rules = []
    for family, mark in (("ip", "."), ("ip6", ":")):
        known = [f"{peer} . {link.vni:#x}" for link in tunnels for peer in link.peers if mark in peer]
        if known:
            rules.append(f"udp dport {VXLAN_PORT} {family} saddr . {_VNI} {{ {', '.join(known)} }} accept")
    vnis = ", ".join(f"{link.vni:#x}" for link in tunnels)
    return [*rules, f"udp dport {VXLAN_PORT} {_VNI} {{ {vnis} }} counter drop"]


def _table(family: str, name: str, lines: Iterable[str]) -> str:
    head = f"table {family} {name}"
    return "\n".join([head, f"delete {head}", f"{head} {{", *lines, "}", ""])


def _set(name: str, kind: str, elements: Sequence[str]) -> str:
    """nft takes no empty list."""
    content = f"elements = {{ {', '.join(elements)} }}; " if elements else ""
    return f"\t{name} {{ {kind}; {content}}}"


def _chain(name: str, hook: str, rules: Iterable[str]) -> list[str]:
    return [f"\tchain {name} {{", f"\t\ttype {hook}; policy accept;", *(f"\t\t{rule}" for rule in rules), "\t}"]


def _number(address: IPv4Address | IPv6Address) -> str:
    return f"{int(address):#034x}"
