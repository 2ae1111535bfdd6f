"""
Security groups: which packets their rules let pass between guests and the outside, and why. Pure.

A NIC that is in groups gets and sends what a rule of one of them allows, and answers to that; a NIC that is in none is
not looked at. Nodes are told the rules in this form (``docs/node.md``) and ask the kernel's sets the same questions as
``decide`` asks here; a test compares the two, packet by packet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import RuleDirection, Verdict
from cm.rules.network import Address, Network

TCP: Final = 6
UDP: Final = 17
PROTOCOLS: Final[Mapping[str, tuple[int, int]]] = {"tcp": (TCP, TCP), "udp": (UDP, UDP), "icmp": (1, 58)}  # v4, v6
ANY: Final = "any"
LAST_PORT: Final = 65535
EVERYTHING: Final = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


@dataclass(frozen=True)
class Rule:
    """
    What one rule allows.

    :ivar family: 4 or 6. :ivar protocol: "tcp", "udp", "icmp", "any", or a number.
    :ivar ports: of the receiver, first and last; None: all.
    :ivar remote: the other side's; None: it is a member of ``group_id``.
    """

    id: int
    direction: RuleDirection
    family: int
    protocol: str
    ports: tuple[int, int] | None
    remote: Network | None
    group_id: int | None = None


@dataclass(frozen=True)
class Group:
    """:ivar members: addresses of the NICs that are in it."""

    rules: Sequence[Rule] = ()
    members: frozenset[Address] = frozenset()


@dataclass(frozen=True)
class Packet:
    """
    A flow's first one, as a NIC sees it.

    :ivar protocol: its number. :ivar port: the receiver's; None: its protocol has none.
    :ivar remote: the other side.
    """

    direction: RuleDirection
    protocol: int
    port: int | None
    remote: Address


def deciding_rule(packet: Packet, group_ids: Iterable[int], groups: Mapping[int, Group]) -> Rule | None:
    """The first rule, by its number, that lets it pass; None: there is none."""
    rules = (rule for group_id in group_ids for rule in groups.get(group_id, Group()).rules)
    return next((rule for rule in sorted(rules, key=lambda rule: rule.id) if allows(rule, packet, groups)), None)


def allows(rule: Rule, packet: Packet, groups: Mapping[int, Group]) -> bool:
    if rule.direction != packet.direction or rule.family != packet.remote.version:
        return False
    number = protocol_number(rule.protocol, rule.family)
    if number is not None and number != packet.protocol:
        return False
    if rule.ports is not None and (packet.port is None or not rule.ports[0] <= packet.port <= rule.ports[1]):
        return False
    if rule.remote is not None:
        return packet.remote in rule.remote
    return rule.group_id is not None and packet.remote in groups.get(rule.group_id, Group()).members


def protocol_number(protocol: str, family: int) -> int | None:
    """None: any."""
    if protocol == ANY:
        return None
    return PROTOCOLS[protocol][family == 6] if protocol in PROTOCOLS else int(protocol)


# ---- whether and why


# For people.
TOLD: Final[Mapping[Verdict, str]] = {
    Verdict.PASSES: "It passes.",
    Verdict.NO_ADDRESS: "That network card has no address of this family.",
    Verdict.NO_RULE_OUT: "No rule of the sender's groups allows it out.",
    Verdict.NO_RULE_IN: "No rule of the receiver's groups allows it in.",
    Verdict.KEPT_APART: "Nodes keep guests of these networks apart.",
    Verdict.MANAGEMENT: "Guests do not reach networks of the cluster's own.",
    Verdict.ANSWERS_ONLY: "From outside only answers come in: the guest has no address there.",
    Verdict.IPV4_ONLY: "Guests of that network reach the outside by IPv4 alone.",
}


@dataclass(frozen=True)
class End:
    """
    One side of a flow.

    :ivar address: that it has there. :ivar network_id: None: it is outside.
    :ivar kind: of its network. :ivar groups: of its NIC.
    :ivar reached: whether what is asked about is led to it from outside, by a public address or port.
    """

    address: Address
    network_id: int | None = None
    kind: str = ""
    groups: Sequence[int] = ()
    reached: bool = False


@dataclass(frozen=True)
class Decision:
    """:ivar rules: that let it pass, of the sender's groups and of the receiver's."""

    verdict: Verdict
    rules: Sequence[Rule] = field(default=())

    @property
    def passes(self) -> bool:
        return self.verdict is Verdict.PASSES


def decide(
    sender: End, receiver: End, protocol: int, port: int | None, groups: Mapping[int, Group],
    management: Collection[Network] = (),
) -> Decision:  # fmt: skip
    """
    Whether the first packet of a flow gets from one side to the other; answers to it do then too.

    In the order in which it meets what decides: rules of the sender's groups where it leaves its guest, the way of the
    nodes, rules of the receiver's groups.

    :param management: networks that guests do not reach.
    """
    found: list[Rule] = []
    if sender.groups:
        rule = deciding_rule(
            Packet(RuleDirection.OUT, protocol, port, receiver.address), sender.groups, groups
        )  # fmt: skip
        if rule is None:
            return Decision(Verdict.NO_RULE_OUT)
        found.append(rule)
    obstacle = _way(sender, receiver, management)
    if obstacle is not None:
        return Decision(obstacle, found)
    if receiver.groups:
        rule = deciding_rule(Packet(RuleDirection.IN, protocol, port, sender.address), receiver.groups, groups)
        if rule is None:
            return Decision(Verdict.NO_RULE_IN, found)
        found.append(rule)
    return Decision(Verdict.PASSES, found)


def _way(sender: End, receiver: End, management: Collection[Network]) -> Verdict | None:
    if sender.network_id is not None and receiver.network_id is not None:
        together = sender.network_id == receiver.network_id and sender.kind != "nat"
        return None if together else Verdict.KEPT_APART
    inside = sender if sender.network_id is not None else receiver
    if inside.kind == "bridge":
        return None  # what is on that bridge decides
    if receiver is inside:
        return None if receiver.reached else Verdict.ANSWERS_ONLY
    if inside.kind == "nat" and receiver.address.version == 6:
        return Verdict.IPV4_ONLY
    return Verdict.MANAGEMENT if any(receiver.address in each for each in management) else None


# ---- as told to nodes


def document_group(group: Group, *, with_rules: bool) -> dict[str, Any]:
    """As ``docs/node.md`` has it; of a group that others only name, its members alone."""
    members = sorted(group.members, key=lambda each: (each.version, int(each)))
    told: dict[str, Any] = {"members": [str(each) for each in members]}
    if with_rules:
        told["rules"] = [document_rule(rule) for rule in sorted(group.rules, key=lambda rule: rule.id)]
    return told


def document_rule(rule: Rule) -> dict[str, Any]:
    return {
        "direction": str(rule.direction),
        "family": rule.family,
        "protocol": int(rule.protocol) if rule.protocol.isdecimal() else rule.protocol,
        "ports": None if rule.ports is None else list(rule.ports),
        "remote": None if rule.remote is None else str(rule.remote),
        "group": rule.group_id,
    }


# ---- as given


def parse_protocol(given: str) -> str:
    """:raises InvalidParameter: it is none."""
    protocol = given.strip().lower()
    if protocol in PROTOCOLS or protocol == ANY:
        return protocol
    if protocol.isascii() and protocol.isdecimal() and len(protocol) <= 3 and int(protocol) <= 255:
        by_number = {str(TCP): "tcp", str(UDP): "udp"}
        return by_number.get(str(int(protocol)), str(int(protocol)))
    raise InvalidParameter("protocol", "it must be tcp, udp, icmp, any, or a number of 0 to 255")


def parse_ports(given: str | None, protocol: str) -> tuple[int, int] | None:
    """
    "22" or "8000-8080", of TCP and UDP.

    :raises InvalidParameter: no ports, or no protocol that has some.
    """
    if given is None or not given.strip():
        return None
    if protocol not in ("tcp", "udp"):
        raise InvalidParameter("ports", "only tcp and udp have ports")
    first, dash, last = given.strip().partition("-")
    found = []
    for each in (first, last) if dash else (first, first):
        text = each.strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= LAST_PORT):
            raise InvalidParameter("ports", "it must be a port, or two with a dash between, of 1 to 65535")
        found.append(int(text))
    if found[0] > found[1]:
        raise InvalidParameter("ports", "the first one is larger than the last")
    return None if tuple(found) == (1, LAST_PORT) else (found[0], found[1])


def parse_remote(given: str) -> Network:
    """:raises InvalidParameter: no range of addresses."""
    try:
        return ip_network(given.strip())
    except ValueError as error:
        raise InvalidParameter("remote", f"it must be a range such as 192.0.2.0/24 or 2001:db8::/32: {error}") from None
