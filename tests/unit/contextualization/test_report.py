"""What is a report, and what is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cm.rules.node_report import Bridge, Difference, Hook, Problem, Report
from contextualization.report import parse_report
from contextualization.wire import Refusal

REPORT = Report(
    2, "run", 1, "boot", "2-d", {"networks": "n"}, [Problem("nft_missing", "no nft", "table")], {"kernel": "6.1 #1"},
    ["firewall"], [Bridge("net", "wbr0", True, True, 3)], {"inet": "ab"}, Hook("/etc/libvirt/hooks/qemu", "3", 1.5),
    ["203.0.113.7", "2001:db8::7"], [Difference("public", "203.0.113.9", "the node's own")], ["br0", "eth1"],
    [0.5, 0.25, 0.1], ["203.0.113.8"],
)  # fmt: skip
GOOD = msgspec.json.encode(REPORT)


def test_good() -> None:
    """A report is read as it was written; of a short one the rest is empty."""
    assert parse_report(GOOD) == REPORT
    short = b'{"protocol": 2, "run": "r", "sequence": 1, "boot_id": "b"}'
    lists = ("problems", "capabilities", "bridges", "public", "differences", "uplinks", "load", "coming")
    empty = dict.fromkeys(lists, [])
    assert parse_report(short) == Report(2, "r", 1, "b", **empty)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": 1}, {"run": ""}, {"run": "a b"}, {"sequence": 0}, {"sequence": "1"}, {"boot_id": None},
        {"problems": [{"code": "x"}]}, {"problems": [{"code": "x", "text": "a\u0000b"}]},
        {"problems": [{"code": "x", "text": "t"}] * 51}, {"versions": {"kernel": "x" * 301}},
        {"applied": {"a" * 65: "v"}}, {"bridges": [{"network": "n", "bridge": "b", "present": 1}]},
        {"hook": {"path": "/x", "last": -1}}, {"capabilities": "all"},
        {"uplinks": ["a b"]}, {"uplinks": ["eth0"] * 101}, {"load": [1, 2, 3, 4]}, {"load": [-1]}, {"load": "1"},
        {"public": "203.0.113.7"}, {"public": ["n1"]}, {"public": ["203.0.113.7"] * 1001},
        {"coming": ["n1"]},
    ],
)  # fmt: skip
def test_bad(change: dict[str, Any]) -> None:
    """What is no report is none."""
    told = {**msgspec.json.decode(GOOD), **change}
    with pytest.raises(Refusal) as refused:
        parse_report(msgspec.json.encode(told))
    assert refused.value.status == 400


def test_newer_agent() -> None:
    """What a newer agent says besides is ignored."""
    told = {**msgspec.json.decode(GOOD), "protocol": 3, "weather": {"rain": True}}
    assert parse_report(msgspec.json.encode(told)).problems[0].code == "nft_missing"
