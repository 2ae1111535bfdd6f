"""Public addresses in a real kernel: two nodes, their guests, somebody outside. Skipped where that is not to be had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_node_namespace import UNSHARE
from test_segments_namespace import OBSTACLE

pytestmark = pytest.mark.skipif(bool(OBSTACLE), reason=f"public addresses were not tried: {OBSTACLE}")

WEB, WEB6, OTHER, SHARED, SHARED6 = "10.77.0.201", "fd77::201", "10.77.0.202", "10.77.0.210", "fd77::210"
ALL = [WEB, OTHER, SHARED, WEB6, SHARED6]
REACHED = {
    "4": "web 10.77.0.99", "6": "web fd77::99", "equal": "other 10.77.0.99", "port": "db 10.77.0.99",
    "port of equal": "other 10.77.0.99", "port 6": "db fd77::99", "datagram": "db 10.77.0.99",
    "refused": "ECONNREFUSED", "refused 6": "ECONNREFUSED",
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    script = Path(__file__).with_name("public_nodes.py")
    done = subprocess.run([*UNSHARE, sys.executable, str(script)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def whom(told: list[str]) -> list[str]:
    """Without the sender's port, which datagrams tell."""
    return [" ".join(each.split()[:2]) for each in told]


def reached(told: dict[str, str]) -> dict[str, str]:
    return dict(zip(told, whom(list(told.values())), strict=True))


def test_reached(found: dict[str, Any]) -> None:
    """
    Guests are reached at their addresses and ports, two with one address too, and see who it is that calls; what an
    answer says of a port with nobody behind comes through, and so does what is larger than the network's MTU.
    """
    assert found["before"] == ["nothing"] * 2
    assert found["first"]["answered"] == found["told again"] == sorted(ALL) and found["first"]["problems"] == []
    assert reached(found["reached"]) == REACHED


def test_held_back(found: dict[str, Any]) -> None:
    """What a security group keeps out is kept out; nothing of the node's own listens at an address of its guests'."""
    assert found["held back"] == ["nothing"] * 4


def test_leaves_as(found: dict[str, Any]) -> None:
    """A guest with an address leaves by it; one with a port as the node, but for what is sent from the port itself."""
    told = found["leaves as"]
    assert whom(told["web"]) == [f"outside {WEB}", f"outside {WEB}", f"outside {WEB6}"]
    assert whom(told["other"]) == [f"outside {OTHER}"] * 2
    assert whom(told["db"]) == ["outside 10.77.0.11", "outside 10.77.0.11", "outside fd77::11"]
    assert told["from its port"] == [f"outside {SHARED} 25353"]


def test_round(found: dict[str, Any]) -> None:
    """
    Guests of the same node, of its other networks and of the other node, the guest itself and the node reach public
    addresses as those outside do; by the same addresses nothing else of the nodes.
    """
    told = {name: whom(each) for name, each in found["round"].items()}
    assert told["web"] == [f"web {WEB}", f"db {WEB}", f"db {WEB}", f"web {WEB6}"]
    assert told["other"][:3] == [f"web {OTHER}", f"db {OTHER}", f"db {OTHER}"]
    assert told["other"][3] == f"web {WEB6}"                              # who has none is seen as the guest's own
    assert told["db"] == told["a"] == [f"web {WEB}", f"db {SHARED}", f"db {SHARED}", f"web {WEB6}"]
    assert told["third"] == told["db"][:3] and told["far"] == ["web 10.77.0.12", "db 10.77.0.12", "db 10.77.0.12"]
    assert told["from far, refused"] == ["nothing"] * 2


def test_repaired(found: dict[str, Any]) -> None:
    """A flush of the tables shows nothing of the node's; what was taken is there again, and connections go on."""
    assert not any(each.startswith(("web", "node")) for each in found["flushed"])
    answered, after_flush, again, after_more = found["repaired"]
    assert answered == again == sorted(ALL)
    assert reached(after_flush) == reached(after_more) == REACHED and found["held"] == [True, True]


def test_agent_ends(found: dict[str, Any]) -> None:
    """Without an agent, and with one whose manager did not answer yet, what was answered for stays as it is."""
    assert reached(found["without agent"]) == REACHED
    assert found["unconfirmed"][0] == sorted(ALL) and reached(found["unconfirmed"][1]) == REACHED
    assert found["confirmed"] == [sorted(ALL), True]


def test_taken_back(found: dict[str, Any]) -> None:
    """Connections by an address that is taken back end, those of another guest with the same address go on."""
    assert found["two held"] == [True, True]
    assert found["taken back"] == [False, True, "nothing", "nothing", "outside 10.77.0.11"]


def test_refused(found: dict[str, Any]) -> None:
    """An address of the node's own is not given away, nor one of a network that is not here answered for."""
    answered, problems = found["refused"]
    assert answered == [] and [code for code, _, _ in problems] == ["public_failed"] * 2


def test_moved(found: dict[str, Any]) -> None:
    """With its guest an address moves to another node: neighbours are told, connections outlive it, pings return."""
    assert found["before the move"] == [True, True] and found["at b"] == [WEB, WEB6]
    assert found["neighbours"] == [True, True] and found["moved"] == [True, True]
    sent, answered = found["pings"]
    assert 0 < answered <= sent
    reached_, left, from_a = found["after the move"]
    assert reached_ == ["web 10.77.0.99", "web fd77::99"] and whom(left) == [f"outside {WEB}"] * 2
    assert from_a == ["web 10.77.0.11"]


def test_none_left(found: dict[str, Any]) -> None:
    """Where nothing is to be answered for nothing of it is left."""
    assert found["none left"] == [[], *[""] * 7]
