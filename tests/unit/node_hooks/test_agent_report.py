"""What the agent reports of its node, and to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from node_endpoint import Endpoint, enrolled, install, working

from cm.rpc.vocabulary import NodeTrouble
from cm.rules.node_document import render, section
from contextualization.report import parse_report
from node_hooks import problem, qemu_hook
from node_hooks.agent import Agent
from node_hooks.client import Client
from node_hooks.command import CommandFailed, CommandMissing
from node_hooks.consoles import Consoles
from node_hooks.difference import Difference
from node_hooks.document import FORMAT, SECTIONS, Document, parse_document, save_document
from node_hooks.errors import EndpointRefused
from node_hooks.network import Converger, Seen
from node_hooks.problem import NFT_MISSING, Problem
from node_hooks.report import AGAIN_S, OLDER_S, STUCK_S, Facts, Links, Programs, Reporter, describe, read_links
from node_hooks.spool import Spool
from support.wait import until

NETWORK = {"name": "net-1", "bridge": "br1", "gateway": "10.128.0.1/24", "pool": "10.128.0.0/24", "metadata": True}
GATEWAY = IPv4Address("10.128.0.1")
NO_LINKS = Links()


def document(*networks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """As the manager makes it."""
    content: dict[str, dict[str, Any]] = {
        "networks": {"networks": list(networks)}, "firewall": {"management": [], "reachable": []},
        "settings": {"hook_version": qemu_hook.HOOK_VERSION}, "screens": {"vnc_ports": [5900, 5999]},
        "consoles": {"directories": ["/srv"], "max_bytes": 1 << 20}, "nics": {"nics": []},
    }  # fmt: skip
    for name, told in changes.items():
        content[name] |= told
    made: dict[str, Any] = json.loads(render([section(name, **told) for name, told in content.items()], FORMAT).body)
    return made


def facts(tmp_path: Path, *problems: Problem, links: Links = NO_LINKS, **changes: Any) -> Facts:
    hook = install(tmp_path / "spool")
    parsed = parse_document(document(NETWORK))
    network = {name: parsed.sections[name] for name in ("networks", "firewall", "screens")}
    seen = Seen(100.0, network, problems, frozenset({"br1"}), frozenset({"br1"}), {"inet": "ab"})
    rest = {name: parsed.sections[name] for name in ("settings", "consoles")}
    made = Facts(parsed, seen, (), rest, links, "boot", str(hook), 5.0, 101.0)
    return replace(made, **changes)


def codes(told: dict[str, Any]) -> list[str]:
    return [each["code"] for each in told["problems"]]


def test_sections() -> None:
    """A document in sections is read as the one in one piece; what is missing or of a later format is refused."""
    made = document(NETWORK)
    parsed = parse_document(made)
    assert (parsed.format, set(parsed.sections)) == (2, set(SECTIONS)) and parsed.problems == ()
    assert (parsed.networks[0].bridge, parsed.vnc_ports, parsed.console_directories) == ("br1", (5900, 5999), ("/srv",))
    for wrong in (
        {**made, "format": 3}, {**made, "sections": {}}, {**made, "version": None},
        {**made, "sections": {**made["sections"], "firewall": {"version": "1"}}},
    ):  # fmt: skip
        with pytest.raises(ValueError):
            parse_document(wrong)
    assert parse_document({**made, "sections": {**made["sections"], "later": 1}}) == parsed


def test_told_sections() -> None:
    """Of which sections the agent tells that it has them, the manager expects; none that is another with every VM."""
    made = [section(name) for name in (*SECTIONS, "links", "hosts", "nics", "security")]
    sections = {each.name: {"version": each.version, "content": {}} for each in made}
    parsed = parse_document({**document(NETWORK), "sections": {**sections, **document(NETWORK)["sections"]}})
    assert set(parsed.sections) == set(render(made, FORMAT).versions) == {*SECTIONS, "links"}


def test_well(tmp_path: Path) -> None:
    """A node that has everything in place says so, in a report that the manager understands."""
    known = facts(tmp_path)
    assert known.seen is not None
    changed = (Difference("rules", "inet wawel", "somebody\nremoved it"),)
    told = describe(replace(known, seen=replace(known.seen, differences=changed)), {"nft": "1.0.6"})
    report = parse_report(json.dumps({"run": "1-2.5", "sequence": 1, **told}).encode())
    assert report.problems == [] and set(report.applied) == set(SECTIONS)
    assert report.versions["nft"] == "1.0.6" and report.versions["kernel"]
    assert report.hook is not None and report.hook.version == qemu_hook.HOOK_VERSION
    assert report.bridges[0].metadata and report.rules == {"inet": "ab"}
    [difference] = report.differences
    assert (difference.kind, difference.subject, difference.text) == ("rules", "inet wawel", "somebody removed it")


def test_not_in_place(tmp_path: Path) -> None:
    """The sections that a problem touches are not applied, the others are."""
    broken = Problem(NFT_MISSING, "table inet", "nft is\nnot installed" + "!" * 1000, ("networks", "firewall"))
    told = describe(facts(tmp_path, broken), {})
    assert codes(told) == [NFT_MISSING] and set(told["applied"]) == {"screens", "settings", "consoles"}
    parse_report(json.dumps({"run": "1", "sequence": 1, **told}).encode())
    misread = parse_document(document({**NETWORK, "pool": "10.0.0.0/8"}))
    told = describe(replace(facts(tmp_path), document=misread), {})
    assert codes(told) == ["document_refused"] and "networks" not in told["applied"]


def test_stuck(tmp_path: Path) -> None:
    """A network that nobody has looked after for long is told of, and its sections are not in place."""
    assert codes(describe(facts(tmp_path, now=100.0 + STUCK_S), {})) == []
    told = describe(facts(tmp_path, now=101.0 + STUCK_S), {})
    assert codes(told) == ["network_stuck"] and set(told["applied"]) == {"settings", "consoles"}
    first = describe(facts(tmp_path, seen=None), {})
    assert codes(first) == [] and set(first["applied"]) == {"settings", "consoles"} and first["bridges"] == []


def test_hook(tmp_path: Path) -> None:
    """A hook that is gone, or another one than is wanted."""
    known = facts(tmp_path)
    other = parse_document(document(NETWORK, settings={"hook_version": "99"}))
    assert codes(describe(replace(known, document=other), {})) == ["hook_outdated"]
    (tmp_path / "qemu").unlink()
    told = describe(known, {})
    assert codes(told) == ["hook_missing"] and told["hook"]["version"] == ""
    assert describe(replace(known, hook_path=""), {})["hook"] is None


def test_links(tmp_path: Path) -> None:
    """Guests without a bridge, and a bridge with guests that no dnsmasq serves; without guests both may be absent."""
    assert codes(describe(facts(tmp_path, links=Links({}, frozenset())), {})) == []
    well = Links({"wv0a800005": "br1"}, frozenset({GATEWAY}))
    told = describe(facts(tmp_path, links=well), {})
    assert codes(told) == [] and told["bridges"][0]["taps"] == 1
    assert codes(describe(facts(tmp_path, links=Links({"wv0a800005": "br1"}, frozenset())), {})) == ["dnsmasq_missing"]
    stray = describe(facts(tmp_path, links=Links({"wv0a800005": ""}, frozenset())), {})
    assert codes(stray) == ["bridge_missing"] and "wv0a800005" in stray["problems"][0]["text"]


def test_made(tmp_path: Path) -> None:
    """A network of the node's own making is present once all of it is in place; the node says whether it makes any."""
    link = {"name": "wn7", "kind": "vxlan", "bridge": "wn7", "vni": 4103, "local": "10.77.0.11", "mtu": 1450,
            "peers": [], "gateways": ["10.130.0.1/24"], "dhcp": True, "metadata": True}  # fmt: skip
    parsed = parse_document({**document(NETWORK), "sections": {
        **document(NETWORK)["sections"], "links": {"version": "l1", "content": {"links": [link]}},
        "hosts": {"version": "h1", "content": {"hosts": {}}},
    }})  # fmt: skip
    known = facts(tmp_path, document=parsed)
    assert known.seen is not None and parsed.sections["links"] == "l1"
    told = describe(known, {})
    assert [each["present"] for each in told["bridges"]] == [True, False] and "links" not in told["capabilities"]
    seen = replace(known.seen, made=frozenset({"wn7"}), able=True, served=frozenset({"wn7"}))
    told = describe(replace(known, seen=seen, links=Links({"wvn1": "wn7"}, frozenset())), {})
    assert told["bridges"][1] == {"network": "wn7", "bridge": "wn7", "present": True, "metadata": True, "taps": 1}
    assert "links" in told["capabilities"] and told["problems"] == []
    parse_report(json.dumps({"run": "1", "sequence": 1, **told}).encode())


def test_read_links(tmp_path: Path) -> None:
    """
    Taps with their bridges, what is the node's own, and who listens for DNS, as the kernel tells; nothing where it does
    not.
    """
    interfaces = tmp_path / "sys/class/net"
    own = ("br0", "eth0", "lo1")
    for name in (*own, "lo", "vnet3", "wbr1", "wn7", "wx7", "wu7", "wawel-in", "wv0a800005", "wv0a800006"):
        (interfaces / name).mkdir(parents=True)
    (interfaces / "wv0a800005/master").symlink_to("../br1")
    assert read_links(tmp_path) == Links()
    (tmp_path / "proc/net").mkdir(parents=True)
    head = "  sl  local_address rem_address   st\n"
    rest = "00000000:0000 07 0:0 00:0 0 0 0 1 2 0 0"
    (tmp_path / "proc/net/udp").write_text(f"{head} 1: 0100800A:0035 {rest}\n 2: 00000000:0043 {rest}\n")
    assert read_links(tmp_path) == Links({"wv0a800005": "br1", "wv0a800006": ""}, frozenset({GATEWAY}), own)


def test_versions() -> None:
    """Versions of programs, however they say them, asked for once in a while; one that is missing is left out."""
    asked, now = [], [0.0]

    def run(arguments: Sequence[str], text: str) -> str:
        asked.append(arguments[0])
        told = {"nft": "nftables v1.0.6 (Lester Gooch #5)\n", "virtqemud": "virtqemud (libvirt) 9.0.0\n"}
        if arguments[0] == "qemu-system-x86_64":
            raise CommandFailed("killed")
        if arguments[0] not in told:
            raise CommandMissing(arguments[0])
        return told[arguments[0]]

    programs = Programs(run, lambda: now[0])
    assert programs.versions() == {"nft": "1.0.6", "libvirt": "9.0.0"}
    count = len(asked)
    assert programs.versions() and len(asked) == count
    now[0] = 600.0
    assert programs.versions() and len(asked) == 2 * count


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def reporter(endpoint: Endpoint, client: Client, now: list[float]) -> Reporter:
    endpoint.format = 2
    return Reporter(client, Programs(lambda arguments, text: "", lambda: now[0]), "run-1", lambda: now[0])


def test_when(tmp_path: Path, endpoint: Endpoint, reporter: Reporter, now: list[float]) -> None:
    """What changed is told at once, the same again after the endpoint's time; one more guest is no news."""
    known = facts(tmp_path, links=Links({}, frozenset({GATEWAY})))
    assert known.seen is not None
    guests = replace(
        known, links=Links({"wv0a800005": "br1"}, frozenset({GATEWAY})), hook_last=6.0,
        seen=replace(known.seen, rules={"inet": "cd"}), document=replace(known.document, version="2-other"),
    )  # fmt: skip
    sent = [reporter.report(known), reporter.report(known), reporter.report(guests)]
    assert sent == [True, False, False]
    (tmp_path / "qemu").unlink()
    assert reporter.report(guests) and not reporter.report(guests)
    now[0] = AGAIN_S
    assert reporter.report(guests)
    assert [each["sequence"] for each in endpoint.reports] == [1, 2, 3]
    assert {each["run"] for each in endpoint.reports} == {"run-1"}


def test_refused(tmp_path: Path, endpoint: Endpoint, reporter: Reporter, now: list[float]) -> None:
    """A manager that takes none is asked again after a while, and not flooded; an unwelcome node says so."""
    endpoint.report_status = 404
    assert not reporter.report(facts(tmp_path)) and not reporter.report(facts(tmp_path))
    endpoint.report_status, now[0] = 200, OLDER_S
    assert reporter.report(facts(tmp_path))
    endpoint.report_status, now[0] = 403, 2 * OLDER_S
    with pytest.raises(EndpointRefused):
        reporter.report(facts(tmp_path))


def test_codes() -> None:
    """The manager knows every code of an agent of its release."""
    told = {value for name, value in vars(problem).items() if name.isupper()}
    assert told and told <= {code.value for code in NodeTrouble}


@pytest.fixture
def missing() -> set[str]:
    """Programs that are not on the agent's node."""
    return set()


@pytest.fixture
def agent(tmp_path: Path, endpoint: Endpoint, spool: Spool, missing: set[str]) -> Iterator[Agent]:
    """One without a kernel's network."""
    install(spool.directory)

    def run(arguments: Sequence[str], text: str) -> str:
        if arguments[0] in missing:
            raise CommandMissing(arguments[0])
        return ""

    def make_converger(state: Any, forward: Any) -> Converger:
        return Converger(state, forward, run, lambda name: None, has=lambda name: None if name in missing else name)

    made = Agent(tmp_path, enrolled(tmp_path, endpoint, spool), make_converger=make_converger)
    with working(made):
        yield made


@pytest.mark.usefixtures("agent")
def test_agent(missing: set[str], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent tells that nft went, and that it is back; each soon."""
    for module in ("network", "tables"):
        monkeypatch.setattr(f"node_hooks.{module}.RETRY_S", 0.1)
    endpoint.format = 2
    endpoint.publish(version="v2", networks=[NETWORK])
    until(lambda: endpoint.reports and "networks" in endpoint.reports[-1]["applied"])
    assert endpoint.reports[-1]["problems"] == [] and endpoint.reports[-1]["document"] == "v2"
    missing.add("nft")
    until(lambda: codes(endpoint.reports[-1]) == [NFT_MISSING] * 2)
    assert "networks" not in endpoint.reports[-1]["applied"]
    missing.clear()
    until(lambda: not endpoint.reports[-1]["problems"])
    endpoint.publish(version="v3", networks=[])
    until(lambda: endpoint.reports[-1]["applied"].get("firewall") == "firewall-v3")


@pytest.mark.parametrize("away", [True, False])
def test_kept_document(tmp_path: Path, endpoint: Endpoint, spool: Spool, away: bool) -> None:
    """
    By a document that was kept an agent answers for no public address: another node may by now. It asks for it at once,
    also where it is the one that it has.
    """
    endpoint.format = 1
    address = {"address": "203.0.113.7", "guest": "10.130.0.5", "bridge": "wn7", "uplink": None}
    endpoint.publish(version="v2", public={"addresses": [address], "ports": []})
    save_document(tmp_path, endpoint.told())
    seen = []

    class Network(Converger):
        def converge(self, document: Document) -> None:
            seen.append(document.public)

    identity = enrolled(tmp_path, endpoint, spool)
    if away:
        endpoint.close()
    with working(Agent(tmp_path, identity, make_converger=Network)):
        until((lambda: len(seen) > 2) if away else (lambda: seen and seen[-1] is not None))
    assert not away or set(seen) == {None}


def test_consoles(agent: Agent, tmp_path: Path) -> None:
    """Console logs that cannot be kept within bounds are told to the manager, until they can."""
    broken = tmp_path / "file"
    broken.write_bytes(b"")
    read = parse_document(document(NETWORK, consoles={"directories": [str(broken)]}))
    agent._trim_once(Consoles(), read)
    told = describe(agent._facts(read), {})
    assert "consoles_unbounded" in codes(told) and "consoles" not in told["applied"]
    broken.unlink()
    agent._trim_once(Consoles(), read)
    told = describe(agent._facts(read), {})
    assert "consoles_unbounded" not in codes(told) and "consoles" in told["applied"]


def test_older_manager(agent: Agent, endpoint: Endpoint) -> None:
    """A manager of the release before is asked for nothing that it does not know; what it does not tell is said."""
    endpoint.publish(version="v2", networks=[NETWORK])
    until(lambda: agent.state.get("document_version") == "v2" and agent.state.get("networks"))
    assert "older than this agent, and tells no NICs" in agent.state.get("firewall")
    endpoint.format = 2  # it is upgraded
    endpoint.publish(version="v3")
    until(lambda: endpoint.reports)
