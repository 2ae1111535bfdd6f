"""
What guests may reach, as nft text: the outside, and of their node DHCP, DNS and the metadata address. Pure.

The bridge keeps guests apart as long as they speak to each other directly; but a node routes, so a guest that takes the
gateway for its only neighbour has every packet carried to wherever its address leads: to guests of the same network and
of others, to libvirt and the screens of VMs, to the manager. So what comes from a guests' bridge is looked at where it
is routed, whatever else the node's own firewall says: accepted here is not yet accepted there, dropped is dropped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, collapse_addresses

from node_hooks.firewall import METADATA, METADATA6
from node_hooks.links import MARKS, NUMBER_MAX
from node_hooks.reading import Network
from node_hooks.translation import OUT

TABLE = "wawel"
# A node that is itself somebody's VM has its credentials at the metadata address of that cloud.
NEVER = (IPv4Network("169.254.0.0/16"), IPv4Network("127.0.0.0/8"))
# Likewise; and what leads to IPv4, past all that is said of it.
NEVER6 = tuple(map(IPv6Network, (
    "::/128", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "fd00:ec2::/32", "fe80::/10", "fec0::/10", "ff00::/8",
)))  # fmt: skip
# To what did not begin at a guest. What a guest began is looked at packet by packet, so that a rule holds from when it
# is there, also for connections that are older.
ANSWERS = "ct state established,related ct direction reply accept"
# The port that was asked for: a network that the agent makes is answered at another, by translation.
NAMES = "ct original proto-dst 53"
DISCOVERY = "{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }"
_THERE = f'oifname "{OUT}" accept'  # nothing but public addresses of this node is that way
VNC_RATE = "30/minute burst 30 packets"  # of one caller; each connection is one try of a password


@dataclass(frozen=True)
class Guarded:
    """
    :ivar bridges: of the guests, each with the node's address on it and whether metadata is served there now: else
        whatever listens on all addresses would be reached by the metadata's.
    :ivar pools: the addresses of guests, here and on other nodes.
    :ivar management: networks that guests do not reach.
    :ivar reachable: exceptions from those.
    :ivar vnc_ports: first and last; ``None``: no screens here.
    :ivar made: the bridges among them that the agent makes, each one user's network: its guests reach each other.
    :ivar gateways6: of those with IPv6, as ``bridges``; ``management6``: as ``management``.
    :ivar public: whether the node answers for public addresses, where guests go by a pair of devices;
        ``public_elsewhere``: those of other nodes, which guests reach as anybody does.
    """

    bridges: Sequence[tuple[str, IPv4Interface, bool]]
    pools: Sequence[IPv4Network]
    management: Sequence[IPv4Network] = ()
    reachable: Sequence[IPv4Network] = ()
    vnc_ports: tuple[int, int] | None = None
    made: Sequence[str] = ()
    gateways6: Sequence[tuple[str, IPv6Interface, bool]] = ()
    management6: Sequence[IPv6Network] = ()
    public: bool = False
    public_elsewhere: Sequence[Network] = ()


def guard(guarded: Guarded) -> str:
    """
    A whole replacement of the table, for ``nft -f -``: one transaction.

    Callers of VNC are counted by address, and of IPv6 by /64, which is what one customer has. What is told here stands
    in the rules, not in named sets: so a listing without the contents of sets shows whether somebody changed it.
    """
    bridges = _any(f'"{bridge}"' for bridge, _, _ in guarded.bridges)
    served = _any(f'"{bridge}"' for bridge, _, metadata in guarded.bridges if metadata)
    gateways = _any(f'"{bridge}" . {gateway.ip}' for bridge, gateway, _ in guarded.bridges)
    # A kernel whose bridges show their frames here (br_netfilter) shows what stays on a bridge as coming from where it
    # goes. What the node routes is marked.
    within = _any(f'"{bridge}" . "{bridge}"' for bridge in guarded.made)
    bridges6 = _any(f'"{bridge}"' for bridge, _, _ in guarded.gateways6)
    served6 = _any(f'"{bridge}"' for bridge, _, metadata in guarded.gateways6 if metadata)
    gateways6 = _any(f'"{bridge}" . {gateway.ip}' for bridge, gateway, _ in guarded.gateways6)
    lines = [
        f"table inet {TABLE}",
        f"delete table inet {TABLE}",
        f"table inet {TABLE} {{",
        "\tset vnc_callers { type ipv4_addr; size 65535; flags dynamic, timeout; timeout 2m; }",
        "\tset vnc_callers6 { type ipv6_addr; size 65535; flags dynamic, timeout; timeout 2m; }",
        *(_from_guest6(guarded) if bridges6 else []),
        *_chain(
            "from_guest",
            f"iifname . oifname {within} ct mark {MARKS:#x}-{MARKS + NUMBER_MAX:#x} counter drop" if within else "",
            f"iifname . oifname {within} accept" if within else "",
            f"oifname {bridges} counter drop" if bridges else "",
            f"meta nfproto ipv6 iifname {bridges6} goto from_guest6" if bridges6 else "",
            "meta nfproto != ipv4 counter drop",
            _to(guarded.pools, "counter drop"),
            ANSWERS,
            _THERE if guarded.public else "",
            _to([each for each in guarded.public_elsewhere if isinstance(each, IPv4Network)], "accept"),
            _to(guarded.reachable, "accept"),
            _to([*guarded.management, *NEVER], "counter drop"),
        ),
        *_chain(
            "to_node",
            ANSWERS,
            "ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
            f"iifname . ip daddr {gateways} udp sport 68 udp dport 67 accept" if gateways else "",
            f"iifname . ip daddr {gateways} meta l4proto {{ tcp, udp }} {NAMES} accept" if gateways else "",
            f"iifname {bridges6} ip6 hoplimit 255 icmpv6 type {DISCOVERY} accept" if bridges6 else "",
            f"iifname {bridges6} udp sport 546 udp dport 547 accept" if bridges6 else "",
            f"iifname . ip6 daddr {gateways6} meta l4proto {{ tcp, udp }} {NAMES} accept" if gateways6 else "",
            f"iifname {served6} ip6 daddr {METADATA6} tcp dport 80 accept" if served6 else "",
            f"iifname {served} ip daddr {METADATA} tcp dport 80 accept" if served else "",
            "counter drop",
        ),
        *_chain(
            "forward",
            "type filter hook forward priority filter - 10; policy accept;",
            f"iifname {bridges} goto from_guest" if bridges else "",
        ),
        *_chain(
            "input",
            "type filter hook input priority filter - 10; policy accept;",
            f"iifname {bridges} goto to_node" if bridges else "",
            *_vnc(guarded.vnc_ports),
        ),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _from_guest6(guarded: Guarded) -> list[str]:
    return _chain(
        "from_guest6",
        _to6([each.network for _, each, _ in guarded.gateways6], "counter drop"),
        ANSWERS,
        _THERE if guarded.public else "",
        _to6([each for each in guarded.public_elsewhere if isinstance(each, IPv6Network)], "accept"),
        _to6([*guarded.management6, *NEVER6], "counter drop"),
    )


def _vnc(ports: tuple[int, int] | None) -> list[str]:
    if ports is None:
        return []
    # By way of lo comes the node's own agent, which shows screens to those whom the manager lets in.
    new = f'iifname != "lo" tcp dport {ports[0]}-{ports[1]} ct state new'
    return [
        f"{new} update @vnc_callers {{ ip saddr limit rate over {VNC_RATE} }} counter drop",
        f"{new} update @vnc_callers6 {{ ip6 saddr and ffff:ffff:ffff:ffff:: limit rate over {VNC_RATE} }} counter drop",
    ]


def own_networks(addresses: Iterable[tuple[str, IPv4Interface]], bridges: Iterable[str]) -> list[IPv4Network]:
    """The networks of a node's links, by (interface, its address), other than those of the guests' bridges."""
    guests = set(bridges)
    found = {address.network for name, address in addresses if name not in guests and name != "lo"}
    return sorted(network for network in found if network.prefixlen)  # a /0 is a tunnel's way to say everywhere


def own_networks6(addresses: Iterable[tuple[str, IPv6Interface]], bridges: Iterable[str]) -> list[IPv6Network]:
    """As ``own_networks``; those of single links are nobody else's."""
    guests = set(bridges)
    found = {address.network for name, address in addresses if name not in guests and name != "lo"}
    return sorted(network for network in found if network.prefixlen and not network.is_link_local)


def _chain(name: str, *rules: str) -> list[str]:
    """Empty rules are left out."""
    return [f"\tchain {name} {{", *(f"\t\t{rule}" for rule in rules if rule), "\t}"]


def _to(networks: Iterable[IPv4Network], verdict: str) -> str:
    return _where("ip daddr", collapse_addresses(networks), verdict)


def _to6(networks: Iterable[IPv6Network], verdict: str) -> str:
    return _where("ip6 daddr", collapse_addresses(networks), verdict)


def _where(what: str, networks: Iterable[object], verdict: str) -> str:
    listed = _any(map(str, networks))
    return f"{what} {listed} {verdict}" if listed else ""


def _any(elements: Iterable[str]) -> str:
    """A set; empty: there is none to match."""
    listed = ", ".join(elements)
    return f"{{ {listed} }}" if listed else ""
