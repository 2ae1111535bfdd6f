"""Guests on a bridge of the nodes and on a VLAN, in a real kernel. Skipped where that is not to be had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_node_namespace import UNSHARE
from test_segments_namespace import OBSTACLE

pytestmark = pytest.mark.skipif(bool(OBSTACLE), reason=f"networks of the site were not tried: {OBSTACLE}")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    script = Path(__file__).with_name("bridge_nodes.py")
    done = subprocess.run([*UNSHARE, sys.executable, str(script)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_made(found: dict[str, Any]) -> None:
    """
    Both nodes have the networks, and find nothing amiss; nor does an agent that begins anew. A kernel that knows no
    VLANs keeps a node from that network alone, and the agent tells.
    """
    made = ["wn21", "wn22"] if found["vlans"] else ["wn21"]
    assert [each["made"] for each in found["first"]] == [made, made], found["first"]
    for each in found["first"]:
        told = [] if found["vlans"] else [("link_failed", "wn22 link")]
        assert [(code, subject) for code, subject, _ in each["problems"]] == told
    assert found["again"] == [made, [], True]


def test_leased(found: dict[str, Any]) -> None:
    """On a bridge of the site's addresses are the site's; on a VLAN with ours each node gives them to its own."""
    leased = found["leased"]
    assert {leased[each].split(" from ")[1] for each in "pq"} == {"192.0.2.1"} and leased["p"] != leased["q"]
    if found["vlans"]:
        assert (leased["v"], leased["w"]) == ("10.140.0.5 from 10.140.0.1", "10.140.0.6 from 10.140.0.1")
        assert found["tag"] == 12


def test_reached(found: dict[str, Any]) -> None:
    """Guests reach each other over nodes and the site's router, and not their own node, by whichever network."""
    assert all(found["reached"].values()), found["reached"]
    assert not any(found["kept out"].values()), found["kept out"]
    assert found["forged"] == ["up", "nothing"]


def test_left(found: dict[str, Any]) -> None:
    """What is the node's stays as it is when no guest is on it any more; what was made for it goes."""
    assert found["left"] == [["br0"], ["br0"]] and found["kept"] == [True, True]
