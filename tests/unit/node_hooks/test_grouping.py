"""
Security groups in a real kernel: what passes is what the manager says, and what is withdrawn ends. Skipped where that
is not to be had. ``WAWEL_PACKETS=2000`` sends so many.
"""

import json
import os
import random
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from grouping import PORTS, random_rule
from hypothesis import given, settings
from hypothesis import strategies as st
from test_node_namespace import OBSTACLE, UNSHARE

from cm.rpc.vocabulary import RuleDirection
from cm.rules import security
from node_hooks import groups as node
from node_hooks.command import CommandFailed
from node_hooks.ended import Ended, EndedConnections
from node_hooks.firewall import NodeNic, Tracking, rules
from node_hooks.flows import Ends, Flow
from node_hooks.nft import change
from node_hooks.taps import forbidden, unwanted

PACKETS = int(os.environ.get("WAWEL_PACKETS", "200"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if OBSTACLE:
        pytest.skip(f"no packets were sent: {OBSTACLE}")
    script, state = Path(__file__).with_name("grouping.py"), str(tmp_path_factory.mktemp("state"))
    command = [*UNSHARE, sys.executable, str(script), state, "7", str(PACKETS // 40), "40"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + PACKETS)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_reality(found: dict[str, Any]) -> None:
    """Of random packets over random rules those pass of which the manager says so, and no other."""
    assert found["compared"]["differences"] == []
    assert 0 < found["compared"]["passed"] < PACKETS


@pytest.mark.parametrize(
    "what", ["opened", "ended", "others go on", "not a member", "a member", "no longer a member",
             "a group that nobody told of", "no groups"]
)  # fmt: skip
def test_changes(found: dict[str, Any], what: str) -> None:
    """A rule opens a port of a running guest; withdrawn, its flows end in both directions, and no other does."""
    assert found["changes"][what] is True and found["changes"]["closed"] is False


def test_equal_addresses(found: dict[str, Any]) -> None:
    """What is an answer on one network is none on another whose guests have the same addresses."""
    assert found["apart"] == {"went": True, "kept apart": True}


@pytest.mark.parametrize("tracking", Tracking)
def test_ended(tmp_path: Path, tracking: Tracking) -> None:
    """
    A connection whose rule is withdrawn falls silent while both sides send all the time, each time; others go on, and
    the same ports can be used when the rule is back, or by the guest for one of its own.
    """
    if OBSTACLE:
        pytest.skip(f"no packets were sent: {OBSTACLE}")
    if tracking is Tracking.INET and not Path("/proc/sys/net/bridge").exists():
        pytest.skip("br_netfilter is not to be had")
    command = [*UNSHARE, sys.executable, str(Path(__file__).with_name("ending.py")), str(tmp_path), tracking, "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    if not told:
        pytest.skip("this kernel does not follow flows over a bridge by itself")
    assert {name for name, each in told.items() if not all(each)} == set(), told
    assert all(len(told[f"{name} ends"]) == 5 for name in ("tcp4", "tcp6", "udp4", "udp6"))


boxes = st.tuples(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair))),
    st.tuples(st.integers(0, 15), st.integers(28, 32)).map(lambda pair: ip_network((pair[0], pair[1]), strict=False)),
)


@settings(deadline=None)
@given(st.lists(boxes, max_size=6))
def test_pieces_property(drawn: list[tuple[tuple[int, int], Any]]) -> None:
    """The pieces are what the rules were, port by port, and none overlaps another, which nft would refuse."""
    made = node.pieces(drawn)
    for port in range(42):
        held = [network for (first, last), networks in made if first <= port <= last for network in networks]
        for number in range(16):
            address = ip_address(number)
            wanted = any(first <= port <= last and address in network for (first, last), network in drawn)
            assert sum(address in network for network in held) == wanted


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_same_meaning_property(seed: int, count: int) -> None:
    """What the manager tells a node of its rules means on both sides the same."""
    draw = random.Random(seed)
    group = security.Group(tuple(random_rule(draw, number) for number in range(count)), frozenset())
    told = {"1": security.document_group(group, with_rules=True), "2": {"members": ["10.130.0.11", "fd12::b"]}}
    problems: list[str] = []
    parsed = node.parse_groups(told, problems)
    assert problems == []
    known = {1: group, 2: security.Group((), frozenset(map(ip_address, ("10.130.0.11", "fd12::b"))))}
    for _ in range(20):
        remotes = ("10.130.0.11", "10.130.0.14", "192.0.2.1", "fd12::b", "fd12::e", "2001:db8::1")
        remote = ip_address(draw.choice(remotes))
        protocol, port, way = draw.choice((1, 6, 17, 58, 132)), draw.choice(PORTS), draw.choice(list(RuleDirection))
        here = security.deciding_rule(security.Packet(way, protocol, port, remote), [1], known)
        there = node.deciding_rule(node.Packet(str(way), protocol, port, remote), [1], parsed)
        assert (here is None) == (there is None)


@pytest.mark.parametrize(
    "wrong",
    [{"direction": "up"}, {"family": 5}, {"protocol": "tpc"}, {"protocol": 256}, {"protocol": True}, {"ports": [5]},
     {"ports": [9, 1]}, {"ports": [1, 70000]}, {"protocol": "icmp", "ports": [1, 2]}, {"remote": "10.0.0.1/8"},
     {"remote": "::/0"}, {"remote": None}, {"group": 5}, {"remote": None, "group": "x"}, {"remote": 'x" }'}],
)  # fmt: skip
def test_bad_rule(wrong: dict[str, Any]) -> None:
    """A rule that makes no sense allows nothing, is named, and the others stay."""
    rule = {"direction": "in", "family": 4, "protocol": "tcp", "ports": [22, 22], "remote": "10.0.0.0/8", "group": None}
    problems: list[str] = []
    parsed = node.parse_groups({"1": {"members": [], "rules": [{**rule, **wrong}, rule]}}, problems)
    assert len(parsed[1].rules) == 1 and len(problems) == 1
    assert node.parse_groups({"x": {}, "2": {"members": ["10.0.0.0/8"]}}, problems) == {} and len(problems) == 3


def test_one_element() -> None:
    """Another rule of a group is an element of a set: no chain is written, however many rules there are."""
    nics = [NodeNic("wvn1", "02:58:00:00:00:01", (ip_address("10.0.0.1"),), "wn7", False, (1,))]

    def made(*ports: int) -> Any:
        given = {
            node.GroupRule("in", 4, 6, (port, port), ip_network("10.0.0.0/8")) for port in ports
        }  # fmt: skip
        return rules(nics, {1: node.Group(frozenset(), frozenset(given))}, (), Tracking.INET)

    assert [change(*each) for each in zip(made(22), made(22, 80), strict=True)] == [
        "add element bridge wawel g1_in4_p { 10.0.0.0/8 . 6 . 80 }\n", ""
    ]  # fmt: skip
    few, many = (made(*range(1, count, 2))[0].chains for count in (20, 2000))
    assert few == many


def test_flows_to_end() -> None:
    """Flows of others, of others' networks and of what every guest needs go on; those that no rule allows do not."""
    nic = NodeNic("wvn1", "02:58:00:00:00:01", (ip_address("10.0.0.1"),), "wn7", False, (1,))
    rule = node.GroupRule("in", 4, 6, (22, 22), ip_network("10.0.0.0/8"))
    ask = unwanted(
        [nic], {ip_address("10.0.0.9")}, {1: node.Group(frozenset(), frozenset({rule}))}, {ip_address("10.0.0.254")}
    )

    def asked(sender: str, receiver: str, port: int, zone: int = 8) -> bool:
        return ask(Flow(ip_address(sender), ip_address(receiver), 6, port, zone))

    assert not asked("10.0.0.2", "10.0.0.1", 22) and asked("10.0.0.2", "10.0.0.1", 23)
    assert asked("10.0.0.1", "10.0.0.2", 22) and not asked("10.0.0.3", "10.0.0.2", 23)
    assert not asked("10.0.0.2", "10.0.0.1", 23, zone=9) and asked("10.0.0.2", "10.0.0.1", 23, zone=0)
    assert asked("10.0.0.3", "10.0.0.9", 22) and not asked("10.0.0.1", "10.0.0.254", 53)


def test_ended_sides() -> None:
    """A flow is kept ended for the NICs whose groups do not allow it, as each of them sees it."""
    one, two = (
        NodeNic(f"wvn{n}", f"02:58:00:00:00:0{n}", (ip_address(f"10.0.0.{n}"),), "wn7", False, (n,)) for n in (1, 2)
    )
    every = node.GroupRule("out", 4, None, None, ip_network("0.0.0.0/0"))
    groups = {1: node.Group(frozenset(), frozenset({every})), 2: node.Group(frozenset(), frozenset({every}))}
    own, other = ip_address("10.0.0.1"), ip_address("10.0.0.2")
    flow = Flow(own, other, 6, 22, 8, (Ends(own, 5000, other, 22), Ends(other, 22, own, 5000)))
    assert list(forbidden(flow, [one, two], groups)) == [Ended("wvn2", "in", 6, other, 22, own, 5000)]
    assert [each.tap for each in forbidden(flow, [one, two], {})] == ["wvn1", "wvn2"]
    assert list(forbidden(Flow(own, other, 1, None, 8), [one, two], {})) == []


def test_ended_gone() -> None:
    """One that went by itself while others are forgotten keeps none of them."""
    known = [Ended("wvn1", "in", 6, ip_address("10.0.0.1"), 22, ip_address("10.0.0.2"), port) for port in (50, 51)]
    commands: list[str] = []

    def run(arguments: Any, text: str) -> str:
        if "list" in arguments:
            told = [
                {"elem": {"val": {"concat": [each.tap, str(each.own), 22, str(each.remote), each.remote_port]},
                          "comment": "in"}} for each in known
            ]  # fmt: skip
            return json.dumps({"nftables": [{"set": {"name": "ended4_6", "elem": [*told, {"of": "others"}]}}]})
        commands.append(text)
        if len(known) == 2:
            del known[0]
            raise CommandFailed("No such file or directory")
        return ""

    ended = EndedConnections(run)
    ended.forget(lambda each: True)
    assert len(commands) == 2 and commands[1] == f"delete element bridge wawel_ended ended4_6 {{ {known[0].key} }}\n"
    ended.forget(lambda each: True)
    assert len(commands) == 2
