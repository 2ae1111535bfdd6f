"""Networks over two nodes in a real kernel: bridges, VXLAN, dnsmasq, nft. Skipped where that is not to be had."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_node_namespace import OBSTACLE as NODE_OBSTACLE
from test_node_namespace import UNSHARE


def obstacle() -> str:
    for program in ("dnsmasq", "bridge", "busybox"):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"{program} is not installed"
    done = subprocess.run([*UNSHARE, "ip", "link", "add", "wx1", "type", "vxlan", "id", "1", "dstport", "4789"],
                          capture_output=True, text=True)
    return f"no VXLAN: {done.stderr.strip()[:100]}" if done.returncode else ""


OBSTACLE = NODE_OBSTACLE or obstacle()
pytestmark = pytest.mark.skipif(bool(OBSTACLE), reason=f"networks over nodes were not tried: {OBSTACLE}")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    script = Path(__file__).with_name("segment_nodes.py")
    done = subprocess.run([*UNSHARE, sys.executable, str(script), "main"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_made(found: dict[str, Any]) -> None:
    """Each node makes the networks that it is told, and finds nothing amiss."""
    assert [each["made"] for each in found["first"]] == [["wn7", "wn8", "wn9"], ["wn7", "wn8"]]
    assert all(each["able"] and not each["problems"] for each in found["first"])


def test_configured(found: dict[str, Any]) -> None:
    """Guests get addresses, names, routes and MTU from the gateway of their own node, of both families."""
    web, third = found["configured"]["web"], found["configured"]["third"]
    assert web == {
        "address": "10.130.0.5/24", "server": "10.130.0.1", "dns": "10.130.0.1", "domain": "net7.wawel",
        "hostname": "web", "routes": "169.254.169.254/32 10.130.0.1 0.0.0.0/0 10.130.0.1", "mtu": "1450",
        "address6": "fd12:3456::5", "dns6": "fd12:3456::1", "router": "fe80::1", "mtu6": "1450",
    }  # fmt: skip
    assert (third["address"], third["dns"], third["domain"]) == ("10.131.0.5/24", "10.131.0.1", "net9.wawel")
    assert found["configured"]["other"]["address"] == web["address"]
    db = found["configured"]["db"]
    assert (db["dns"], db["dns6"], db["domain"]) == ("9.9.9.10", "2620:fe::10", "net7.wawel")


def test_names(found: dict[str, Any]) -> None:
    """Names, and addresses back, of one's own network alone, by UDP and by TCP; equal addresses notwithstanding."""
    assert found["names"] == ["10.130.0.6", "10.130.0.6", "unknown 3"] * 2
    assert found["names6"] == ["fd12:3456::5"] * 2 and found["reverse"] == ["db.net7.wawel"] * 2
    assert found["blue names"][0] == "10.130.0.5" and not any("10.130.0.6" in each for each in found["blue names"])


REACHED = {
    "4": True, "6": True, "back": True, "whole": True, "whole 6": True, "too large": False, "blue to red": False,
    "blue to red 6": False, "green to red": False, "red to green": False,
}  # fmt: skip


def test_reached(found: dict[str, Any]) -> None:
    """Guests of one network reach each other over two nodes in frames of its whole MTU, those of others never do."""
    assert found["reached"] == REACHED
    assert found["outside"] == [True] * 4                                # also of two with one address on one node
    assert found["not let out"]


def test_metadata(found: dict[str, Any]) -> None:
    """Bridge and source tell who asks, at both addresses, also where two networks have the same."""
    assert found["metadata"] == {
        "web": ["for wn7 10.130.0.5", "for wn7 fd12:3456::5"], "db": ["for wn7 10.130.0.6", "for wn7 fd12:3456::6"],
        "other": ["for wn8 10.130.0.5", "for wn8 fd12:3456::5"], "third": ["for wn9 10.131.0.5"],
    }  # fmt: skip
    assert found["neighbours"] == {name: ["02:00:00:fe:00:64"] for name in ("web", "db")}


def test_hosts_change(found: dict[str, Any]) -> None:
    """Hosts come without dnsmasq beginning anew; where one goes, or its address elsewhere, it forgets its lease."""
    assert found["kept"] and found["begun without it"] and found["begun anew"]


def test_repaired(found: dict[str, Any]) -> None:
    """Bridge, VXLAN, tables and dnsmasq that somebody took are there again, with the guests on them."""
    assert found["repaired"]["made"] == ["wn7", "wn8", "wn9"] and found["repaired"]["problems"] == []
    assert found["after repair"] == REACHED and found["names after repair"] == ["10.130.0.6"] * 2
    assert found["metadata after repair"] == "for wn8 10.130.0.5"


def test_agent_ends(found: dict[str, Any]) -> None:
    """Without an agent names and networks go on; another takes over what it finds."""
    assert found["without agent"] == ["10.130.0.6", True]
    assert found["again"] == {"made": ["wn7", "wn8", "wn9"], "problems": [], "servers kept": True, "bridge kept": True}


def test_half_a_document(found: dict[str, Any]) -> None:
    """What is not understood is not taken down, nor what an older manager does not tell."""
    assert found["half"] and found["older"]


def test_peers(found: dict[str, Any]) -> None:
    """A node that is away changes nothing for the others; one that is not listed any more is not heard."""
    assert found["alone"] == ["10.130.0.6", []] and found["back"]
    assert not found["no peer"] and found["peer again"]


def test_taken_down(found: dict[str, Any]) -> None:
    """What is no more wanted goes, with all that was its, but while guests are on it."""
    assert found["left"] == ["wn7", "wn8", "wx7", "wx8"] and found["left running"] == ["wn7", "wn8"]
    assert found["rest"] == [] and found["rest running"] == [] and found["rest routes"] == [""] * 4
