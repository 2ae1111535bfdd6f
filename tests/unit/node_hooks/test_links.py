"""Networks that nodes make: the document, the texts that follow, the commands of a round, without a kernel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_hooks.command import CommandFailed, CommandMissing
from node_hooks.devices import Device, Found, look, plan
from node_hooks.dhcp import configuration, leases, names, options, outdated, reverse_zones
from node_hooks.difference import PUT_RIGHT_S
from node_hooks.document import HOSTS, LINKS, parse_document
from node_hooks.guard import Guarded, guard
from node_hooks.links import Host, Link, describe, parse_hosts, parse_links
from node_hooks.problem import Complaints
from node_hooks.segments import LATE_S, PROBES_S, Segments
from node_hooks.tables import RECHECK_S, RETRY_S, Tables
from node_hooks.tunnel import GATEWAY_LINK, dns_port, routes, slots, tunnel

TOLD: dict[str, Any] = {
    "name": "wn7", "kind": "vxlan", "bridge": "wn7", "vni": 4103, "local": "10.77.0.11",
    "peers": ["10.77.0.13", "10.77.0.12", "10.77.0.11"], "mtu": 1450, "uplink": None, "vlan": None,
    "gateways": ["10.130.0.1/24", "fd12:3456::1/64"], "masquerade": True, "dhcp": True, "domain": "lab.ada.wawel",
    "dns": ["9.9.9.9"], "metadata": True,
}  # fmt: skip
HOST = {"mac": "02:58:00:00:00:05", "addresses": ["10.130.0.5", "fd12:3456::5"], "name": "web"}
NOTHING = Found({}, {}, {}, frozenset(), frozenset())


def read(**changes: Any) -> Link:
    problems: list[str] = []
    found = parse_links([TOLD | changes], problems)
    assert problems == [] and found is not None
    return found[0]


def of(number: int, **changes: Any) -> dict[str, Any]:
    return {**TOLD, "name": f"wn{number}", "bridge": f"wn{number}", "vni": 4096 + number, **changes}


def hosts(*told: dict[str, Any]) -> tuple[Host, ...]:
    found = parse_hosts({"wn7": list(told)}, [])
    assert found is not None
    return found["wn7"]


def test_link() -> None:
    """A network is read as it is told; a peer that is this node is none. Without the section nothing is known."""
    link = read()
    assert (link.number, link.tunnel, link.own, link.peers) == (7, "wx7", True, ("10.77.0.12", "10.77.0.13"))
    assert str(link.gateway(4)) == "10.130.0.1/24" and str(link.gateway(6)) == "fd12:3456::1/64"
    assert parse_links(None, []) is None and parse_hosts(None, []) is None
    assert parse_links([json.loads(json.dumps(describe(link)))], []) == (link,)
    plain = read(kind="bridge", bridge="br0", uplink="br0", vni=None, local=None, peers=[], gateways=[])
    assert not plain.own and plain.vni is None and not plain.dhcp and not plain.metadata


@pytest.mark.parametrize("change", [
    {"name": "wn0"}, {"name": "wn07"}, {"name": "br7"}, {"name": "wn7\n"}, {"name": "wn99999999"}, {"name": None},
    {"bridge": "wn8"}, {"bridge": "wv7"}, {"bridge": 'a"b'}, {"kind": "gre"}, {"vni": 0}, {"vni": 1 << 24},
    {"vni": True},
    {"local": "10.77.0"}, {"local": None}, {"local": "fe80::1%eth0"}, {"peers": ["fd00::1"]}, {"peers": ["224.0.0.1"]},
    {"mtu": 100}, {"mtu": "1450"}, {"gateways": ["10.130.0.1/31"]}, {"gateways": ["10.0.0.1/8"]},
    {"gateways": ["10.130.0.1/24", "10.131.0.1/24"]}, {"gateways": ["10.130.0.1/24", "fd12::1/56"]},
    {"gateways": ["fd12::1/64"]}, {"gateways": ["127.0.0.1/24"]}, {"domain": "a b"}, {"domain": "a\nserver=1.1.1.1"},
    {"domain": "x" * 64}, {"dns": ["dns.example"]}, {"dns": ["fe80::1%\nconf-file=/etc/shadow"]},
    {"kind": "bridge", "vlan": 5}, {"kind": "bridge", "uplink": "eth1", "vlan": 4095},
    {"kind": "bridge", "uplink": "eth 1"}, {"kind": "bridge", "uplink": "wn8"}, {"domain": 5},
])  # fmt: skip
def test_bad_link(change: dict[str, Any]) -> None:
    """What makes no sense, or would be more than a name in a file or a command, is told and left out."""
    problems: list[str] = []
    found = parse_links([TOLD | change, of(8)], problems)
    assert found is not None and [each.name for each in found] == ["wn8"] and len(problems) == 1
    assert len(parse_links([TOLD, TOLD, of(9, vni=4103)], problems) or ()) == 1


@pytest.mark.parametrize("name", ["a b", "-a", "a.b", "x" * 64, "ü", "a\nb", "a,b", "a#", 5, ["a"], "Web"])
def test_bad_name(name: object) -> None:
    """A host whose name is none of DNS's has its addresses all the same."""
    problems: list[str] = []
    found = parse_hosts({"wn7": [HOST | {"name": name}]}, problems)
    assert found is not None and found["wn7"][0].name == "" and len(problems) == 1
    assert names(found["wn7"], "lab") == "" and leases(found["wn7"]).startswith("02:58:00:00:00:05,10.130.0.5,")


@pytest.mark.parametrize("change", [
    {"mac": "02:58"}, {"mac": None}, {"addresses": ["x"]}, {"addresses": None}, {"addresses": ["fe80::1%a,b"]},
])  # fmt: skip
def test_bad_host(change: dict[str, Any]) -> None:
    """One that makes no sense, or has what is another's, is left out: no dnsmasq would take it."""
    problems: list[str] = []
    found = parse_hosts({"wn7": [HOST | change, HOST, HOST | {"mac": "02:58:00:00:00:06"}], "br0": []}, problems)
    assert found is not None and [each.mac for each in found["wn7"]] == [HOST["mac"]] and len(problems) == 3
    assert parse_hosts([], problems) == {}


def test_document() -> None:
    """Sections of a manager that knows such networks; what is not understood names its section."""
    flat = {"version": "1", "networks": [], "hook_version": ""}
    assert parse_document(flat).links is None
    parsed = parse_document({**flat, "links": [TOLD], "hosts": {"wn7": [HOST]}})
    assert parsed.links == (read(),) and parsed.hosts == {"wn7": hosts(HOST)} and parsed.misread == frozenset()
    parsed = parse_document({**flat, "links": [TOLD | {"vni": "x"}], "hosts": {"wn7": [{}]}})
    assert parsed.links == () and parsed.misread == {LINKS, HOSTS}


def test_configuration() -> None:
    """What dnsmasq is told: one bridge, both families, the port of its own, and nothing from outside its files."""
    lines = configuration(read(), 8, 5, Path("/run/x/wn7"), "dnsmasq").splitlines()
    for line in (
        "interface=wn7", "bind-interfaces", "port=20008", "no-hosts", "no-ping", "leasefile-ro", "no-resolv",
        "server=9.9.9.9", "domain=lab.ada.wawel", "local=/lab.ada.wawel/", "local=/0.130.10.in-addr.arpa/",
        "dhcp-range=10.130.0.0,static,255.255.255.0,1h", "dhcp-option=option:mtu,1450",
        "ra-param=wn7,mtu:1450,high,30,300",
        "dhcp-option=option:classless-static-route,169.254.169.254/32,10.130.0.1,0.0.0.0/0,10.130.0.1",
        "dhcp-range=fd12:3456::,static,64,10m", "dhcp-option=option6:dns-server,[fd12:3456::1]",
    ):  # fmt: skip
        assert line in lines
    alone = configuration(read(gateways=["10.130.0.1/24"], dns=[], domain="", metadata=False), 8, 5, Path("/r"), "")
    assert "enable-ra" not in alone and "no-resolv" not in alone and "169.254" not in alone and "domain=" not in alone
    assert configuration(read(), 8, 6, Path("/run/x/wn7"), "dnsmasq").splitlines() != lines


def test_hosts_files() -> None:
    """Names with the domain first, which is what is told of an address; IPv6 in brackets for DHCP."""
    told = hosts(HOST, {"mac": "02:58:00:00:00:06", "addresses": ["10.130.0.6"], "name": ""})
    assert leases(told) == "02:58:00:00:00:05,10.130.0.5,[fd12:3456::5],web\n02:58:00:00:00:06,10.130.0.6\n"
    assert names(told, "lab") == "10.130.0.5 web.lab web\nfd12:3456::5 web.lab web\n"


def test_servers_of_its_own() -> None:
    """A host asks whom it is told to, by both families or none; another's lease is not ended by that."""
    plain, told = hosts(HOST), hosts(HOST | {"dns": ["9.9.9.10", "2620:fe::10", "1.1.1.1"]})
    tag = "nic025800000005"
    assert leases(told) == f"02:58:00:00:00:05,set:{tag},10.130.0.5,[fd12:3456::5],web\n"
    assert options(plain) == ""
    assert options(told).splitlines() == [
        f"tag:{tag},option:dns-server,9.9.9.10,1.1.1.1", f"tag:{tag},option6:dns-server,[2620:fe::10]",
    ]  # fmt: skip
    assert options(hosts(HOST | {"dns": ["1.1.1.1"]})).splitlines()[1] == f"tag:{tag},option6:dns-server"
    assert not outdated(leases(plain), leases(told)) and not outdated(leases(told), leases(plain))
    problems: list[str] = []
    assert parse_hosts({"wn7": [HOST | {"dns": ["1.1.1.1\ntag:x"]}]}, problems) == {"wn7": ()} and problems


def test_outdated() -> None:
    """What dnsmasq would go on to say: of a NIC that is gone, called otherwise or another; not of one more."""
    before = leases(hosts(HOST))
    other = {"mac": "02:58:00:00:00:06", "addresses": ["10.130.0.6"], "name": ""}
    assert not outdated("", before) and not outdated(before, before)
    assert not outdated(before, leases(hosts(HOST, other)))
    assert outdated(before, "") and outdated(leases(hosts(HOST, other)), before)
    assert outdated(before, before.replace("web", "db")) and outdated(before, before.replace(",web", ""))
    assert outdated(before, leases(hosts(HOST | {"mac": "02:58:00:00:00:99"})))
    assert outdated(before, leases(hosts({"mac": "02:58:00:00:00:99", "addresses": ["fd12:3456::5"]})))


@given(st.ip_addresses(v=4), st.integers(16, 30))
def test_reverse_zones_property(address: Any, prefix: int) -> None:
    """Every address of a network is in one of its zones, and the zones are no more than must be."""
    network = ip_network(f"{address}/{prefix}", strict=False)
    zones = reverse_zones(network)
    assert len(zones) == 2 ** max(0, 24 - prefix) if prefix > 16 else zones == [zones[0]]
    for each in (network[0], network[-1]):
        assert sum(each.reverse_pointer.endswith("." + zone) for zone in zones) == 1


def test_reverse_zones_6() -> None:
    zones = reverse_zones(ip_network("fd12:3456::/64"))
    assert zones == ["0.0.0.0.0.0.0.0.6.5.4.3.2.1.d.f.ip6.arpa"]


@given(st.sets(st.integers(1, 30_000), max_size=60))
def test_slots_property(numbers: set[int]) -> None:
    """Each network of a node has a port of its own, whatever the numbers, and the same one each time."""
    links = [Link(f"wn{number}", f"wn{number}", 1450) for number in numbers]
    found = slots(links)
    assert len(set(found.values())) == len(numbers)
    assert all(20_000 < dns_port(each) <= 30_000 for each in found.values())
    assert found == slots(links[::-1])


def test_texts() -> None:
    """No empty list for nft; peers of each VNI; IPv6 with the node's address only where nobody outside would answer."""
    assert "elements" not in tunnel([]) + routes([], {})
    links = parse_links([TOLD, of(8, gateways=["10.130.0.1/24", "2001:db8::1/64"], masquerade=True)], [])
    assert links is not None
    text = routes(links, slots(links))
    assert "set masked6 { type mark; elements = { 0x17000007 }; }" in text
    assert "set masked { type mark; elements = { 0x17000007, 0x17000008 }; }" in text
    assert "ip saddr . @th,96,24 { 10.77.0.12 . 0x1007, 10.77.0.13 . 0x1007, 10.77.0.12 . 0x1008" in text
    assert '"wx7" . 10.130.0.1, "wx8" . 10.130.0.1' in tunnel(links)


def test_guarded_6() -> None:
    """Guests of a network with IPv6 reach of their node what they reach by IPv4; elsewhere IPv6 stays dropped."""
    gateway, gateway6 = ip_interface("10.130.0.1/24"), ip_interface("fd12::1/64")
    text = guard(Guarded([("wn7", gateway, True)], [gateway.network], made=["wn7"],
                         gateways6=[("wn7", gateway6, True)], management6=[ip_network("2001:db8::/64")]))  # fmt: skip
    assert "ip6 daddr { fd12::/64 } counter drop" in text and "2001:db8::/64" in text
    assert 'iifname { "wn7" } ip6 daddr fd00:ec2::254 tcp dport 80 accept' in text
    assert text.index('iifname . oifname { "wn7" . "wn7" } ct mark') < text.index('oifname { "wn7" } counter drop')
    assert "ip6 daddr" not in guard(Guarded([("br1", gateway, True)], [gateway.network]))


def commands(made: list[tuple[str, str]]) -> list[str]:
    return [line for _, line in made]


def test_plan() -> None:
    """From nothing all of it, from what is there nothing; a VXLAN of others is made anew, peers by difference."""
    link = read()
    made = plan([link], NOTHING, ())
    assert commands(made.ip)[0].startswith("link add name wn7 address 02:00:00:fe:00:64 mtu 1450 type bridge")
    assert commands(made.bridge) == [f"fdb append 00:00:00:00:00:00 dev wx7 dst 10.77.0.{each}" for each in (12, 13)]
    there = Found(
        {"wn7": Device(5, "bridge", "02:00:00:fe:00:64", 1450, True, "", {"no_linklocal_learn": 1}),
         "wx7": Device(6, "vxlan", "", 1450, True, "wn7", {"id": 4103, "local": "10.77.0.11", "port": 4789})},
        {"wn7": frozenset(ip_interface(each) for each in (
            "10.130.0.1/24", "fd12:3456::1/64", "169.254.169.254/32", "fd00:ec2::254/128", f"{GATEWAY_LINK}/64"))},
        {"wx7": frozenset(link.peers)},
        frozenset(
            (version, where, table, device) for version, network in ((4, "10.130.0.0/24"), (6, "fd12:3456::/64"))
            for where, table, device in ((network, link.mark, "wn7"), ("default", link.mark, ""), (network, 0, ""))
        ),
        frozenset({(4, link.mark), (6, link.mark)}),
        {"wx7": frozenset({("02:58:00:00:00:07", "10.77.0.13")})},
    )  # fmt: skip
    again = plan([link], there, ())
    assert again.ip == again.ip6 == again.bridge == [] and again.obstacles == {}
    fewer = plan([read(peers=["10.77.0.12"])], there, ())
    assert commands(fewer.bridge) == ["fdb del 00:00:00:00:00:00 dev wx7 dst 10.77.0.13",
                                      "fdb del 02:58:00:00:00:07 dev wx7 dst 10.77.0.13"]
    other = plan([read(local="10.77.0.20")], there, ())
    assert commands(other.ip)[0] == "link delete dev wx7" and len(other.bridge) == 3
    gone = plan([], there, ())
    deleted = [line for line in commands(gone.ip) if line.startswith("link")]
    assert deleted == ["link delete dev wx7", "link delete dev wn7"]
    kept = plan([], there, (7,))
    assert kept.ip == kept.ip6 == kept.bridge == []
    assert [line for line in commands(plan([read(mtu=1400)], there, ()).ip)] == [
        "link set dev wn7 mtu 1400", "link set dev wx7 mtu 1400"
    ]  # fmt: skip


def test_plan_bridge() -> None:
    """A bridge of the node's is used as it is, or missed; a VLAN becomes a device on a bridge of ours."""
    plain = read(kind="bridge", bridge="br0", uplink="br0", gateways=[])
    assert list(plan([plain], NOTHING, ()).obstacles) == ["wn7"]
    there = Found({"br0": Device(3, "bridge", "02:aa", 1500, True)}, {"br0": frozenset()}, {}, frozenset(), frozenset())
    made = plan([plain], there, ())
    assert made.obstacles == {} and made.ip == []
    addressed = plan([read(kind="bridge", bridge="br0", uplink="br0")], there, ())
    assert "address add 10.130.0.1/24 dev br0" in commands(addressed.ip)
    assert not any(line.startswith("link") for line in commands(addressed.ip))
    vlan = commands(plan([read(kind="bridge", uplink="eth1", vlan=12, gateways=[])], NOTHING, ()).ip)
    assert "link add link eth1 name wu7 type vlan id 12" in vlan and "link set dev wu7 master wn7 up" in vlan
    assert plan([read(kind="bridge", uplink="eth1", gateways=[])], NOTHING, ()).obstacles
    # Each node is the gateway on a VLAN with addresses of ours; on one without, the site has its own.
    ours, theirs = (tunnel([read(kind="bridge", uplink="eth1", vlan=12, **more)]) for more in ({}, {"gateways": []}))
    assert '"wu7" . 10.130.0.1' in ours and 'elements = { "wu7" }' in ours and "wu7" not in theirs


class World:
    """Commands and interfaces of one node, without dnsmasq."""

    def __init__(self, tmp_path: Path) -> None:
        self.batches: list[str] = []
        self.interfaces: dict[str, int] = {}
        self.failing: dict[str, Exception] = {}
        self.missing: set[str] = set()
        self.now = 1000.0
        self.complaints = Complaints()
        self.system = tmp_path / "sys"
        for name in ("all", "eth0", "eth1"):
            (self.system / "ipv6/conf" / name).mkdir(parents=True)
            (self.system / "ipv6/conf" / name / "accept_ra").write_text("0\n" if name == "eth1" else "1\n")
        (self.system / "ipv6/conf/all/forwarding").write_text("0\n")
        (self.system / "ipv4").mkdir()
        (self.system / "ipv4/ip_forward").write_text("0\n")
        self.segments = Segments(
            self.run, self.interfaces.get, lambda: self.now, lambda name: None if name in self.missing else name,
            self.complaints, Tables(self.run, lambda: self.now, self.complaints), tmp_path / "run", self.system,
        )

    def run(self, arguments: Sequence[str], text: str) -> str:
        if error := self.failing.get(arguments[0]):
            raise error
        if "-json" in arguments:
            return "[]\n" * len(text.splitlines())
        if "-batch" in arguments:
            self.batches.append(text)
            if error := self.failing.get("batch"):
                raise error
            for line in text.splitlines():
                if line.startswith("link add"):
                    self.interfaces[line.split()[3]] = len(self.batches)
        return ""

    def converge(self, *told: dict[str, Any]) -> frozenset[str]:
        parsed = parse_document({"version": "1", "networks": [], "hook_version": "", "links": list(told), "hosts": {}})
        return self.segments.converge(parsed)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


PLAIN = TOLD | {"dhcp": False}


def test_rounds(world: World) -> None:
    """A round that finds what it left runs nothing; a device that went, or half a minute, has all looked at."""
    assert world.converge(PLAIN) == {"wn7"} and world.segments.able
    before = len(world.batches)
    assert world.converge(PLAIN) == {"wn7"} and len(world.batches) == before
    del world.interfaces["wx7"]
    world.converge(PLAIN)
    assert len(world.batches) > before
    before = len(world.batches)
    world.now += RECHECK_S
    world.converge(PLAIN)
    assert len(world.batches) > before


def test_changed_by_others(world: World) -> None:
    """What is to be done again though nothing is wanted otherwise is told; and a network that is not there for long."""

    def told() -> list[tuple[str, str]]:
        return [(each.subject, each.text) for each in world.complaints.differences(world.now) if each.kind == "link"]

    world.converge(PLAIN)
    assert told() == []
    world.converge(PLAIN | {"peers": []})
    assert told() == []
    world.now += RECHECK_S  # the kernel here shows nothing of what there is
    world.converge(PLAIN | {"peers": []})
    [(name, text)] = told()
    assert name == "wn7" and text.startswith("somebody changed it; put right by: link add name wn7")
    world.now += PUT_RIGHT_S
    world.failing["batch"] = CommandFailed("x", ["RTNETLINK answers: Operation not supported", "Command failed -:1"])
    world.converge(PLAIN)
    assert told() == []
    world.now += LATE_S
    world.converge(PLAIN)
    [(name, text)] = told()
    assert name == "wn7" and "Operation not supported" in text


def test_kernel_without_ipv6(world: World) -> None:
    """It makes the network with IPv4 alone, which its guests can do with, and asks for nothing that would fail."""
    parsed = parse_document({"version": "1", "networks": [], "hook_version": "", "links": [PLAIN], "hosts": {}})
    [link] = world.segments.wanted(parsed) or ()
    assert [each.version for each in link.gateways] == [4, 6]
    shutil.rmtree(world.system / "ipv6")
    [link] = world.segments.wanted(parsed) or ()
    assert [each.version for each in link.gateways] == [4]


def test_failing_line(world: World) -> None:
    """A line that fails is told of its network alone, and tried again soon; then it is withdrawn."""
    world.failing["batch"] = CommandFailed("x", ["RTNETLINK answers: Operation not supported", "Command failed -:1"])
    world.interfaces["wn7"] = 5
    assert world.converge(PLAIN) == frozenset()
    [problem] = world.complaints.all()
    assert (problem.code, problem.sections) == ("link_failed", ()) and "Operation not supported" in problem.text
    del world.failing["batch"]
    world.now += RETRY_S
    assert world.converge(PLAIN) == {"wn7"} and world.complaints.all() == ()


def test_program_missing(world: World) -> None:
    """Without ip nothing is known: the section is not in place. Without dnsmasq the node says that it makes none."""
    world.missing.add("dnsmasq")
    world.failing["ip"] = CommandMissing("ip")
    assert world.converge(PLAIN) == frozenset() and not world.segments.able
    assert [(each.code, each.sections) for each in world.complaints.all()] == [("links_unknown", (LINKS,))]


def test_forwarding(world: World) -> None:
    """Before a node forwards IPv6, interfaces that listen to routers are told to go on; others are left alone."""
    world.converge(PLAIN)
    read_setting = lambda name: (world.system / name).read_text().strip()  # noqa: E731
    assert read_setting("ipv4/ip_forward") == "1" and read_setting("ipv6/conf/all/forwarding") == "1"
    assert read_setting("ipv6/conf/eth0/accept_ra") == "2" and read_setting("ipv6/conf/eth1/accept_ra") == "0"


def test_able(world: World) -> None:
    """A node says that it can make networks before any manager tells it one; a kernel that cannot is tried again."""
    older = parse_document({"version": "1", "networks": [], "hook_version": ""})
    world.failing["batch"] = CommandFailed("x", ["Error: Unknown device type.", "Command failed -:2"])
    assert world.segments.converge(older) == frozenset() and not world.segments.able
    del world.failing["batch"]
    world.now += PROBES_S
    world.segments.converge(older)
    assert world.segments.able and [text.count("link add") for text in world.batches] == [2, 2]
    world.now += PROBES_S
    world.segments.converge(older)
    assert world.segments.able and len(world.batches) == 2               # once is enough
    world.missing.add("dnsmasq")
    world.now += RECHECK_S
    world.segments.converge(older)
    assert not world.segments.able


def test_look() -> None:
    """What ip tells in another form than we know is a failure, not an empty node."""
    with pytest.raises(CommandFailed):
        look(lambda arguments, text: '[{"ifname": "wn7"}]')
    with pytest.raises(CommandFailed):
        look(lambda arguments, text: "{}")
    with pytest.raises(CommandFailed):
        look(lambda arguments, text: "[]")
    assert look(lambda arguments, text: "[]\n" * len(text.splitlines())) == NOTHING

    def told(arguments: Sequence[str], text: str) -> str:
        routes: list[Any] = []
        if "-6" in arguments:
            routes = [{"type": "unreachable", "dst": "fd12::/64", "dev": "lo", "metric": 4294967295}]
        rules = [{"priority": 5700, "fwmark": "0x17000007", "fwmask": "0x3fffffff", "table": "385875975"}]
        answers = {"route": routes, "rule": rules}
        return "\n".join(json.dumps(answers.get(line.split()[0], [])) for line in text.splitlines())

    found = look(told)
    assert found.routes == {(6, "fd12::/64", 0, "")} and found.rules == {(4, 0x17000007), (6, 0x17000007)}
