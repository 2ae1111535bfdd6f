"""
What each node lets pass, found by packets: its tables of nftables are run by ``packets``, and what comes of each packet
has to be what a small model of its own says, from the rows: none of the code that makes documents or rules is asked.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

from simulation.chance import stream
from simulation.frames import GATEWAY_MAC, ICMP, ICMP6, TCP, UDP, Flow, arp, frame, neighbour
from simulation.kernel import UPLINK
from simulation.netwatch import CARDS
from simulation.packets import Packet, passes

if TYPE_CHECKING:
    from simulation.kernel import Kernel
    from simulation.simulation import Simulation
    from simulation.world import Node

MOST: Final = 5  # cards of a node that are asked about, at a time
STRANGE_MAC: Final = "02:12:34:56:78:9a"
METADATA: Final = {4: ip_address("169.254.169.254"), 6: ip_address("fd00:ec2::254")}
# Who is outside, with an address that groups of the workload name, and one that they do not.
OUTSIDE: Final = {
    4: (ip_address("198.51.100.7"), ip_address("10.250.0.9")), 6: (ip_address("2001:db8:5::7"), ip_address("2620::7")),
}  # fmt: skip

_RULES: Final = """
SELECT group_id, direction, protocol, port_first, port_last, remote::text AS remote, remote_group_id
  FROM security_rule ORDER BY id
"""
_MEMBERS: Final = """
SELECT g.group_id, host(l.address) AS address FROM nic_group g JOIN network_lease l ON l.nic_id = g.nic_id
"""
_PUBLIC: Final = "SELECT host(address) AS address, nic_id FROM public_address WHERE nic_id IS NOT NULL ORDER BY id"


class Card:
    """A network card of a VM that is placed."""

    def __init__(self, row: Any) -> None:
        self.row = row
        self.tap, self.mac, self.groups, self.foreign = row.tap, row.mac, list(row.groups), row.unaddressed
        self.trusted = row.spoofing
        self.addresses = [ip_address(each) for each in row.addresses]

    def own(self, family: int) -> Any:
        return next((each for each in self.addresses if each.version == family), None)

    def on_link(self) -> IPv6Address:
        """The address that a MAC makes."""
        given = [int(each, 16) for each in self.mac.split(":")]
        return IPv6Address(
            bytes([0xFE, 0x80, 0, 0, 0, 0, 0, 0, given[0] ^ 2, *given[1:3], 0xFF, 0xFE, *given[3:]])
        )

    def port_out(self) -> str:
        """Of its bridge, by which the rest of its network is reached; "": there is none."""
        if self.row.kind == "vxlan":
            return f"wx{self.row.network_id}"
        return f"wu{self.row.network_id}" if self.row.vlan is not None else ""


class Model:
    """Who may reach whom, by the rows."""

    def __init__(self, simulation: Simulation) -> None:
        self.cards: dict[int, list[Card]] = defaultdict(list)
        self.by_nic: dict[int, Card] = {}
        for row in simulation.sql(CARDS):
            card = self.by_nic[row.id] = Card(row)
            self.cards[row.node_id].append(card)
        self.rules: dict[int, list[Any]] = defaultdict(list)
        for row in simulation.sql(_RULES):
            self.rules[row.group_id].append(row)
        self.members: dict[int, set[Any]] = defaultdict(set)
        for row in simulation.sql(_MEMBERS):
            self.members[row.group_id].add(ip_address(row.address))
        self.public = [(ip_address(row.address), self.by_nic.get(row.nic_id)) for row in simulation.sql(_PUBLIC)]

    def allows(self, card: Card, direction: str, flow: Flow) -> bool:
        """Whether a card's groups do; one in no group may all."""
        if not card.groups:
            return True
        other = flow.to if direction == "out" else flow.source
        return any(
            rule.direction == direction and self._speaks_of(rule, flow, other)
            for group_id in card.groups for rule in self.rules[group_id]
        )  # fmt: skip

    def _speaks_of(self, rule: Any, flow: Flow, other: Any) -> bool:
        named = {"tcp": TCP, "udp": UDP, "icmp": ICMP if other.version == 4 else ICMP6}
        if rule.protocol != "any" and str(named.get(rule.protocol, rule.protocol)) != str(flow.protocol):
            return False
        if rule.port_first is not None and not rule.port_first <= flow.port <= rule.port_last:
            return False
        if rule.remote is not None:
            return other in ip_network(rule.remote)
        return rule.remote_group_id is None or other in self.members[rule.remote_group_id]

    def ports(self, card: Card) -> list[int]:
        """Where a card's rules begin and end, and beside."""
        found = {80, 443}
        for group_id in card.groups:
            for rule in self.rules[group_id]:
                if rule.port_first is not None:
                    found |= {rule.port_first - 1, rule.port_first, rule.port_last, rule.port_last + 1}
        return sorted(port for port in found if 0 < port < 65_536)


# ---------------------------------------------------------------------- what guests say of themselves


def as_whom(card: Card) -> Iterator[tuple[str, Packet, bool]]:
    """What a guest says of itself: what, the frame, and whether it enters."""
    any4, any6 = OUTSIDE[4][0], OUTSIDE[6][0]
    other4, other6 = ip_address("10.0.0.77"), ip_address("fd99::77")
    own4, own6, trusted, free = card.own(4), card.own(6), card.trusted, card.trusted or card.foreign
    speaks6 = own6 is not None or free
    if own4 is not None:
        yield "ARP as itself", arp(card.mac, own4), True
        yield "IPv4 as itself", frame(card.mac, Flow(own4, any4, TCP, 443)), True
        yield "metadata as itself", frame(card.mac, Flow(own4, METADATA[4], TCP, 80)), True
        redirect = frame(card.mac, Flow(own4, any4, ICMP), **{"icmp type": "redirect"})
        yield "a redirect", redirect, trusted
    yield "ARP as another", arp(card.mac, other4), free
    yield "ARP with another's MAC", arp(STRANGE_MAC, own4 or other4), trusted
    yield "IPv4 with another's MAC", frame(STRANGE_MAC, Flow(own4 or other4, any4, TCP, 443)), trusted
    yield "IPv4 as another", frame(card.mac, Flow(other4, any4, TCP, 443)), free
    yield "metadata as another", frame(card.mac, Flow(other4, METADATA[4], TCP, 80)), False
    nobody, everybody = ip_address("0.0.0.0"), ip_address("255.255.255.255")
    yield "a question of DHCP", frame(card.mac, Flow(nobody, everybody, UDP, 67, 68)), True
    yield "an answer of DHCP", frame(card.mac, Flow(own4 or other4, everybody, UDP, 4011, 67)), trusted
    yield "an answer of DHCP by another port", frame(card.mac, Flow(own4 or other4, everybody, UDP, 68)), trusted
    link = card.on_link()
    yield "IPv6 by its link", frame(card.mac, Flow(link, any6, UDP, 547, 546)), speaks6
    yield "IPv6 as another", frame(card.mac, Flow(other6, any6, TCP, 443)), free
    if own6 is not None:
        yield "IPv6 as itself", frame(card.mac, Flow(own6, any6, TCP, 443)), True
        yield "metadata as itself by IPv6", frame(card.mac, Flow(own6, METADATA[6], TCP, 80)), True
    yield "metadata as another by IPv6", frame(card.mac, Flow(other6, METADATA[6], TCP, 80)), False
    router = frame(card.mac, Flow(link, ip_address("ff02::1"), ICMP6), **{"icmpv6 type": "nd-router-advert"})
    yield "a router's advertisement", router, trusted
    yield "an answer of DHCPv6", frame(card.mac, Flow(link, any6, UDP, 5000, 547)), trusted
    yield "an answer of DHCPv6 by another port", frame(card.mac, Flow(link, any6, UDP, 546)), trusted
    yield "what neighbours say of it", neighbour(card.mac, link, link), speaks6
    yield "what neighbours say of another", neighbour(card.mac, link, other6), free
    yield "a tag of a VLAN", {"ether saddr": card.mac, "ether daddr": GATEWAY_MAC, "ether type": "8021q",
                              "meta mark": 0}, trusted  # fmt: skip


# ---------------------------------------------------------------------- ways


class Ways:
    """The way of packets through one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.kernel: Kernel = node.agent.wiring.kernel
        self.nft = self.kernel.nft

    def enters(self, card: Card, packet: Packet) -> bool:
        packet["iifname"] = card.tap
        return passes(self.nft, "bridge", "prerouting", packet)

    def leaves(self, card: Card, packet: Packet) -> bool:
        """From a guest to its gateway, and on to wherever that leads."""
        if not self.enters(card, packet) or not passes(self.nft, "bridge", "input", packet):
            return False
        packet["iifname"] = card.row.bridge
        if not passes(self.nft, "inet", "prerouting", packet):
            return False
        to = packet.get("ip daddr", packet.get("ip6 daddr"))
        if self._is_local(to):
            return passes(self.nft, "inet", "input", packet)
        packet["oifname"] = self._towards(packet, to)
        return passes(self.nft, "inet", "forward", packet)

    def crosses(self, port: str, packet: Packet, to: str) -> bool:
        """From one port of a bridge to another."""
        packet["iifname"] = port
        if not passes(self.nft, "bridge", "prerouting", packet):
            return False
        packet["oifname"] = to
        return passes(self.nft, "bridge", "forward", packet)

    def arrives(self, packet: Packet, to: Card) -> bool:
        """From outside to a guest, by whatever the node makes of the address."""
        packet["iifname"] = UPLINK
        if not passes(self.nft, "inet", "prerouting", packet):
            return False
        bridge = self._towards(packet, packet.get("ip daddr", packet.get("ip6 daddr")))
        packet["oifname"] = bridge
        if bridge != to.row.bridge or not passes(self.nft, "inet", "forward", packet):
            return False
        del packet["iifname"]
        packet |= {"oifname": to.tap, "ether saddr": GATEWAY_MAC, "ether daddr": to.mac}
        return passes(self.nft, "bridge", "output", packet)

    def _is_local(self, to: Any) -> bool:
        own = {ip_address(each.partition("/")[0]) for on in self.kernel.addresses.values() for each in on}
        return to in own | {ip_address(self.node.address), *self.kernel.listens(), *METADATA.values()}

    def _towards(self, packet: Packet, to: Any) -> str:
        """Through which device it goes on; "": it is unreachable."""
        mark = packet["meta mark"]
        tables = ["main"]
        for (_, _, told), rule in self.kernel.rules.items():
            if told and int(told, 16) == mark & 0x3FFFFFFF:
                tables.insert(0, rule["table"])
        for table in tables:
            found = [
                (ip_network("::/0" if version == 6 else "0.0.0.0/0") if where == "default" else ip_network(where),
                 -int(metric or "0"), device)
                for (version, where, of, metric), (device, _) in self.kernel.routes.items()
                if of == table and version == to.version
            ]  # fmt: skip
            for each in self.node.memory.world.networks.values():
                if table == "main" and to.version == 4:
                    found.append((each.pool, 0, each.bridge))
            fitting = [each for each in found if to in each[0]]
            if fitting:
                return max(fitting, key=lambda each: (each[0].prefixlen, each[1]))[2]
        return UPLINK


# ---------------------------------------------------------------------- what is asked


def at_rest(simulation: Simulation) -> list[str]:
    """Everything that a node lets pass and should not, or keeps and should let."""
    model, draw = Model(simulation), stream(simulation.seed, "probes")
    wrong: list[str] = []
    for node in simulation.members():
        if node.agent.protocol > 1:
            wrong += [f"{node.name} {problem}" for problem in _probe(simulation, model, node, draw)]
    return wrong


def _probe(simulation: Simulation, model: Model, node: Node, draw: random.Random) -> Iterator[str]:
    ways, counted = Ways(node), simulation.effects.counted
    cards = model.cards[node.node_id]
    for card in draw.sample(cards, min(MOST, len(cards))):
        for what, came, should in _asked(model, ways, card, cards, draw):
            counted["packets probed"] += 1
            if came is not should:
                yield f"{'lets' if came else 'keeps'} {what} of {card.tap} ({card.row.kind}, groups {card.groups})"
    stray = Card(_Stray())
    if ways.enters(stray, frame(stray.mac, Flow(OUTSIDE[4][1], OUTSIDE[4][0], TCP, 80))):
        yield "lets packets in by a tap that is nobody's"
    for address, public in model.public:
        if public is not None and public.row.node_id == node.node_id and public.own(address.version) is not None:
            yield from _from_outside(model, ways, public, address, draw)


class _Stray:
    """A tap that no card has."""

    tap, mac, groups, addresses = "wvstray", STRANGE_MAC, (), ()
    spoofing = unaddressed = False
    kind, bridge = "nat", ""


def _asked(
    model: Model, ways: Ways, card: Card, here: Sequence[Card], draw: random.Random
) -> Iterator[tuple[str, bool, bool]]:
    """What, whether it came through, and whether it should."""
    for what, packet, should in as_whom(card):
        yield what, ways.enters(card, packet), should
    if card.foreign:
        flow = Flow(ip_address("10.0.0.77"), ip_address(ways.node.address), TCP, 22)
        yield "TCP to its node", ways.leaves(card, frame(card.mac, flow)), False
        return
    if ways.kernel.find(card.row.bridge) is None:
        return  # libvirt makes it with the first VM that starts there
    for family in (4, 6):
        own = card.own(family)
        if own is not None:
            yield from _out(model, ways, card, here, family, draw)
            yield from _within(model, ways, card, here, family, draw)


def _flows(model: Model, card: Card, draw: random.Random) -> Iterator[tuple[int, int]]:
    """Protocols with ports, of which a card's rules may say different things."""
    for port in draw.sample(found := model.ports(card), min(4, len(found))):
        yield draw.choice((TCP, UDP)), port
    yield 0, 0


def _out(
    model: Model, ways: Ways, card: Card, here: Sequence[Card], family: int, draw: random.Random
) -> Iterator[tuple[str, bool, bool]]:
    own, row = card.own(family), card.row
    for protocol, port in _flows(model, card, draw):
        for to in OUTSIDE[family]:
            flow = Flow(own, to, protocol or (ICMP if family == 4 else ICMP6), port)
            yield f"{flow}", ways.leaves(card, frame(card.mac, flow)), model.allows(card, "out", flow)
    if family == 4:
        kept = [(ip_address(ways.node.address), 22), (ip_address("192.0.2.200"), 443), (ip_address(row.gateway), 22),
                (METADATA[4], 81), (ip_address("169.254.1.1"), 80)]  # fmt: skip
        # Addresses of a network that is elsewhere alone are the outside's here, which may have them, too.
        kept += [(each.own(4), 80) for each in model.by_nic.values()
                 if each.row.network_id != row.network_id and each.own(4) is not None
                 and (each.row.kind == "nat" or each in here)][:1]  # fmt: skip
    else:
        kept = [(ip_address("fe80::2"), 22), (ip_address(row.gateway6), 22), (METADATA[6], 81)]
    for to, port in kept:
        flow = Flow(own, to, TCP, port)
        yield f"{flow}, which guests do not reach,", ways.leaves(card, frame(card.mac, flow)), False
    gateway = row.gateway if family == 4 else row.gateway6
    names = Flow(own, ip_address(gateway), UDP, 53)
    yield "a question for names", ways.leaves(card, frame(card.mac, names)), True
    if row.kind != "nat":
        flow = Flow(own, METADATA[family], TCP, 80)
        yield "a question for metadata", ways.leaves(card, frame(card.mac, flow)), bool(row.metadata_served)


def _within(
    model: Model, ways: Ways, card: Card, here: Sequence[Card], family: int, draw: random.Random
) -> Iterator[tuple[str, bool, bool]]:
    """On one network that joins nodes, here and from elsewhere."""
    if card.row.kind == "nat":
        return
    own = card.own(family)
    others = [each for each in model.by_nic.values() if each.row.network_id == card.row.network_id
              and each is not card and each.own(family) is not None]  # fmt: skip
    beyond = card.port_out()
    for other in draw.sample(others, min(2, len(others))):
        for protocol, port in _flows(model, other, draw):
            kind = protocol or (ICMP if family == 4 else ICMP6)
            flow = Flow(own, other.own(family), kind, port)
            sends, gets = model.allows(card, "out", flow), model.allows(other, "in", flow)
            packet = frame(card.mac, flow, other.mac)
            if other in here:
                yield f"{flow} to {other.tap}", ways.crosses(card.tap, packet, other.tap), sends and gets
            elif beyond:
                yield f"{flow} by {beyond}", ways.crosses(card.tap, packet, beyond), sends
            back = Flow(other.own(family), own, kind, port)
            if beyond and other not in here:
                packet = frame(other.mac, back, card.mac)
                yield f"{back} by {beyond}", ways.crosses(beyond, packet, card.tap), model.allows(card, "in", back)
    if beyond:
        # What groups let in, always.
        if family == 4:
            packet = frame(GATEWAY_MAC, Flow(ip_address(card.row.gateway), own, UDP, 68, 67), card.mac)
        else:
            advert = {"icmpv6 type": "nd-router-advert"}
            packet = frame(GATEWAY_MAC, Flow(ip_address("fe80::1"), own, ICMP6), card.mac, **advert)
        yield f"another node's gateway by {beyond}", ways.crosses(beyond, packet, card.tap), False


def _from_outside(
    model: Model, ways: Ways, card: Card, address: Any, draw: random.Random
) -> Iterator[str]:
    own = card.own(address.version)
    for protocol, port in _flows(model, card, draw):
        for source in OUTSIDE[address.version]:
            kind = protocol or (ICMP if address.version == 4 else ICMP6)
            should = model.allows(card, "in", Flow(source, own, kind, port))
            came = ways.arrives(frame(STRANGE_MAC, Flow(source, address, kind, port)), card)
            if came is not should:
                yield f"{'lets' if came else 'keeps'} {Flow(source, address, kind, port)} to {card.tap}"
    direct = frame(STRANGE_MAC, Flow(OUTSIDE[address.version][0], own, TCP, 80))
    if address.version == 4 and ways.arrives(direct, card):
        yield f"lets anybody from outside to {own} of {card.tap}"
