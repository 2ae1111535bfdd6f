"""Limits of bandwidth: what the document says of them, the plan, and one round after the other, without a kernel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from node_hooks.command import CommandFailed, CommandMissing
from node_hooks.document import parse_document
from node_hooks.problem import Complaints
from node_hooks.shaping import Found, Rate, Shaping, look, plan
from node_hooks.tables import RECHECK_S, RETRY_S

TAP, QUEUE = "wvn00000007", "wqn00000007"
BOTH = Rate(TAP, 1000, 500)
THERE = Found({TAP: 1000.0, QUEUE: 500.0}, {QUEUE: True}, frozenset({TAP}), {TAP: QUEUE})


def rates(**told: Any) -> tuple[tuple[Rate, ...] | None, Sequence[str]]:
    nic = {"tap": TAP, "mac": "02:58:00:00:00:07", "bridge": "wn7", "addresses": ["10.0.0.7"], **told}
    found = parse_document({"version": "1", "networks": [], "hook_version": "", "nics": [nic]})
    return found.rates, found.problems


def test_document() -> None:
    """A NIC without limits has no rate; one whose limits are none is told, and left out with all else of it."""
    assert rates() == ((), ())
    assert rates(kbit_in=1000) == ((Rate(TAP, 1000, None),), ())
    assert rates(kbit_in=1000, kbit_out=500) == ((BOTH,), ())
    for bad in (0, 63, -1, 1.5, "1000", True, 10**10):
        found, problems = rates(kbit_out=bad)
        assert found == () and len(problems) == 1
    older = parse_document({"version": "1", "networks": [], "hook_version": ""})
    assert older.rates is None


def lines(rates: Sequence[Rate], found: Found) -> list[str]:
    return [line for _, told in plan(rates, found).steps for _, line in told]


def test_plan() -> None:
    """From nothing all of it, in the order in which nothing is lost; from what is there nothing; and back again."""
    made = lines([BOTH], Found())
    assert [line.split(" action ")[-1].split(" tbf ")[0] for line in made] == [
        f"link add name {QUEUE} type ifb",
        f"link set dev {QUEUE} up",
        f"qdisc replace dev {TAP} root handle 57:",
        f"qdisc replace dev {QUEUE} root handle 57:",
        f"qdisc add dev {TAP} handle ffff: ingress",
        f"mirred egress redirect dev {QUEUE}",
    ]
    assert lines([BOTH], THERE) == []
    assert lines([], THERE) == [
        f"qdisc delete dev {TAP} root", f"qdisc delete dev {TAP} ingress", f"link delete dev {QUEUE}",
    ]  # fmt: skip
    [faster] = lines([replace(BOTH, incoming=2000)], THERE)
    assert faster.startswith(f"qdisc replace dev {TAP} root handle 57: tbf rate 2000kbit burst ")
    assert lines([Rate(TAP, None, 500)], THERE) == [f"qdisc delete dev {TAP} root"]
    assert lines([Rate(TAP, 1000)], THERE) == [f"qdisc delete dev {TAP} ingress", f"link delete dev {QUEUE}"]


def test_plan_undone() -> None:
    """What somebody took away is made again, all that depends on it too; what is left of a tap that went, goes."""
    assert [line.split(" ")[:2] for line in lines([BOTH], replace(THERE, queues={}, led={TAP: "*"}))] == [
        ["link", "add"], ["link", "set"], ["qdisc", "replace"], ["qdisc", "delete"], ["qdisc", "add"],
        ["filter", "add"],
    ]  # fmt: skip
    assert [line.split(" ")[:2] for line in lines([BOTH], replace(THERE, led={}))] == [
        ["qdisc", "delete"], ["qdisc", "add"], ["filter", "add"],
    ]  # fmt: skip
    assert lines([BOTH], replace(THERE, queues={QUEUE: False})) == [f"link set dev {QUEUE} up"]
    assert lines([], Found({QUEUE: 500.0}, {QUEUE: True})) == [f"link delete dev {QUEUE}"]
    assert lines([], replace(THERE, queues={}, buckets={}, led={TAP: "*"})) == [f"qdisc delete dev {TAP} ingress"]
    assert lines([], Found(entered=frozenset({TAP}), led={TAP: "eth9"})) == [], "somebody else's"


def test_look() -> None:
    """As tc of iproute2 6.1 tells it; others' buckets and devices are not ours."""
    told = {
        "tc -json qdisc show": [
            {"kind": "tbf", "handle": "57:", "dev": TAP, "root": True, "options": {"rate": 125000, "burst": 70000}},
            {"kind": "tbf", "handle": "8001:", "dev": "wv1", "root": True, "options": {"rate": 1, "burst": 70000}},
            {"kind": "ingress", "handle": "ffff:", "dev": TAP, "parent": "ffff:fff1", "options": {}},
            {"kind": "ingress", "handle": "ffff:", "dev": "eth0", "parent": "ffff:fff1", "options": {}},
            {"kind": "noqueue", "handle": "0:", "dev": "lo", "root": True, "options": {}},
        ],
        "ip -json link show type ifb": [
            {"ifname": QUEUE, "flags": ["NOARP", "UP"]}, {"ifname": "ifb0", "flags": ["UP"]}, {},
        ],
        "tc -json -batch -": [
            {"protocol": "all", "pref": 1, "kind": "u32"},
            {"protocol": "all", "kind": "u32", "options": {"actions": [
                {"kind": "mirred", "mirred_action": "redirect", "direction": "egress", "to_dev": QUEUE}]}},
        ],
    }  # fmt: skip
    found = look(lambda arguments, text: json.dumps(told[" ".join(arguments)]))
    assert found == Found({TAP: 1000.0}, {QUEUE: True}, frozenset({TAP}), {TAP: QUEUE})
    with pytest.raises(CommandFailed):
        look(lambda arguments, text: '[{"dev": "x"}]')


class World:
    """One node's commands and interfaces."""

    def __init__(self) -> None:
        self.now, self.interfaces, self.batches = 1000.0, {TAP: 7}, []  # type: float, dict[str, int], list[str]
        self.failing: dict[str, Exception] = {}
        self.missing: set[str] = set()
        self.complaints = Complaints()
        self.shaping = Shaping(
            self.run, self.interfaces.get, lambda: self.now, lambda name: name not in self.missing or None,
            self.complaints,
        )  # fmt: skip

    def run(self, arguments: Sequence[str], text: str) -> str:
        for part, error in self.failing.items():
            if part in text:
                raise error
        if "-json" in arguments:
            return "[]"
        if "wq0" not in text:
            self.batches += text.splitlines()
            if f"link add name {QUEUE}" in text:
                self.interfaces[QUEUE] = 8
        return ""

    def converge(self, *rates: Rate) -> list[str]:
        self.batches.clear()
        self.shaping.converge(rates)
        return list(self.batches)

    def problems(self) -> list[tuple[str, str]]:
        return [(each.code, each.subject) for each in self.complaints.all()]


def test_rounds() -> None:
    """Nothing is asked while all is as it was; a tap that is made anew is seen to at once, and so is a lost queue."""
    world = World()
    assert world.converge() == [] and world.shaping.able
    assert len(world.converge(BOTH)) == 6 and world.converge(BOTH) == []
    world.interfaces[TAP] = 9
    assert world.converge(BOTH)
    del world.interfaces[QUEUE]
    assert world.converge(BOTH) and world.converge(BOTH) == []
    assert not world.complaints.differences(world.now)
    world.now += RECHECK_S
    assert world.converge(BOTH), "the kernel has none of it"
    assert {(each.kind, each.subject) for each in world.complaints.differences(world.now)} == {("link", TAP)}
    del world.interfaces[TAP]
    assert world.converge(BOTH) == [], "a guest that is not there yet, or any more"


def test_unable() -> None:
    """A kernel without the parts is told as such; which guest is not held is told, too, and tried again."""
    world = World()
    world.failing["tbf"] = CommandFailed("Error: Specified qdisc kind is unknown.",
                                         ["Error: Specified qdisc kind is unknown.", "Command failed -:1"])  # fmt: skip
    world.converge(BOTH)
    assert not world.shaping.able and world.problems() == [("shaping_failed", f"{TAP} bandwidth")]
    world.failing.clear()
    assert world.converge(BOTH) == []
    world.now += RETRY_S
    assert world.converge(BOTH) and world.problems() == []
    world.failing[""] = CommandMissing("tc")
    world.now += RECHECK_S
    world.converge(BOTH)
    assert world.problems() == [("shaping_failed", "bandwidth limits")]
    assert not World().shaping.able
