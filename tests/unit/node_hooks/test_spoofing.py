"""What a guest forges, in a real kernel: none of it comes through, at any time. Skipped where that is not to be had."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from frames import Station, forged, learned
from test_node_namespace import OBSTACLE, UNSHARE

ANY = Station("02:58:00:00:00:01", "10.0.0.1", "fd00::1", "fe80::1")
NAMES = [*forged(ANY, ANY, ANY), *learned(ANY)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if OBSTACLE:
        pytest.skip(f"no frames were forged: {OBSTACLE}")
    script = Path(__file__).with_name("spoofing.py")
    state = str(tmp_path_factory.mktemp("state"))
    done = subprocess.run([*UNSHARE, sys.executable, str(script), state], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    "when", ["first two seconds", "told", "hot-plugged", "agent stopped", "agent started anew", "flushed",
             "spoofing taken back"]
)  # fmt: skip
def test_forged(found: dict[str, Any], when: str) -> None:
    """Nobody gets a frame that says of its sender what it is not, nor does the bridge believe one."""
    assert found[when] == []


def test_not_forged(found: dict[str, Any]) -> None:
    """What a guest needs passes; without the table all that is forged would, as it does of a NIC that may forge."""
    assert found["allowed"] == [] and found["hot-plugged, allowed"] == []
    assert found["control"] == [] and found["spoofing allowed"] == []


def test_metadata_of_others(found: dict[str, Any]) -> None:
    """A NIC that may send as anybody asks for metadata as itself alone."""
    assert found["spoofing allowed, metadata"] == ["its own, as itself", "its own, by IPv6"]


def test_addresses_from_elsewhere(found: dict[str, Any]) -> None:
    """
    A guest on a bridge of the node's has whatever address, and its own MAC; it is no DHCP server and no router, and
    does not reach the node.
    """
    passed = set(found["foreign"])
    assert {"own address", "another's address", "own ARP", "own IPv6 address", "neighbour solicitation"} <= passed
    kept = {name for name in NAMES if name.startswith(("DHCP", "VLAN", "router advertisement", "ARP in a VLAN"))}
    kept |= {"another's MAC", "another's MAC and address", "the gateway's MAC", "ARP with another's MAC inside"}
    assert kept <= set(NAMES) and passed.isdisjoint(kept), passed & kept
    assert found["foreign, to the node"] == []


def test_unknown_tap(found: dict[str, Any]) -> None:
    """To a tap that nobody told of nothing comes either."""
    assert found["to a tap of no NIC"] is False


def test_flush_is_told(found: dict[str, Any]) -> None:
    """The kernel tells of a flush at once: nobody waits for the next look."""
    assert found["flushed, told"] is True


def test_page() -> None:
    """The page lists the frames, all of them and no other; there are enough."""
    page = (Path(__file__).parents[3] / "docs" / "network.md").read_text()
    section = page[page.index("## Forged frames") :].partition("\n## ")[0]
    listed = re.findall(r"^\| \w+ \| ([^|]+) \|$", section, re.MULTILINE)
    told = [name.strip() for row in listed for name in row.split(";")]
    assert sorted(told) == sorted(NAMES) and len(NAMES) >= 25
