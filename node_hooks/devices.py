"""
The node's devices of its guests' networks: what is there, and the commands that lead from there to what is wanted.

Whatever is found is led to what is wanted, by difference: what is right already is not touched, so that a round may be
repeated at any time, and guests notice nothing.
"""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from typing import Any, Final

from node_hooks.command import CommandFailed, Run
from node_hooks.links import MARK_MASK, MARKS, NUMBER_MAX, Gateway, Link, is_own
from node_hooks.tunnel import GATEWAY_LINK, GATEWAY_MAC, METADATA, METADATA6, VXLAN_PORT

PROTOCOL: Final = "87"  # of our routes and rules, among those of /etc/iproute2/rt_protos nobody's
PREFERENCE: Final = "5700"  # of our rules, before the main table
LAST: Final = "4294967295"  # the metric that every other route goes before
_ROUTING: Final = (f"route show table all proto {PROTOCOL}", "rule show")
_DECODER: Final = json.JSONDecoder()
ALL: Final = "00:00:00:00:00:00"  # of the entry by which a VXLAN floods


@dataclass(frozen=True)
class Device:
    """:ivar told: of its kind, as ``ip -details`` tells it."""

    index: int
    kind: str
    mac: str
    mtu: int
    up: bool
    master: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """
    :ivar devices: bridges, VXLANs and VLANs by name.
    :ivar addresses: of bridges.
    :ivar peers: of VXLANs, to whom they flood; ``learned``: what they have learned, each as (MAC, peer).
    :ivar routes: of ours, each as (family, where to, table, through what); main has the table 0.
    :ivar rules: of ours, each as (family, mark).
    """

    devices: Mapping[str, Device]
    addresses: Mapping[str, frozenset[Gateway]]
    peers: Mapping[str, frozenset[str]]
    routes: frozenset[tuple[int, str, int, str]]
    rules: frozenset[tuple[int, int]]
    learned: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)


@dataclass
class Plan:
    """
    Lines for ``ip -batch -``, ``ip -6 -batch -`` and ``bridge -batch -``, each with the network that it is for.

    :ivar obstacles: by network, what keeps it from being made.
    """

    ip: list[tuple[str, str]] = field(default_factory=list)
    ip6: list[tuple[str, str]] = field(default_factory=list)
    bridge: list[tuple[str, str]] = field(default_factory=list)
    obstacles: dict[str, str] = field(default_factory=dict)


def look(run: Run, vlans: bool = True) -> Found:
    """
    :param vlans: whether there may be devices of VLANs.
    :raises CommandMissing, CommandFailed: it is not known.
    """
    kinds = {"bridge": "address show type bridge", "vxlan": "link show type vxlan", "vlan": "link show type vlan"}
    if not vlans:
        del kinds["vlan"]
    try:
        listed = answers_of(run, ["ip", "-details"], list(kinds.values()))
        routes4, rules4 = answers_of(run, ["ip", "-4"], _ROUTING)
        routes6, rules6 = answers_of(run, ["ip", "-6"], _ROUTING)
        devices = {
            each["ifname"]: Device(
                each["ifindex"], kind, each.get("address", ""), each["mtu"], "UP" in each["flags"],
                each.get("master", ""),
                {**each.get("linkinfo", {}).get("info_data", {}), "link": each.get("link", "")},
            )
            for kind, found in zip(kinds, listed, strict=True) for each in found
        }  # fmt: skip
        addresses = {
            each["ifname"]: frozenset(
                ip_interface(f"{address['local']}/{address['prefixlen']}") for address in each.get("addr_info", [])
            )
            for each in listed[0]
        }
        peers: dict[str, set[str]] = {}
        learned: dict[str, set[tuple[str, str]]] = {}
        if any(device.kind == "vxlan" for device in devices.values()):
            [entries] = answers_of(run, ["bridge"], ["fdb show"])
            for each in entries:
                if "dst" in each and each["mac"] == ALL:
                    peers.setdefault(each.get("ifname", ""), set()).add(each["dst"])
                elif "dst" in each:
                    learned.setdefault(each.get("ifname", ""), set()).add((each["mac"], each["dst"]))
        routes = {
            (family, each["dst"], _table(each.get("table", "main")), device_of(each))
            for family, found in ((4, routes4), (6, routes6)) for each in found
        }  # fmt: skip
        rules = {
            (family, _whole(each.get("fwmark", "0")))
            for family, found in ((4, rules4), (6, rules6)) for each in found if str(each.get("priority")) == PREFERENCE
        }  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandFailed(f"what ip and bridge tell is not understood: {error!r}") from None
    return Found(
        devices=devices,
        addresses=addresses,
        peers={name: frozenset(each) for name, each in peers.items()},
        routes=frozenset(routes),
        rules=frozenset((family, mark) for family, mark in rules if MARKS < mark <= MARKS + NUMBER_MAX),
        learned={name: frozenset(each) for name, each in learned.items()},
    )


def ports(bridge: str, root: Path = Path("/")) -> list[str]:
    """What is on it; nothing where it is not there."""
    try:
        return os.listdir(root / "sys/class/net" / bridge / "brif")
    except OSError:
        return []


def plan(links: Sequence[Link], found: Found, kept: Collection[int]) -> Plan:
    """
    :param kept: numbers of networks that are not wanted and stay as they are all the same.
    """
    made = Plan()
    wanted: set[str] = set()
    for link in links:
        _plan_link(link, found, made)
        wanted.update((link.name, link.tunnel if link.vni is not None else "", link.vlan_device if link.vlan else ""))
    _plan_routes(links, found, kept, made)
    for name in sorted(found.devices, reverse=True):  # a tunnel before its bridge
        if is_own(name) and name not in wanted and int(name[2:]) not in kept:
            made.ip.append((name, f"link delete dev {name}"))
    return made


def _plan_link(link: Link, found: Found, made: Plan) -> None:
    def ip(line: str) -> None:
        made.ip.append((link.name, line))

    bridge = found.devices.get(link.bridge)
    if not link.own:
        if bridge is None or bridge.kind != "bridge":
            made.obstacles[link.name] = f"there is no bridge {link.bridge} on this node"
            return
    elif bridge is None:
        ip(f"link add name {link.bridge} address {GATEWAY_MAC} mtu {link.mtu}"
           " type bridge forward_delay 0 mcast_snooping 0 no_linklocal_learn 1")
        ip(f"link set dev {link.bridge} addrgenmode none")
    elif bridge.kind != "bridge":
        made.obstacles[link.name] = f"{link.bridge} is no bridge"
        return
    else:
        if bridge.mac != GATEWAY_MAC:
            ip(f"link set dev {link.bridge} address {GATEWAY_MAC}")
        if not bridge.told.get("no_linklocal_learn"):
            ip(f"link set dev {link.bridge} type bridge no_linklocal_learn 1")
        if bridge.mtu != link.mtu:
            ip(f"link set dev {link.bridge} mtu {link.mtu}")
    if link.own:
        _plan_tunnel(link, found, made)
        _plan_uplink(link, found, made)
        if bridge is None or not bridge.up:
            ip(f"link set dev {link.bridge} up")
    here = found.addresses.get(link.bridge, frozenset())
    right = wanted_addresses(link)
    for address in sorted(right - here, key=str):
        ip(f"address add {address} dev {link.bridge}" + (" nodad" if address.version == 6 else ""))
    if link.own:
        for address in sorted(here - right, key=str):
            ip(f"address delete {address} dev {link.bridge}")


def wanted_addresses(link: Link) -> frozenset[Gateway]:
    own: set[Gateway] = set(link.gateways)
    if link.gateway(4) is not None and link.metadata:
        own.add(IPv4Interface(METADATA))
    if link.gateway(6) is not None:
        own.add(IPv6Interface(f"{GATEWAY_LINK}/64"))
        if link.metadata:
            own.add(IPv6Interface(METADATA6))
    return frozenset(own)


def _plan_tunnel(link: Link, found: Found, made: Plan) -> None:
    name = link.tunnel
    device = found.devices.get(name)
    if link.vni is None:
        return
    peers = found.peers.get(name, frozenset())
    if device is not None:
        told = device.told
        known = (told.get("id"), told.get("local", told.get("local6")), told.get("port"))
        if device.kind != "vxlan" or known != (link.vni, link.local, VXLAN_PORT):
            made.ip.append((link.name, f"link delete dev {name}"))
            device, peers = None, frozenset()
    if device is None:
        made.ip.append((link.name, f"link add name {name} mtu {link.mtu} type vxlan id {link.vni} local {link.local}"
                                   f" dstport {VXLAN_PORT}"))
        made.ip.append((link.name, f"link set dev {name} addrgenmode none"))
    elif device.mtu != link.mtu:
        made.ip.append((link.name, f"link set dev {name} mtu {link.mtu}"))
    if device is None or device.master != link.bridge or not device.up:
        made.ip.append((link.name, f"link set dev {name} master {link.bridge} up"))
    for peer in link.peers:
        if peer not in peers:
            made.bridge.append((link.name, f"fdb append {ALL} dev {name} dst {peer}"))
    for peer in sorted(peers - set(link.peers)):
        made.bridge.append((link.name, f"fdb del {ALL} dev {name} dst {peer}"))
        for mac, behind in sorted(found.learned.get(name, ())):
            if behind == peer:
                made.bridge.append((link.name, f"fdb del {mac} dev {name} dst {peer}"))


def _plan_uplink(link: Link, found: Found, made: Plan) -> None:
    """By a VLAN of the uplink; the whole of it may be what the node itself is reached by."""
    if not link.uplink:
        return
    if link.vlan is None:
        made.obstacles[link.name] = f"a network on the whole of {link.uplink} needs a bridge of the node's there"
        return
    name = link.vlan_device
    device = found.devices.get(name)
    if device is not None and (device.told.get("link"), device.told.get("id")) != (link.uplink, link.vlan):
        made.ip.append((link.name, f"link delete dev {name}"))
        device = None
    if device is None:
        made.ip.append((link.name, f"link add link {link.uplink} name {name} type vlan id {link.vlan}"))
        made.ip.append((link.name, f"link set dev {name} addrgenmode none"))
    if device is None or device.master != link.bridge or not device.up:
        made.ip.append((link.name, f"link set dev {name} master {link.bridge} up"))


def _plan_routes(links: Sequence[Link], found: Found, kept: Collection[int], made: Plan) -> None:
    """
    Of each network a table of its own, and a rule that leads there what is marked. Where the bridge is gone, and its
    route with it, what is for guests is unreachable: else it would leave by the node's way out.
    """
    right: dict[tuple[int, str, int, str], str] = {}
    rules: dict[tuple[int, int], str] = {}
    bridges = {link.bridge for link in links}
    for link in links:
        for gateway in link.gateways:
            family = gateway.version
            network = str(gateway.network)
            right[family, network, link.mark, link.bridge] = link.name
            right[family, "default", link.mark, ""] = link.name
            right[family, network, 0, ""] = link.name
            rules[family, link.mark] = link.name
    for family, lines in ((4, made.ip), (6, made.ip6)):
        for (version, mark), name in sorted(rules.items()):
            if version == family and (version, mark) not in found.rules:
                lines.append((name, f"rule add {_rule(mark)} protocol {PROTOCOL}"))
        for version, mark in sorted(found.rules - rules.keys()):
            if version == family and mark - MARKS not in kept:
                lines.append(("", f"rule delete {_rule(mark)}"))
        for route, name in sorted(right.items()):
            # Its route goes with a bridge, also with one that is made anew before anybody looked.
            if route[0] == family and (route not in found.routes or route[3] and route[3] not in found.devices):
                lines.append((name, f"route replace {_route(route)}"))
        for route in sorted(found.routes - right.keys()):
            if route[0] != family or is_own(route[3]) and route[3] not in bridges:
                continue  # it goes with its bridge
            if route[2] - MARKS not in kept if route[2] else not kept:
                lines.append(("", f"route delete {_route(route)}"))


def _rule(mark: int) -> str:
    return f"fwmark {mark:#x}/{MARK_MASK:#x} lookup {mark} pref {PREFERENCE}"


def _route(route: tuple[int, str, int, str]) -> str:
    _, network, table, device = route
    where = f" table {table}" if table else ""
    if device:
        return f"{network} dev {device}{where} protocol {PROTOCOL}"
    return f"unreachable {network} metric {LAST}{where} protocol {PROTOCOL}"


def answers_of(run: Run, program: Sequence[str], questions: Sequence[str]) -> list[list[dict[str, Any]]]:
    """What is answered to each, by one process: starting one takes longer than most answers."""
    told = run([*program, "-json", "-batch", "-"], "".join(f"{question}\n" for question in questions)).strip()
    answers = []
    while told:
        answer, end = _DECODER.raw_decode(told)
        if not isinstance(answer, list):
            raise TypeError("no list")
        answers.append([each for each in answer if each])  # what was filtered out is {}
        told = told[end:].lstrip()
    if len(answers) != len(questions):
        raise ValueError(f"{len(answers)} answers to {len(questions)} questions")
    return answers


def _table(told: object) -> int:
    return 0 if told == "main" else _whole(told)


def device_of(route: Mapping[str, Any]) -> str:
    """Of IPv6 also what is unreachable has one, lo."""
    return "" if route.get("type") == "unreachable" else str(route.get("dev", ""))


def _whole(told: object) -> int:
    return int(str(told), 0)
