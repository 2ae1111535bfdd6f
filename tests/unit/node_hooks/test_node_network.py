"""The document, the nft text and the convergence, without a kernel."""

import json
import re
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_hooks.agent import with_endpoint
from node_hooks.command import CommandFailed, CommandMissing
from node_hooks.difference import PUT_RIGHT_S
from node_hooks.document import Document, find_document, parse_document, save_document
from node_hooks.firewall import NodeNic, rules
from node_hooks.network import STARTING_S, Converger
from node_hooks.state import StateFile
from node_hooks.tables import RECHECK_S, RETRY_S

NETWORK = {"name": "net-1", "bridge": "br1", "gateway": "10.128.0.1/24", "pool": "10.128.0.0/20", "metadata": True}


def document(*networks: dict[str, Any], version: str = "v1", **more: Any) -> Document:
    """:param more: ``nics`` None: as a manager of the release before sends it."""
    told = {"version": version, "networks": list(networks), "hook_version": "1", "nics": [], **more}
    return parse_document({key: value for key, value in told.items() if value is not None})


def nic(number: int, **changes: Any) -> dict[str, Any]:
    told = {"tap": f"wvn{number}", "mac": f"02:58:00:00:00:{number:02x}", "bridge": "br1"}
    return {**told, "addresses": [f"10.128.0.{number}"], **changes}


def nics(*told: dict[str, Any]) -> tuple[NodeNic, ...]:
    found = document(NETWORK, nics=list(told)).nics
    assert found is not None
    return found


def elements(text: str, name: str) -> list[tuple[str, ...]]:
    """All elements of the set called ``name``, read back from the text."""
    content = re.findall(rf"set {name} \{{ type [^;]*; elements = \{{ (.*) \}}; \}}", text)
    return [tuple(part.strip('"') for part in each.split(" . ")) for text in content for each in text.split(", ")]


octets = st.integers(0, 255)


@settings(deadline=None)
@given(st.dictionaries(st.from_regex("wv[0-9a-z]{1,13}", fullmatch=True), st.tuples(
    st.lists(octets, min_size=6, max_size=6), st.lists(st.ip_addresses(), max_size=3, unique=True)), max_size=4))
def test_elements_property(drawn: dict[str, tuple[list[int], list[Any]]]) -> None:
    """Whatever the NICs: exactly their pairs and their IPv4 addresses, each with its own tap and MAC."""
    told = [
        {"tap": tap, "mac": ":".join(f"{each:02x}" for each in mac), "addresses": [str(each) for each in addresses]}
        for tap, (mac, addresses) in drawn.items()
    ]
    text = rules(nics(*told))[0].whole
    assert sorted(elements(text, "macs")) == sorted((each["tap"], each["mac"]) for each in told)
    wanted = [(each["tap"], each["mac"], address) for each in told for address in each["addresses"] if "." in address]
    assert sorted(elements(text, "guests")) == sorted(wanted)


def test_no_nics() -> None:
    """Without NICs no tap of ours passes, and everybody else does; nft is given no empty list."""
    text = rules([])[0].whole
    chain = text[text.index("chain prerouting"):]
    assert "elements" not in text and chain.index('iifname != "wv*" accept') < chain.index("goto from_guest")


@pytest.mark.parametrize(
    "change",
    [{"tap": "vnet0"}, {"tap": "wv" + "0" * 14}, {"tap": 'wv"'}, {"tap": 5}, {"tap": None}, {"mac": "02:58"},
     {"mac": "02:58:00:00:00:0g"}, {"addresses": ["10.0.0"]}, {"addresses": None}, {"addresses": [1]}],
)  # fmt: skip
def test_bad_nic(change: dict[str, Any]) -> None:
    """A NIC that makes no sense is named and left out, so that it sends nothing; the others stay."""
    parsed = document(NETWORK, nics=[nic(2) | change, nic(3), nic(3)])
    assert parsed.nics is not None and [each.tap for each in parsed.nics] == ["wvn3"]
    assert len(parsed.problems) == 2 and "nics" in parsed.misread
    assert len(document(NETWORK, nics="x").problems) == 1 and document(NETWORK, nics=None).nics is None


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
        self.interfaces: dict[str, int] = {}
        self.forwarding: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.now = 1000.0
        self.tables: dict[str, str] = {}
        self.links: dict[str, str] = {"lo": "127.0.0.1/8"}
        self.state = StateFile(tmp_path)
        self.resolvers = {IPv4Address("10.128.0.1"), IPv4Address("10.129.0.1")}
        self.converger = Converger(
            self.state, self.forward, self.run, self.interfaces.get, lambda: self.now, listens=lambda: self.resolvers
        )

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
        command = " ".join(arguments)
        if error := self.failing.get(arguments[0]):
            raise error
        if command == "ip -4 -json address":
            return json.dumps([
                {"ifname": name, "addr_info": [dict(zip(("local", "prefixlen"), address.split("/"), strict=True))]}
                for name, address in self.links.items()
            ])
        if command.startswith("nft --stateless --terse list table "):
            family = arguments[-2]
            if family not in self.tables:
                raise CommandFailed("No such file or directory")
            return self.tables[family]
        if "wn0" in text or "wq0" in text:
            return ""  # whether the node can make networks, and hold limits
        if arguments[0] == "tc" or command == "ip -json link show type ifb":
            return "[]"
        if command == "nft -f -":
            if any(f"\ndelete table {each}" in text for each in ("inet wawel_answers", "bridge wawel_ended")):
                return ""
            if text.startswith("table "):
                command = f"table {text.split()[1]}"
                self.tables[text.split()[1]] = text
            else:
                command = text.rstrip("\n")
        self.commands.append(command)
        return ""

    def states(self) -> dict[str, str]:
        return {network["name"]: network["state"] for network in self.state.get("networks")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_bridge_is_being_made(world: World) -> None:
    """A bridge gets its address after its dnsmasq, which would not start beside another's; or without one, soon."""
    world.interfaces["br1"] = 5
    world.resolvers.clear()
    world.converger.converge(document(NETWORK))
    assert world.forwarding == [] and not any("169.254" in command for command in world.commands)
    world.interfaces["br1"] = 6  # the first try failed
    world.now += STARTING_S - 0.1
    world.converger.converge(document(NETWORK))
    assert world.forwarding == []
    world.resolvers.add(IPv4Address("10.128.0.1"))
    world.converger.converge(document(NETWORK))
    assert world.forwarding == ["br1"]
    world.resolvers.clear()
    world.interfaces["br1"] = 7
    world.converger.converge(document(NETWORK))
    assert world.forwarding == []
    world.now += STARTING_S
    world.converger.converge(document(NETWORK))
    assert world.forwarding == ["br1"]


def test_bridge_appears(world: World) -> None:
    """A bridge is served once it is there, once; made anew, it is served anew; gone, no more."""
    world.converger.converge(document(NETWORK))
    assert world.states() == {"net-1": "no bridge yet"} and world.forwarding == []
    world.interfaces["br1"] = 5
    for _ in range(3):
        world.converger.converge(document(NETWORK))
    assert world.forwarding == ["br1"] and world.states() == {"net-1": "served"}
    assert world.commands == [
        "table bridge", "table inet", "ip link set dev br1 type bridge no_linklocal_learn 1",
        "ip address replace 169.254.169.254/32 dev br1", "table inet",
    ]  # fmt: skip
    world.interfaces["br1"] = 9
    world.converger.converge(document(NETWORK))
    assert world.forwarding == ["br1"] and world.commands[5:] == [
        "ip link set dev br1 type bridge no_linklocal_learn 1", "ip address replace 169.254.169.254/32 dev br1"
    ]  # fmt: skip
    assert "ip daddr 169.254.169.254 tcp dport 80 accept" in world.tables["inet"]
    del world.interfaces["br1"]
    world.converger.converge(document(NETWORK))
    assert world.forwarding == [] and "169.254.169.254 tcp" not in world.tables["inet"]


def test_network_withdrawn(world: World) -> None:
    """A network that left the document loses address and forwarder, also when only its metadata is off."""
    world.interfaces["br1"] = 5
    world.converger.converge(document(NETWORK))
    world.converger.converge(document(NETWORK | {"metadata": False}))
    assert world.forwarding == [] and "ip address delete 169.254.169.254/32 dev br1" in world.commands
    assert world.states() == {"net-1": "no metadata wanted"}


def test_forwarder_retried(world: World) -> None:
    """A socket that cannot be bound is tried again until it can."""
    world.interfaces["br1"] = 5
    world.failing["forward"] = OSError("address in use")
    world.converger.converge(document(NETWORK))
    assert world.states() == {"net-1": "metadata is not forwarded: address in use"}
    assert "169.254.169.254 tcp" not in world.tables["inet"]             # who has the port is not for guests
    del world.failing["forward"]
    world.converger.converge(document(NETWORK))
    assert world.states() == {"net-1": "served"}


def test_firewall_rounds(world: World) -> None:
    """The tables are written when networks or NICs change, or when somebody changed one, else only looked at."""
    for _ in range(3):
        world.converger.converge(document(NETWORK))
    world.converger.converge(document(NETWORK, version="v2"))
    world.now += RECHECK_S
    world.converger.converge(document(NETWORK))
    assert world.commands == ["table bridge", "table inet"] and world.state.get("firewall") == "applied"
    moved = NETWORK | {"pool": "10.129.0.0/24", "gateway": "10.129.0.1/24"}
    world.converger.converge(document(moved, nics=[nic(2)]))
    assert 'add element bridge wawel taps { "wvn2" }' in world.commands[2] and world.commands[3:] == ["table inet"]
    world.tables = {"inet": world.tables["inet"] + "\tchain more {}"}
    world.now += RECHECK_S
    world.converger.converge(document(moved, nics=[nic(2)]))
    assert world.commands[4:] == ["table bridge", "table inet"]
    world.failing["nft"] = CommandFailed("Operation not supported")
    world.now += RECHECK_S
    world.converger.converge(document(moved, nics=[nic(2)]))
    assert "not applied" in world.state.get("firewall")
    del world.failing["nft"]
    world.now += RETRY_S
    world.converger.converge(document(moved, nics=[nic(2)]))
    assert world.commands[6:] == ["table bridge", "table inet"] and world.state.get("firewall") == "applied"


def test_changed_by_others(world: World) -> None:
    """A table that somebody changed or removed is put right, and told for ten minutes; what we change ourselves not."""
    world.interfaces["br1"] = 5

    def told(*more: dict[str, Any]) -> list[tuple[str, str, str]]:
        world.converger.converge(document(NETWORK, nics=list(more)))
        assert world.converger.seen is not None
        return [(each.kind, each.subject, each.text) for each in world.converger.seen.differences]

    assert told() == [] and told(nic(1)) == []
    world.tables["inet"] += "# changed"
    world.converger.disturb()
    assert told(nic(1)) == [("rules", "inet wawel", "somebody changed it")]
    assert "changed" not in world.tables["inet"]
    world.tables.clear()
    world.now += RECHECK_S
    removed = [("rules", f"{family} wawel", "somebody removed it") for family in ("bridge", "inet")]
    assert told(nic(1)) == removed and world.tables.keys() == {"bridge", "inet"}
    world.now += PUT_RIGHT_S - 1
    assert told(nic(1)) == removed
    world.now += 1
    assert told(nic(1)) == []


def test_no_networks(world: World) -> None:
    """A node without networks gets no table; one that had some keeps what bars every guest."""
    world.converger.converge(document())
    assert world.commands == [] and world.state.get("firewall") == "applied"
    world.converger.converge(document(NETWORK, nics=[nic(2)]))
    world.converger.converge(document())
    assert world.commands[:2] == ["table bridge", "table inet"] and world.commands[3:] == ["table inet"]
    assert 'delete element bridge wawel taps { "wvn2" }' in world.commands[2]


def test_nics_come_and_go(world: World) -> None:
    """A VM's start or end changes the one table that it concerns, by its own elements alone."""
    world.converger.converge(document(NETWORK))
    world.converger.converge(document(NETWORK, nics=[nic(2)], version="v2"))
    assert world.commands[2].splitlines() == [
        'add element bridge wawel taps { "wvn2" }',
        'add element bridge wawel macs { "wvn2" . 02:58:00:00:00:02 }',
        'add element bridge wawel guests { "wvn2" . 02:58:00:00:00:02 . 10.128.0.2 }',
    ]
    world.converger.converge(document(NETWORK, nics=[nic(3)], version="v3"))
    assert 'delete element bridge wawel macs { "wvn2" . 02:58:00:00:00:02 }' in world.commands[3]
    assert 'add element bridge wawel macs { "wvn3" . 02:58:00:00:00:03 }' in world.commands[3]
    assert len(world.commands) == 4 and world.state.get("firewall") == "applied"


def test_older_manager(world: World) -> None:
    """What an older manager does not tell stays as it was applied; where nothing was, that is said."""
    world.tables["bridge"] = "as the older agent made it"
    world.converger.converge(document(NETWORK, nics=None))
    assert world.tables["bridge"] == "as the older agent made it" and world.commands == ["table inet"]
    assert world.state.get("firewall") == "applied"
    del world.tables["bridge"]
    world.now += RECHECK_S
    world.converger.converge(document(NETWORK, nics=None))
    assert "older than this agent" in world.state.get("firewall") and "bridge" not in world.tables
    world.converger.converge(document(NETWORK, nics=[nic(2)]))
    assert world.state.get("firewall") == "applied" and "wvn2" in world.tables["bridge"]


def test_own_networks(world: World) -> None:
    """Guests do not reach what the node is linked to, later links included; their own bridges are none."""
    world.links |= {"eth0": "10.1.0.5/24", "br1": "10.128.0.1/20", "tun0": "10.9.0.1/0"}
    world.converger.converge(document(NETWORK))
    told = "ip daddr {{ {} }} counter drop"
    assert told.format("10.1.0.0/24, 127.0.0.0/8, 169.254.0.0/16") in world.tables["inet"]
    world.links["storage"] = "10.2.0.5/24"
    world.now += RECHECK_S
    world.converger.converge(document(NETWORK))
    assert told.format("10.1.0.0/24, 10.2.0.0/24, 127.0.0.0/8, 169.254.0.0/16") in world.tables["inet"]
    world.failing["ip"] = CommandFailed("no netlink")
    world.now += RECHECK_S
    world.converger.converge(document(NETWORK))
    assert "own networks are not known" in world.state.get("firewall") and "10.2.0.0/24" in world.tables["inet"]


def test_reach(world: World) -> None:
    """What the manager says of where guests may go, and of the node's screens, stands in the table."""
    told = {"management": ["10.5.0.0/24"], "reachable": ["10.5.0.9/32"], "vnc_ports": [5900, 5999]}
    world.converger.converge(parse_document({"version": "v1", "networks": [NETWORK], "hook_version": "1", **told}))
    table = world.tables["inet"]
    assert table.index("ip daddr { 10.5.0.9/32 } accept") < table.index("10.5.0.0/24")
    assert 'iifname != "lo" tcp dport 5900-5999 ct state new update @vnc_callers' in table
    parsed = with_endpoint(document(NETWORK), "192.0.2.7")
    assert [str(each) for each in parsed.management] == ["192.0.2.7/32"]
    assert with_endpoint(document(NETWORK), "2001:db8::1") == with_endpoint(document(NETWORK), "") == document(NETWORK)


@pytest.mark.parametrize(
    "told", [{"management": ["10.0.0.1/8"]}, {"reachable": [7]}, {"management": "x"}, {"vnc_ports": [1]},
             {"vnc_ports": [0, 5]}, {"console_logs": {"directories": ["/srv"]}}, {"console_logs": []},
             {"console_logs": {"directories": ["srv"], "max_bytes": 1 << 20}},
             {"console_logs": {"directories": ["/srv"], "max_bytes": 10}}]
)  # fmt: skip
def test_bad_reach(told: dict[str, Any]) -> None:
    """What makes no sense is named and left out; the networks stay."""
    parsed = parse_document({"version": "v1", "networks": [NETWORK], "hook_version": "1", **told})
    assert len(parsed.networks) == 1 and len(parsed.problems) == 1
    assert parsed.console_directories == ()


def test_nft_missing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Without nft there is one clear warning, the state says so, and metadata is served all the same."""
    world.failing["nft"] = CommandMissing("nft")
    world.interfaces["br1"] = 5
    for _ in range(4):
        world.converger.converge(document(NETWORK))
        world.now += RECHECK_S
    assert caplog.text.count("nft is not installed") == 2                # once of each table
    assert "forge their addresses" in world.state.get("firewall")
    assert "reach each other, and this node" in world.state.get("firewall")
    assert world.forwarding == ["br1"]


def test_close(world: World) -> None:
    """At the end forwarders go; addresses and rules stay, as guests run on."""
    world.interfaces["br1"] = 5
    world.converger.converge(document(NETWORK))
    before = list(world.commands)
    world.converger.close()
    assert world.forwarding == [] and world.commands == before
