"""The document, the nft text and the convergence, without a kernel."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_hooks.document import Document, find_document, parse_document, save_document
from node_hooks.firewall import mac_of, ruleset, tap_of
from node_hooks.network import RECHECK_S, CommandFailed, CommandMissing, Converger
from node_hooks.state import StateFile

NETWORK = {"name": "net-1", "bridge": "br1", "gateway": "10.128.0.1/24", "pool": "10.128.0.0/20", "metadata": True}


def document(*networks: dict[str, Any], version: str = "v1") -> Document:
    return parse_document({"version": version, "networks": list(networks), "hook_version": "1"})


def elements(text: str, name: str) -> list[tuple[str, ...]]:
    """All elements of the sets called ``name``, read back from the text."""
    found: list[tuple[str, ...]] = []
    for content in re.findall(rf"set {name}_[0-9a-f]{{5}} \{{ type [^;]*; elements = \{{ (.*) \}}; \}}", text):
        found += [tuple(part.strip('"') for part in each.split(" . ")) for each in content.split(", ")]
    return found


def test_names() -> None:
    """MAC and tap follow from the address."""
    assert mac_of(IPv4Address("10.128.1.255")) == "02:57:0a:80:01:ff"
    assert tap_of(IPv4Address("10.128.1.255")) == "wv0a8001ff"


@pytest.mark.parametrize(("pool", "count", "blocks"), [("10.128.0.0/20", 4096, 1), ("10.128.0.0/18", 16384, 4),
                                                      ("10.0.0.4/30", 4, 1), ("10.0.0.1/32", 1, 1)])
def test_sizes(pool: str, count: int, blocks: int) -> None:
    """Every address of a pool stands in both sets once; a /20 is one block, larger pools are several."""
    text = ruleset([IPv4Network(pool)])
    assert len(set(elements(text, "macs"))) == len(elements(text, "macs")) == count
    assert len(set(elements(text, "guests"))) == count
    assert text.count(" goto ") == blocks == text.count("chain block_")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(26, 32)), max_size=3))
def test_elements_property(drawn: list[tuple[int, int]]) -> None:
    """Whatever the pools and their overlaps: exactly their addresses, each with its own tap and MAC."""
    pools = [IPv4Network((address, prefix), strict=False) for address, prefix in drawn]
    text = ruleset(pools)
    wanted = {address for pool in pools for address in pool}
    guests = elements(text, "guests")
    assert len(guests) == len(wanted)
    assert set(guests) == {(tap_of(each), mac_of(each), str(each)) for each in wanted}
    for tap, _, _ in guests:
        assert f'iifname "{tap[:7]}*" goto block_{tap[2:7]}' in text


def test_no_pools() -> None:
    """Without pools no tap of ours passes, and everybody else does."""
    text = ruleset([])
    assert "goto" not in text and text.index('iifname != "wv*" accept') < text.index("counter drop")


@pytest.mark.parametrize(
    "change",
    [{"bridge": "a b"}, {"bridge": "x" * 16}, {"bridge": "wv0a800001"}, {"bridge": "../x"}, {"bridge": 5},
     {"pool": "::/64"}, {"pool": "10.0.0.0/8"}, {"pool": "10.128.0.1/20"}, {"gateway": "x"}, {"name": None},
     {"gateway": 1}],
)
def test_bad_network(change: dict[str, Any]) -> None:
    """A network that makes no sense is named and left out; the others stay."""
    parsed = document(NETWORK | change, NETWORK)
    assert len(parsed.networks) == 1 and len(parsed.problems) == 1


def test_document_file(tmp_path: Path) -> None:
    """The last document survives; a broken file is no document."""
    assert find_document(tmp_path) is None
    save_document(tmp_path, {"version": "v3", "networks": [NETWORK], "hook_version": "1"})
    kept = find_document(tmp_path)
    assert kept is not None and kept.version == "v3" and kept.networks[0].bridge == "br1"
    (tmp_path / "document.json").write_text("[")
    assert find_document(tmp_path) is None


class World:
    """Commands, interfaces, forwarders and time of one node."""

    def __init__(self, tmp_path: Path) -> None:
        self.commands: list[str] = []
        self.texts: list[str] = []
        self.interfaces: dict[str, int] = {}
        self.forwarding: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.now = 1000.0
        self.state = StateFile(tmp_path)
        self.converger = Converger(self.state, self.forward, self.run, self.interfaces.get, lambda: self.now)

    def forward(self, bridge: str) -> Any:
        if error := self.failing.get("forward"):
            raise error
        self.forwarding.append(bridge)
        world = self

        class Running:
            def close(self) -> None:
                world.forwarding.remove(bridge)

        return Running()

    def run(self, arguments: Sequence[str], text: str) -> str:
        self.commands.append(" ".join(arguments))
        if error := self.failing.get(arguments[0]):
            raise error
        self.texts.append(text)
        return ""

    def states(self) -> dict[str, str]:
        return {network["name"]: network["state"] for network in self.state.get("networks")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_bridge_appears(world: World) -> None:
    """A bridge is served once it is there, once; made anew, it is served anew; gone, no more."""
    world.converger.converge(document(NETWORK))
    assert world.states() == {"net-1": "no bridge yet"} and world.forwarding == []
    world.interfaces["br1"] = 5
    for _ in range(3):
        world.converger.converge(document(NETWORK))
    assert world.forwarding == ["br1"] and world.states() == {"net-1": "served"}
    assert world.commands == ["nft -f -", "ip address replace 169.254.169.254/32 dev br1"]
    world.interfaces["br1"] = 9
    world.converger.converge(document(NETWORK))
    assert world.forwarding == ["br1"] and world.commands[-1].endswith("replace 169.254.169.254/32 dev br1")
    del world.interfaces["br1"]
    world.converger.converge(document(NETWORK))
    assert world.forwarding == []


def test_network_withdrawn(world: World) -> None:
    """A network that left the document loses address and forwarder, also when only its metadata is off."""
    world.interfaces["br1"] = 5
    world.converger.converge(document(NETWORK))
    world.converger.converge(document(NETWORK | {"metadata": False}))
    assert world.forwarding == [] and world.commands[-1] == "ip address delete 169.254.169.254/32 dev br1"
    assert world.states() == {"net-1": "no metadata wanted"}


def test_forwarder_retried(world: World) -> None:
    """A socket that cannot be bound is tried again until it can."""
    world.interfaces["br1"] = 5
    world.failing["forward"] = OSError("address in use")
    world.converger.converge(document(NETWORK))
    assert world.states() == {"net-1": "metadata is not forwarded: address in use"}
    del world.failing["forward"]
    world.converger.converge(document(NETWORK))
    assert world.states() == {"net-1": "served"}


def test_firewall_rounds(world: World) -> None:
    """The table is written when pools change or when somebody removed it, else only looked at now and then."""
    for _ in range(3):
        world.converger.converge(document(NETWORK))
    world.converger.converge(document(NETWORK, version="v2"))
    assert world.commands == ["nft -f -"] and world.state.get("firewall") == "applied"
    world.now += RECHECK_S
    world.converger.converge(document(NETWORK))
    assert world.commands[1:] == ["nft --terse list table bridge wawel"]
    world.converger.converge(document(NETWORK | {"pool": "10.129.0.0/24"}))
    assert world.commands[2:] == ["nft -f -"]
    world.failing["nft"] = CommandFailed("No such file")
    world.now += RECHECK_S
    world.converger.converge(document(NETWORK | {"pool": "10.129.0.0/24"}))
    assert world.commands[3:] == ["nft --terse list table bridge wawel", "nft -f -"]
    del world.failing["nft"]
    world.now += RECHECK_S
    world.converger.converge(document(NETWORK | {"pool": "10.129.0.0/24"}))
    assert world.commands[-1] == "nft -f -" and world.state.get("firewall") == "applied"


def test_nft_missing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Without nft there is one clear warning, the state says so, and metadata is served all the same."""
    world.failing["nft"] = CommandMissing("nft")
    world.interfaces["br1"] = 5
    for _ in range(4):
        world.converger.converge(document(NETWORK))
        world.now += RECHECK_S
    assert caplog.text.count("nft is not installed") == 1
    assert "nft is not installed" in world.state.get("firewall")
    assert world.forwarding == ["br1"]


def test_close(world: World) -> None:
    """At the end forwarders go; addresses and rules stay, as guests run on."""
    world.interfaces["br1"] = 5
    world.converger.converge(document(NETWORK))
    before = list(world.commands)
    world.converger.close()
    assert world.forwarding == [] and world.commands == before
