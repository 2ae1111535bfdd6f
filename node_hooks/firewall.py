"""
The rules for guests' taps as nft values: what each may send as, and what its security groups let pass. Pure.

Both look at frames on the bridge, by tap: a guest's address is not asked where it could be another network's. A frame
costs a few look-ups in sets, however many taps, groups and rules there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from node_hooks.groups import IN, NOBODY, OUT, Group, lookups, members_set
from node_hooks.nft import Elements, Rules

TABLE = "wawel"
ANSWERS_TABLE = "wawel_answers"
TAP_PREFIX = "wv"
GATEWAY_MAC = "02:00:00:fe:00:64"
# Where names are asked for: where br_netfilter translates what a bridge hands to the node, the port is another already
# (``tunnel.dns_port``); that 53 was asked for ``guard`` looks at.
NAMES = "{ 53, 20001-30000 }"
METADATA, METADATA6 = "169.254.169.254", "fd00:ec2::254"
ANSWER = 0x4000_0000  # of a packet's mark: it belongs to a flow that began on its receiver's side
_OTHER_BITS = 0xFFFF_FFFF ^ ANSWER
LINK_LOCAL_MULTICAST = "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00"


class Tracking(StrEnum):
    """
    Where the kernel knows a flow's answers: in the bridge family, or in inet, to which br_netfilter shows bridged
    packets (``bridge-nf-call-iptables``), and which tells it by a bit of their mark.
    """

    BRIDGE = "bridge"
    INET = "inet"


@dataclass(frozen=True, order=True)
class NodeNic:
    """
    A NIC of a VM that is on this node, or on its way. ``tap``: its interface here.

    :ivar bridge: empty: an older manager does not say. :ivar spoofing: it may send as anybody.
    :ivar groups: its security groups; without any, none of their rules is about it.
    :ivar foreign: it has its addresses from elsewhere, on a bridge of the node's: nobody here knows them.
    """

    tap: str
    mac: str
    addresses: tuple[IPv4Address | IPv6Address, ...]
    bridge: str = ""
    spoofing: bool = False
    groups: tuple[int, ...] = ()
    foreign: bool = False


def link_local(mac: str) -> IPv6Address:
    """The address that a MAC makes (RFC 4291, appendix A)."""
    given = bytes.fromhex(mac.replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([given[0] ^ 2]) + given[1:3] + b"\xff\xfe" + given[3:])


def rules(
    nics: Iterable[NodeNic],
    groups: Mapping[int, Group] | None = None,
    gateways: Iterable[IPv4Address | IPv6Address] = (),
    tracking: Tracking = Tracking.BRIDGE,
) -> list[Rules]:
    """
    All tables of taps; the first one is there always.

    A frame that enters by a tap passes when all that it says of its sender is the tap's: MAC, address, ARP and
    neighbour discovery. What a guest has no business with does not pass: DHCP and router advertisements as of a server,
    other protocols, VLAN tags. What enters by a tap of no NIC, or leaves by one, is dropped. Frames that enter
    elsewhere are none of this table's business until they leave by a tap whose NIC has groups.

    :param groups: those of the NICs and those that they name.
    :param gateways: of networks, where guests may ask for names whatever their groups say.
    """
    known = sorted(nics)
    grouped = [nic for nic in known if nic.groups]
    sets, chains = _senders(known)
    tracked = tracking if grouped else None
    if tracked is not None:
        _filter(sets, chains, grouped, groups or {}, list(gateways), tracked)
    _hooks(chains, tracked)
    bridge = Rules("bridge", TABLE, sets, chains)
    return [bridge, _answers(grouped)] if tracked is Tracking.INET else [bridge]


def _senders(known: Sequence[NodeNic]) -> tuple[dict[str, Elements], dict[str, Sequence[str]]]:
    held = [nic for nic in known if not nic.spoofing]
    # Also of those that may send as anybody: metadata they get by their own addresses alone.
    v4 = [(nic, each) for nic in known for each in nic.addresses if isinstance(each, IPv4Address)]
    # A NIC without an IPv6 address has nothing to say in IPv6, by its own address on the link neither.
    own6 = [(nic, each) for nic in known for each in _own6(nic)]
    v6 = [(nic, each) for nic, each in own6 if not nic.spoofing]
    sets = {
        "taps": _set("type ifname;", (f'"{nic.tap}"' for nic in known)),
        "trusted": _set("type ifname;", (f'"{nic.tap}"' for nic in known if nic.spoofing)),
        "foreign": _set("type ifname;", (f'"{nic.tap}"' for nic in known if nic.foreign)),
        "macs": _set("type ifname . ether_addr;", (f'"{nic.tap}" . {nic.mac}' for nic in held)),
        "guests": _set(
            "type ifname . ether_addr . ipv4_addr;", (f'"{nic.tap}" . {nic.mac} . {each}' for nic, each in v4)
        ),
        "guests6": _set(
            "type ifname . ether_addr . ipv6_addr;", (f'"{nic.tap}" . {nic.mac} . {each}' for nic, each in own6)
        ),
        # nft 1.0.6 knows neither the target of a neighbour message nor its option, but their places in it.
        "targets": _set(
            "typeof iifname . @th,64,128;", (f'"{nic.tap}" . 0x{each.packed.hex()}' for nic, each in v6)
        ),
        "links": _set(
            "typeof iifname . @th,208,48;", {f'"{nic.tap}" . 0x{nic.mac.replace(":", "")}' for nic, _ in v6}
        ),
        "links_rs": _set(
            "typeof iifname . @th,80,48;", {f'"{nic.tap}" . 0x{nic.mac.replace(":", "")}' for nic, _ in v6}
        ),
    }  # fmt: skip
    chains: dict[str, Sequence[str]] = {
        "neighbour": (
            # Only whole, bare messages (RFC 6980), with one option at most: its own MAC, or of a probe the nonce (RFC
            # 7527). What does not fit could hide a second option behind a first one that is right.
            "ip6 nexthdr != ipv6-icmp counter drop",
            "icmpv6 type nd-router-solicit ip6 length 8 accept",
            "icmpv6 type nd-router-solicit ip6 length 16 @th,64,16 0x0101 iifname . @th,80,48 @links_rs accept",
            "icmpv6 type nd-router-solicit counter drop",
            # Who answers for another's address, or probes for it so that its owner gives it up.
            "icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets counter drop",
            "ip6 saddr :: iifname . @th,64,128 != @targets counter drop",
            "ip6 length 24 accept",
            "icmpv6 type nd-neighbor-advert ip6 length 32 @th,192,16 0x0201 iifname . @th,208,48 @links accept",
            "icmpv6 type nd-neighbor-solicit ip6 length 32 @th,192,16 0x0101 iifname . @th,208,48 @links accept",
            "icmpv6 type nd-neighbor-solicit ip6 saddr :: ip6 length 32 @th,192,16 0x0e01 accept",
            "counter drop",
        ),
        "from_guest6": (
            "ip6 saddr :: icmpv6 type nd-neighbor-solicit goto neighbour",
            "ip6 saddr :: icmpv6 type { mld-listener-report, mld2-listener-report } accept",
            "ip6 saddr :: icmpv6 type nd-router-solicit ip6 nexthdr ipv6-icmp ip6 length 8 accept",
            "iifname . ether saddr . ip6 saddr != @guests6 counter drop",
            "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } goto neighbour",
            # Of a fragment but the first nothing is known, so the first one must tell what it is.
            "ip6 nexthdr { 0, 44 } icmpv6 type "  # hop by hop, fragment
            "{ mld-listener-report, mld-listener-done, mld2-listener-report, echo-request, echo-reply } accept",
            "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request,"
            " echo-reply, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
            "meta l4proto ipv6-icmp exthdr frag exists frag frag-off != 0 accept",
            "meta l4proto ipv6-icmp counter drop",
            "udp sport 547 counter drop",
            "udp dport 546 counter drop",
            "ip6 nexthdr { tcp, udp, esp, ah, gre, sctp, udplite, dccp } accept",
            "ip6 nexthdr 44 frag nexthdr { tcp, udp, ipv6-icmp, esp, sctp } accept",
            "counter drop",
        ),
        # Whose addresses are not known here sends by its own MAC, and is no server of DHCP and no router.
        "from_foreign": (
            "ether type arp iifname . arp saddr ether @macs accept",
            "ether type ip udp sport 67 counter drop",
            "ether type ip udp dport 68 counter drop",
            "ether type ip icmp type { redirect, router-advertisement } counter drop",
            "ether type ip accept",
            "icmpv6 type { nd-router-advert, nd-redirect } counter drop",
            "ip6 nexthdr != { tcp, udp, ipv6-icmp, esp, ah, gre, sctp, udplite, dccp, 0, 44 } counter drop",
            "udp sport 547 counter drop",
            "udp dport 546 counter drop",
            "ether type ip6 accept",
            "counter drop",
        ),
        "from_guest": (
            # A probe asks whether an address is in use before taking it, so it has none yet (RFC 5227).
            "iifname . ether saddr != @macs counter drop",
            "iifname @foreign goto from_foreign",
            "ether type arp iifname . arp saddr ether . arp saddr ip @guests accept",
            "ether type arp arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs accept",
            "ether type ip6 goto from_guest6",
            # A client listens on port 68, and takes an answer from any.
            "ether type ip udp sport 67 counter drop",
            "ether type ip udp dport 68 counter drop",
            "ether type ip icmp type { redirect, router-advertisement } counter drop",
            "ether type ip iifname . ether saddr . ip saddr @guests accept",
            "ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
            "counter drop",
        ),
    }
    return sets, chains


def _own6(nic: NodeNic) -> list[IPv6Address]:
    given = [each for each in nic.addresses if isinstance(each, IPv6Address)]
    return [*given, link_local(nic.mac)] if given else []


def _hooks(chains: dict[str, Sequence[str]], tracking: Tracking | None) -> None:
    # Whether a packet is an answer is for the node to say, not for what it came with.
    unmarked = [f"meta mark set meta mark and {_OTHER_BITS:#x}"] if tracking is Tracking.INET else []
    # Zones keep the flows of networks apart whose addresses are the same. What the node routes has to be in none: its
    # answers enter by another interface.
    zones = [f"ether daddr != {GATEWAY_MAC} ct zone set iifname map @zones"] if tracking is Tracking.BRIDGE else []
    chains |= {
        "prerouting": (
            "type filter hook prerouting priority -300; policy accept;",
            *unmarked,
            *zones,
            f'iifname != "{TAP_PREFIX}*" accept',
            f"ip daddr {METADATA} iifname . ether saddr . ip saddr != @guests counter drop",
            f"ip6 daddr {METADATA6} iifname . ether saddr . ip6 saddr != @guests6 counter drop",
            "iifname @trusted accept",
            "goto from_guest",
        ),
        "forward": (
            "type filter hook forward priority 10; policy accept;",
            f'oifname "{TAP_PREFIX}*" oifname != @taps counter drop',
            *(["goto passing"] if tracking else []),
        ),
        "input": (
            "type filter hook input priority 10; policy accept;",
            # The bridge takes these for itself and looks at no rule before, but learns where their sender is.
            f'iifname "{TAP_PREFIX}*" {LINK_LOCAL_MULTICAST} counter drop',
            # On a bridge of the node's, which it has addresses on itself, as it may be reached by it.
            "iifname @foreign counter drop",
            *(["goto passing"] if tracking else []),
        ),
        "output": (
            "type filter hook output priority 10; policy accept;",
            f'oifname "{TAP_PREFIX}*" oifname != @taps counter drop',
            *(["goto passing"] if tracking else []),
        ),
    }


# ---- groups


def _filter(
    sets: dict[str, Elements], chains: dict[str, Sequence[str]], grouped: Sequence[NodeNic],
    groups: Mapping[int, Group], gateways: Sequence[IPv4Address | IPv6Address], tracking: Tracking,
) -> None:  # fmt: skip
    used = sorted({group_id for nic in grouped for group_id in nic.groups})
    named = {rule.group for group_id in used for rule in groups.get(group_id, NOBODY).rules if rule.group is not None}
    for group_id in sorted(named):
        members = groups.get(group_id, NOBODY).members
        for family, type_ in ((4, "ipv4_addr"), (6, "ipv6_addr")):
            content = (str(each) for each in members if each.version == family)
            sets[members_set(group_id, family)] = _set(f"type {type_};", content)
    sets["gateways4"] = _set("type ipv4_addr;", (str(each) for each in gateways if each.version == 4))
    sets["gateways6"] = _set("type ipv6_addr;", (str(each) for each in gateways if each.version == 6))
    asked: dict[tuple[int, str], Sequence[str]] = {}
    for group_id in used:
        for direction in (IN, OUT):
            found = lookups(group_id, groups.get(group_id, NOBODY), direction)
            sets |= found.sets
            asked[group_id, direction] = found.rules
    combined = sorted({nic.groups for nic in grouped})
    for direction in (IN, OUT):
        for each in combined:
            own = [line for group_id in each for line in asked[group_id, direction]]
            chains[_chain_of(each, direction)] = (*_ALWAYS[direction], *own, "counter drop")
    for name, direction in (("senders", OUT), ("receivers", IN)):
        sets[name] = Elements(
            "map", "type ifname : verdict;",
            frozenset(f'"{nic.tap}" : jump {_chain_of(nic.groups, direction)}' for nic in grouped),
        )  # fmt: skip
    if tracking is Tracking.BRIDGE:
        sets["zones"] = _zones(grouped)
        answers: tuple[str, ...] = ("ct state established ct direction reply accept", "ct state related accept")
    else:
        answers = (f"meta mark and {ANSWER:#x} == {ANSWER:#x} accept",)
    # What began on the other side and is allowed by a rule is looked at packet by packet, for that costs the same: so a
    # rule that is withdrawn ends its flows, also should the kernel not forget them.
    chains["passing"] = (*answers, "ether type arp accept", "iifname vmap @senders", "oifname vmap @receivers")


# What a guest cannot do without, whatever its groups say.
_ALWAYS: Mapping[str, Sequence[str]] = {
    OUT: (
        "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report,"
        " mld-listener-done, mld2-listener-report } return",
        "ether type ip udp sport 68 udp dport 67 return",
        "ip6 daddr { fe80::/10, ff02::1:2 } udp sport 546 udp dport 547 return",
        f"ip daddr {METADATA} tcp dport 80 return",
        f"ip6 daddr {METADATA6} tcp dport 80 return",
        f"ip daddr @gateways4 meta l4proto {{ tcp, udp }} th dport {NAMES} return",
        f"ip6 daddr @gateways6 meta l4proto {{ tcp, udp }} th dport {NAMES} return",
    ),
    IN: (
        "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } return",
        "ip saddr @gateways4 udp sport 67 udp dport 68 return",
        "ip6 saddr fe80::/10 udp sport 547 udp dport 546 return",
    ),
}


def _chain_of(group_ids: Iterable[int], direction: str) -> str:
    return "_".join(["c", *map(str, group_ids), direction])


def zone_of(bridge: str) -> int:
    """Of the flows on a bridge of a network of ours; 0: the bridge is none."""
    number = bridge.removeprefix("wn")
    return int(number) % 65_535 + 1 if number != bridge and number.isdecimal() else 0


def _zones(grouped: Iterable[NodeNic]) -> Elements:
    """By tap, and by the port of the tunnel to the network's other nodes."""
    zoned = [(nic, zone_of(nic.bridge)) for nic in grouped if zone_of(nic.bridge)]
    content = {f'"{nic.tap}" : {zone}' for nic, zone in zoned}
    content |= {f'"wx{nic.bridge.removeprefix("wn")}" : {zone}' for nic, zone in zoned}
    return Elements("map", "typeof iifname : ct zone;", frozenset(content))


def _answers(grouped: Iterable[NodeNic]) -> Rules:
    bridges = {nic.bridge: zone_of(nic.bridge) for nic in grouped if zone_of(nic.bridge)}
    zones = frozenset(f'"{bridge}" : {zone}' for bridge, zone in bridges.items())
    mark = f"meta mark set meta mark or {ANSWER:#x}"
    marks = (f"ct state established ct direction reply {mark}", f"ct state related {mark}")
    return Rules(
        "inet", ANSWERS_TABLE,
        {"zones": Elements("map", "typeof iifname : ct zone;", zones)},
        {
            "zone": (
                "type filter hook prerouting priority -300; policy accept;",
                f"ether daddr != {GATEWAY_MAC} ct zone set iifname map @zones",
            ),
            "prerouting": (
                "type filter hook prerouting priority -150; policy accept;",
                f"meta mark set meta mark and {_OTHER_BITS:#x}",
                *marks,
            ),
            "output": ("type filter hook output priority -150; policy accept;", *marks),
        },
    )  # fmt: skip


def _set(declaration: str, content: Iterable[str]) -> Elements:
    return Elements("set", declaration, frozenset(content))
