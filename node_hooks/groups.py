"""
Security groups on a node: what they say, whether a packet passes by them, and the sets that the kernel asks. Pure.

Rules allow; what none allows does not pass. A packet meets no rule one by one: the rules of a group become sets without
overlaps, in which the kernel looks a packet up once, however many there are. nft refuses overlapping elements of a set
with ranges in several fields, so that ports are cut where a rule begins or ends, and each piece gets the addresses of
all rules on it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Any

from node_hooks.nft import Elements
from node_hooks.reading import Address, Network, read_range

IN, OUT = "in", "out"
TCP, UDP = 6, 17
PROTOCOLS = {"tcp": (TCP, TCP), "udp": (UDP, UDP), "icmp": (1, 58)}  # in IPv4, in IPv6
EVERY_PORT = (0, 65535)

Ports = tuple[int, int]


@dataclass(frozen=True)
class GroupRule:
    """
    :ivar direction: seen from the NIC. :ivar family: 4 or 6. :ivar protocol: its number; ``None``: any.
    :ivar ports: of the receiver, first and last, of TCP and UDP; ``None``: all.
    :ivar remote: the other side's; or else ``group``, whose members it is one of.
    """

    direction: str
    family: int
    protocol: int | None
    ports: Ports | None
    remote: Network | None
    group: int | None = None


@dataclass(frozen=True)
class Group:
    """:ivar members: addresses of its NICs, on all nodes."""

    members: frozenset[Address]
    rules: frozenset[GroupRule]


NOBODY = Group(frozenset(), frozenset())


@dataclass(frozen=True)
class Packet:
    """
    The first one of a flow, seen from a NIC.

    :ivar remote: the other side. :ivar port: the receiver's; ``None``: its protocol has none.
    """

    direction: str
    protocol: int
    port: int | None
    remote: Address


def deciding_rule(packet: Packet, group_ids: Iterable[int], groups: Mapping[int, Group]) -> GroupRule | None:
    """One that lets it pass; ``None``: there is none. A group that is not known allows nothing, and has no members."""
    for group_id in group_ids:
        for rule in groups.get(group_id, NOBODY).rules:
            if _is_of(packet, rule, groups):
                return rule
    return None


def _is_of(packet: Packet, rule: GroupRule, groups: Mapping[int, Group]) -> bool:
    if rule.direction != packet.direction or rule.family != packet.remote.version:
        return False
    if rule.protocol is not None and rule.protocol != packet.protocol:
        return False
    if rule.ports is not None and (packet.port is None or not rule.ports[0] <= packet.port <= rule.ports[1]):
        return False
    if rule.remote is not None:
        return packet.remote in rule.remote
    return rule.group is not None and packet.remote in groups.get(rule.group, NOBODY).members


# ---- as read


def parse_groups(given: object, problems: list[str]) -> dict[int, Group]:
    """What is not understood is left out: it allows nothing."""
    found: dict[int, Group] = {}
    listed = given if isinstance(given, dict) else {}
    if not isinstance(given, dict) and given is not None:
        problems.append(f"groups {given!r:.200}: no groups")
    for key, entry in listed.items():
        try:
            group_id = int(key)
            rules = set()
            for told in entry.get("rules", []):
                try:
                    rules.add(_parse_rule(told))
                except (ValueError, TypeError, KeyError) as error:
                    problems.append(f"rule {told!r:.200} of group {group_id}: {error}")
            members = frozenset(_address(each) for each in entry.get("members", []))
            found[group_id] = Group(members, frozenset(rules))
        except (ValueError, TypeError, AttributeError) as error:
            problems.append(f"group {key!r:.50}: {error}")
    return found


def _address(given: object) -> Address:
    network = read_range(given)
    if network.num_addresses != 1:
        raise ValueError(f"{given!r} is not an address")
    return network.network_address


def _parse_rule(told: Mapping[str, Any]) -> GroupRule:
    direction, family, protocol, ports = told["direction"], told["family"], told["protocol"], told.get("ports")
    if direction not in (IN, OUT) or family not in (4, 6):
        raise ValueError("no direction and family")
    if protocol == "any":
        number = None
    elif isinstance(protocol, str):
        number = PROTOCOLS[protocol][family == 6]
    elif type(protocol) is int and 0 <= protocol <= 255:
        number = protocol
    else:
        raise ValueError(f"{protocol!r} is no protocol")
    if ports is not None:
        first, last = ports
        if type(first) is not int or type(last) is not int or not 0 <= first <= last <= 65535:
            raise ValueError("no ports")
        if number not in (TCP, UDP):
            raise ValueError("its protocol has no ports")
        ports = None if (first, last) == EVERY_PORT else (first, last)
    remote = None if told.get("remote") is None else read_range(told["remote"])
    group = told.get("group")
    if (remote is None) == (group is None) or remote is not None and remote.version != family:
        raise ValueError("neither a range of its family nor a group")
    return GroupRule(direction, family, number, ports, remote, None if group is None else int(group))


# ---- for the kernel


def pieces(rules: Iterable[tuple[Ports, Network]]) -> list[tuple[Ports, tuple[Network, ...]]]:
    """
    The same as ranges of ports that do not overlap, each with the networks of all rules on it, which do not either.

    Neighbours with the same networks are one piece.
    """
    given = list(rules)
    cuts = sorted({port for (first, last), _ in given for port in (first, last + 1)})
    at = {port: number for number, port in enumerate(cuts)}
    there: list[set[Network]] = [set() for _ in cuts]
    for (first, last), network in given:
        for number in range(at[first], at[last + 1]):
            there[number].add(network)
    found: list[tuple[Ports, tuple[Network, ...]]] = []
    for number, networks in enumerate(there):
        if not networks:
            continue
        merged: tuple[Network, ...] = tuple(_merged(networks))
        ports = (cuts[number], cuts[number + 1] - 1)
        if found and found[-1][1] == merged and found[-1][0][1] + 1 == ports[0]:
            found[-1] = ((found[-1][0][0], ports[1]), merged)
        else:
            found.append((ports, merged))
    return found


@dataclass(frozen=True)
class Lookups:
    """
    What a group says of one direction: sets, and the rules that ask them. A packet that passes returns from the chain
    that these are in.
    """

    sets: Mapping[str, Elements]
    rules: Sequence[str]


def members_set(group_id: int, family: int) -> str:
    return f"m{group_id}_{family}"


def lookups(group_id: int, group: Group, direction: str) -> Lookups:
    sets: dict[str, Elements] = {}
    asked: list[str] = []
    by_remote: dict[tuple[int, int | None], list[GroupRule]] = defaultdict(list)
    for rule in group.rules:
        if rule.direction == direction:
            by_remote[rule.family, rule.group].append(rule)
    for (family, remote), rules in sorted(by_remote.items(), key=lambda each: (each[0][0], each[0][1] or 0)):
        ip, type_ = ("ip", "ipv4_addr") if family == 4 else ("ip6", "ipv6_addr")
        side = f"{ip} {'saddr' if direction == IN else 'daddr'}"
        name = f"g{group_id}_{direction}{family}" + ("" if remote is None else f"_g{remote}")
        everything = (IPv4Network("0.0.0.0/0") if family == 4 else IPv6Network("::/0")) if remote is not None else None

        def network_of(rule: GroupRule, everything: Network | None = everything) -> Network:
            found = everything if everything is not None else rule.remote
            assert found is not None
            return found

        # What a protocol has on every port needs none of its ports.
        wide: dict[int | None, list[Network]] = defaultdict(list)
        for rule in rules:
            if rule.ports is None:
                wide[rule.protocol].append(network_of(rule))
        narrow: dict[int, list[tuple[Ports, Network]]] = defaultdict(list)
        for rule in rules:
            if rule.ports is not None and rule.protocol is not None:
                narrow[rule.protocol].append((rule.ports, network_of(rule)))
        if remote is None:
            keys = (side, f"{side} . meta l4proto", f"{side} . meta l4proto . th dport")
            types = (type_, f"{type_} . inet_proto", f"{type_} . inet_proto . inet_service")
        else:
            member = f"{side} @{members_set(remote, family)}"
            keys = ("", f"{member} meta l4proto", f"{member} meta l4proto . th dport")
            types = ("", "inet_proto", "inet_proto . inet_service")
        if any_protocol := _merged(wide.pop(None, [])):
            if remote is not None:
                asked.append(f"{side} @{members_set(remote, family)} return")
            else:
                sets[name] = Elements("set", f"type {types[0]}; flags interval;", frozenset(map(str, any_protocol)))
                asked.append(f"{keys[0]} @{name} return")
        by_protocol = {
            str(protocol) if remote is not None else f"{network} . {protocol}"
            for protocol, networks in wide.items() for network in _merged(networks)
        }
        if by_protocol:
            flags = "" if remote is not None else " flags interval;"
            sets[name + "_a"] = Elements("set", f"type {types[1]};{flags}", frozenset(by_protocol))
            asked.append(f"{keys[1]} @{name}_a return")
        by_port = {
            f"{protocol} . {_range(ports)}" if remote is not None else f"{network} . {protocol} . {_range(ports)}"
            for protocol, given in narrow.items() for ports, networks in pieces(given) for network in networks
        }
        if by_port:
            sets[name + "_p"] = Elements("set", f"type {types[2]}; flags interval;", frozenset(by_port))
            asked.append(f"{keys[2]} @{name}_p return")
    return Lookups(sets, asked)


def _merged(networks: Iterable[Network]) -> list[Network]:
    """:param networks: all of one family, which their type does not say."""
    return list(collapse_addresses(networks))  # type: ignore[type-var]


def _range(ports: Ports) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
