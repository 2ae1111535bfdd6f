"""Public addresses: the document, the table, the announcement and what ends, without a kernel."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Interface, IPv4Network, ip_address
from pathlib import Path
from typing import Any

import pytest

from node_hooks.announce import frames
from node_hooks.answering import Answering
from node_hooks.command import CommandFailed
from node_hooks.document import PUBLIC, parse_document, without_public
from node_hooks.firewall import NodeNic
from node_hooks.flows import Flow
from node_hooks.groups import NOBODY
from node_hooks.guard import Guarded, guard
from node_hooks.nft import change
from node_hooks.problem import Complaints
from node_hooks.public import Public, parse_public
from node_hooks.reading import Address
from node_hooks.tables import RECHECK_S, RETRY_S, Tables
from node_hooks.translation import INSIDE, bridged_zones, translation
from node_hooks.withdrawn import unwanted

ADDRESS = {"address": "203.0.113.7", "guest": "10.130.0.5", "bridge": "wn7", "uplink": None, "id": 5}
PORT = {"address": "203.0.113.9", "protocol": "tcp", "port": 20022, "guest": "10.130.0.5", "guest_port": 22,
        "bridge": "wn7", "uplink": "eth1", "id": 12}  # fmt: skip
LINK = {"name": "wn7", "kind": "vxlan", "bridge": "wn7", "vni": 4103, "local": "10.77.0.11", "peers": [], "mtu": 1450,
        "uplink": None, "vlan": None, "gateways": ["10.130.0.1/24"], "masquerade": True, "dhcp": False, "domain": "",
        "dns": [], "metadata": False}  # fmt: skip
MAC = bytes.fromhex("020000000007")


def read(*addresses: dict[str, Any], ports: Sequence[dict[str, Any]] = ()) -> Public:
    problems: list[str] = []
    found = parse_public({"addresses": list(addresses), "ports": list(ports)}, problems)
    assert problems == [] and found is not None
    return found


def test_read() -> None:
    """Both lists are read as they are told; without the section nothing is known, and nothing is to change."""
    found = read(ADDRESS, ports=[PORT])
    assert {str(each): uplink for each, uplink in found.uplinks.items()} == {"203.0.113.7": "", "203.0.113.9": "eth1"}
    assert found.addresses[0].mark == 0x17000007 and found.ports[0].guest_port == 22
    assert parse_public(None, []) is None


@pytest.mark.parametrize("change_", [
    {"address": "x"}, {"address": "2001:db8::7"}, {"address": "127.0.0.1"}, {"address": "224.0.0.1"},
    {"address": "203.0.113.7\n"}, {"address": None}, {"guest": "fe80::1%a } }"}, {"bridge": "br0"}, {"bridge": "wn0"},
    {"bridge": "wn99999999"}, {"bridge": 'wn7"'}, {"uplink": "eth0 up"}, {"uplink": 5}, {"protocol": "icmp"},
    {"port": 0}, {"port": 65536}, {"port": "22"}, {"port": True}, {"guest_port": None},
])  # fmt: skip
def test_bad(change_: dict[str, Any]) -> None:
    """What makes no sense, or would be more than a name in a table or a command, is told and not answered for."""
    problems: list[str] = []
    found = parse_public({"addresses": [], "ports": [PORT | change_, PORT | {"port": 1}]}, problems)
    assert found is not None and [each.port for each in found.ports] == [1] and len(problems) == 1


def test_zone() -> None:
    """An address with a zone, which may be any text, is told and gets into no table, whatever it is of."""
    zoned = "fe80::1%x; } flush ruleset"
    nic = {"tap": "wvn70", "mac": "02:00:00:00:00:07", "bridge": "wn7", "addresses": [zoned]}
    rule = {"direction": "in", "family": 6, "protocol": "any", "remote": zoned}
    parsed = parse_document({
        "version": "1", "networks": [], "nics": [nic], "groups": {"1": {"rules": [rule]}, "2": {"members": [zoned]}},
        "public": {"reachable": [zoned]},
    })  # fmt: skip
    assert parsed.nics == () and parsed.public == Public() and parsed.groups == {1: NOBODY}
    assert len(parsed.problems) == 4


def test_twice() -> None:
    """An address is one guest's, or its ports are; a port is one guest's."""
    problems: list[str] = []
    other = PORT | {"address": ADDRESS["address"]}
    found = parse_public({"addresses": [ADDRESS, ADDRESS], "ports": [PORT, PORT, other]}, problems)
    assert found is not None and (len(found.addresses), len(found.ports), len(problems)) == (1, 1, 3)
    assert parse_public([], problems) == Public() and len(problems) == 4


def test_document() -> None:
    """The section is read, and what was kept is not answered for before the manager confirmed it."""
    sections = {name: {"version": "1", "content": {}} for name in ("firewall", "settings", "screens", "consoles")}
    sections["networks"] = {"version": "1", "content": {"networks": []}}
    sections[PUBLIC] = {"version": "5", "content": {"addresses": [ADDRESS], "ports": [{}]}}
    parsed = parse_document({"format": 2, "version": "2-x", "sections": sections})
    assert parsed.public == read(ADDRESS) and PUBLIC in parsed.misread
    kept = without_public(parsed)
    assert kept.public is None and PUBLIC not in kept.misread and kept.sections == parsed.sections


def test_table() -> None:
    """Another guest's address changes elements alone, so that no packet finds half a table."""
    before, after = translation(read(ADDRESS)), translation(read(ADDRESS, ADDRESS | {"address": "203.0.113.8"}))
    text = change(before, after)
    assert text is not None and "chain" not in text and "add element inet wawel_public guests4" in text
    assert "203.0.113.8 : 10.130.0.5" in text and "sources4" not in text  # a guest with two leaves by the first
    assert change(after, after) == ""


def test_bridged() -> None:
    """Where bridges follow flows the same zones are chosen there, by the taps of those guests alone."""
    nics = [NodeNic(f"wvn{number}", "", (ip_address(address),), bridge) for number, (bridge, address) in enumerate((
        ("wn7", "10.130.0.5"), ("wn8", "10.130.0.5"), ("wn7", "10.130.0.6")))]  # fmt: skip
    bridged = bridged_zones(translation(read(ADDRESS, ports=[PORT])), nics)
    assert bridged.sets["own4"].content == {'"wvn0" . 10.130.0.5'}
    assert bridged.sets["port_own4"].content == {'"wvn0" . 10.130.0.5 . tcp . 22'}
    assert bridged.sets["bridges"].content == {'"wvn0" : 8', '"wvn1" : 9', '"wvn2" : 8'}
    assert bridged.sets["zones4"].content == {"203.0.113.7 : 8"}
    named = re.findall("@([a-z_]+[46s])", " ".join(line for lines in bridged.chains.values() for line in lines))
    assert set(named) == set(bridged.sets) and "wn*" not in bridged.whole


def test_guard() -> None:
    """Guests go to public addresses, of this node and of others, where else nobody of the node's link is reached."""
    gateway = IPv4Interface("10.130.0.1/24")
    guarded = Guarded([("wn7", gateway, False)], [], management=[IPv4Network("203.0.113.0/24")])
    assert "wawel-out" not in guard(guarded)
    text = guard(Guarded(guarded.bridges, [], guarded.management, public=True,
                         public_elsewhere=[IPv4Network("203.0.113.20/32")]))  # fmt: skip
    accepted = [text.index(each) for each in ('oifname "wawel-out" accept', "ip daddr { 203.0.113.20/32 } accept")]
    assert max(accepted) < text.index("203.0.113.0/24")


def test_frames() -> None:
    """Gratuitous ARP as a request and as an answer; an advertisement that overrides, with a checksum that is right."""
    request, answer = frames(MAC, ip_address("203.0.113.7"))
    four = ip_address("203.0.113.7").packed
    assert request[20:] == b"\0\1" + MAC + four + bytes(6) + four and answer[20:] == b"\0\2" + (MAC + four) * 2
    assert all(each[:14] == b"\xff" * 6 + MAC + b"\x08\x06" for each in (request, answer))
    [told] = frames(MAC, ip_address("2001:db8::7"))
    packet = told[14:]
    whole = packet[8:40] + len(packet[40:]).to_bytes(4, "big") + (58).to_bytes(4, "big") + packet[40:]
    total = sum(int.from_bytes(whole[at : at + 2], "big") for at in range(0, len(whole), 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF and packet[40] == 136 and packet[44] == 0x20 and packet[7] == 255


def flow(sender: str, receiver: str, asked: str, answered: str, zone: int = 8, port: int = 22) -> Flow:
    ends = (ip_address(asked), port), (ip_address(answered), 40_000)
    return Flow(ip_address(sender), ip_address(receiver), 6, port, zone, asked=ends[0], answered=ends[1])


OUT = "198.51.100.9"


def test_unwanted() -> None:
    """What ends when an address is taken back, or given to another; what is by others goes on."""
    own, other = read(ADDRESS), read(ADDRESS | {"guest": "10.130.0.6"})
    came, left = flow(OUT, "10.130.0.5", "203.0.113.7", OUT), flow("10.130.0.5", OUT, OUT, "203.0.113.7")
    for each in (came, left):
        assert not unwanted(own, own, ())(each)
        assert unwanted(own, Public(), ())(each) and unwanted(own, other, ())(each)
        assert unwanted(Public(), Public(), [ip_address("203.0.113.7")])(each)  # left by an agent before
        assert not unwanted(Public(), Public(), ())(each)
    moved = read(ADDRESS | {"bridge": "wn8"})
    assert unwanted(own, moved, ())(came)                                 # another's, who has the same address
    stranger = flow("10.130.0.5", OUT, OUT, "192.0.2.1")
    assert not unwanted(own, Public(), ())(stranger) and not unwanted(own, Public(), ())(Flow(*stranger_parts()))
    through = flow("10.130.0.9", "203.0.113.7", "203.0.113.7", str(INSIDE[4]), 0)
    assert not unwanted(own, own, ())(through) and unwanted(own, Public(), ())(through)
    seen = flow(str(INSIDE[4]), "10.130.0.5", "203.0.113.7", "203.0.113.7")
    assert not unwanted(own, own, ())(seen)
    port = read(ports=[PORT])
    ported = flow(OUT, "10.130.0.5", "203.0.113.9", OUT, port=20022)
    assert not unwanted(port, port, ())(ported) and unwanted(port, read(ports=[PORT | {"port": 20023}]), ())(ported)


def stranger_parts() -> tuple[Any, ...]:
    return ip_address(OUT), ip_address("10.130.0.5"), 1, None, 0


class World:
    """Commands of one node whose default route is by eth0, and which has eth1's network on the link."""

    def __init__(self, tmp_path: Path) -> None:
        self.lines: list[str] = []
        self.told: list[tuple[str, list[str]]] = []
        self.interfaces = {"eth0": 2, "eth1": 3}
        self.proxies: list[dict[str, Any]] = []
        self.broken = False  # ip fails
        self.now = 1000.0
        self.complaints = Complaints()
        for each in ("eth0", "eth1", "wawel-out", "wawel-in"):
            (tmp_path / "ipv4/conf" / each).mkdir(parents=True)
            (tmp_path / "ipv4/neigh" / each).mkdir(parents=True)
            for name in ("conf/{}/rp_filter", "conf/{}/send_redirects", "conf/{}/forwarding", "neigh/{}/proxy_delay"):
                (tmp_path / "ipv4" / name.format(each)).write_text("80\n")
        self.answering = Answering(
            self.run, self.interfaces.get, lambda: self.now, self.complaints,
            Tables(self.run, lambda: self.now, self.complaints), tmp_path, self.tell, self.end,
        )

    def tell(self, uplink: str, addresses: Iterable[Address]) -> None:
        self.told.append((uplink, [str(each) for each in addresses]))

    def end(self, unwanted_: Callable[[Flow], bool]) -> int:
        self.lines.append("ended")
        return 0

    def run(self, arguments: Sequence[str], text: str) -> str:
        if self.broken and arguments[0] == "ip":
            raise CommandFailed("no such file")
        if "-json" in arguments:
            routes = [{"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
                      {"dst": "203.0.113.0/26", "dev": "eth1", "scope": "link"}]  # fmt: skip
            known = {"neigh show proxy": self.proxies, "route show table main": routes}
            return "\n".join(json.dumps(known.get(line, []) if "-4" in arguments else [])
                             for line in text.splitlines())  # fmt: skip
        if arguments[0] == "nft":
            self.lines += ["nft"] if "-f" in arguments else []
        for line in text.splitlines() if arguments[0] == "ip" else []:
            self.lines.append(line)
            if line.startswith("link add"):
                self.interfaces |= {"wawel-out": 10, "wawel-in": 11}
            if line.startswith("neigh add proxy"):
                self.proxies.append({"dst": line.split()[3], "dev": line.split()[5]})
        return ""

    def converge(
        self, *addresses: dict[str, Any], own: Sequence[str] = (), reachable: Sequence[str] = (),
        coming: Sequence[dict[str, Any]] = (),
    ) -> list[str]:  # fmt: skip
        self.lines.clear()
        told = {"version": "1", "networks": [], "hook_version": "", "links": [LINK],
                "public": {"addresses": list(addresses), "ports": [], "reachable": list(reachable),
                           "coming": {"addresses": list(coming)}}}  # fmt: skip
        return sorted(map(str, self.answering.converge(parse_document(told), [ip_address(each) for each in own])))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_order(world: World) -> None:
    """Translation, way, answers, announcement, in this order; announced twice; then a round does nothing."""
    assert world.converge() == [] and "link add" not in " ".join(world.lines)
    beyond = ADDRESS | {"address": "203.0.113.200"}
    assert world.converge(ADDRESS, beyond) == ["203.0.113.200", "203.0.113.7"]
    lines = world.lines
    order = [next(at for at, line in enumerate(lines) if line.startswith(each)) for each in (
        "nft", "route replace unreachable 203.0.113.7", "route replace 203.0.113.7 dev wawel-out", "neigh add proxy",
    )]  # fmt: skip
    assert order == sorted(order)
    assert "neigh add proxy 203.0.113.7 dev eth1" in lines and "neigh add proxy 203.0.113.200 dev eth0" in lines
    world.converge(ADDRESS, beyond)
    assert sorted(world.told) == [("eth0", ["203.0.113.200"])] * 2 + [("eth1", ["203.0.113.7"])] * 2
    world.converge(ADDRESS, beyond)
    assert len(world.told) == 4 and world.lines == []
    world.now += RECHECK_S
    assert world.converge(ADDRESS, beyond) and not any(each.startswith("neigh") for each in world.lines)


def test_coming(world: World) -> None:
    """Of a guest on its way the translation is there before it, and nothing answers; then all but that is done."""
    assert world.converge(coming=[ADDRESS]) == [] and set(world.lines) == {"nft"} and world.told == []
    assert list(map(str, world.answering.coming)) == ["203.0.113.7"]
    assert world.converge(ADDRESS) == ["203.0.113.7"] and world.answering.coming == frozenset()
    assert "nft" not in world.lines and "neigh add proxy 203.0.113.7 dev eth1" in world.lines
    assert world.converge(coming=[ADDRESS]) == [], "given up on the way back"
    assert world.converge(coming=[ADDRESS | {"bridge": "wn8"}]) == [] and world.answering.coming == frozenset()
    assert not world.complaints.all()


def test_coming_to_another() -> None:
    """What the node answers for already is nobody's on the way."""
    problems: list[str] = []
    found = parse_public({"addresses": [ADDRESS], "coming": {"addresses": [ADDRESS], "ports": [PORT]}}, problems)
    assert found is not None and found.coming == () and len(found.coming_ports) == 1 and len(problems) == 1


def test_uplink(world: World) -> None:
    """An uplink that is named is taken; one that is not there is told, and comes back with the interface."""
    named = ADDRESS | {"uplink": "eth0"}
    assert world.converge(named) == ["203.0.113.7"] and "neigh add proxy 203.0.113.7 dev eth0" in world.lines
    del world.interfaces["eth1"]
    assert world.converge(ADDRESS) == []
    assert [each.code for each in world.complaints.all()] == ["public_failed"]
    world.interfaces["eth1"] = 7
    world.now += RECHECK_S
    assert world.converge(ADDRESS) == ["203.0.113.7"] and world.complaints.all() == ()


def test_strange(world: World) -> None:
    """A public address that the node answers for by somebody else's doing, or has itself, is told while it is so."""
    reachable = ["203.0.113.0/26"]

    def told() -> list[tuple[str, str]]:
        return [(each.subject, each.text) for each in world.complaints.differences(world.now)]

    world.proxies.append({"dst": "203.0.113.9", "dev": "eth1"})
    world.proxies.append({"dst": "192.0.2.9", "dev": "eth1"})  # none of ours
    assert world.converge() == [] and told() == []
    world.now += RECHECK_S
    world.converge(own=["203.0.113.10", "192.0.2.1"], reachable=reachable)
    assert told() == [("203.0.113.10", "an address of the node's own"),
                      ("203.0.113.9", "answered for on eth1 by an entry that is not the agent's")]  # fmt: skip
    world.proxies.clear()
    for _ in range(2):
        world.now += RECHECK_S
        world.converge(reachable=reachable)
    assert told() == []


def test_told_while_it_is(world: World) -> None:
    """What keeps all of them from being answered for is told in every round, until it is over."""
    world.broken = True
    for _ in range(2):
        assert world.converge(ADDRESS) == []
        assert [each.subject for each in world.complaints.all()] == ["public addresses"]
    world.broken = False
    world.now += RETRY_S
    assert world.converge(ADDRESS) == ["203.0.113.7"] and world.complaints.all() == ()


def test_own(world: World) -> None:
    """What is the node's own, or of a network that is not here, is not answered for, nor translated; then forgotten."""
    assert world.converge(ADDRESS, own=["203.0.113.7"]) == []
    assert world.converge(ADDRESS | {"bridge": "wn8"}) == [] and "neigh" not in " ".join(world.lines)
    assert len(world.complaints.all()) == 1
    assert world.converge() == [] and world.complaints.all() == ()
