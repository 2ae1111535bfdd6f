"""What the manager wants of this node: fetched by long poll, checked, and kept for a reboot without endpoint."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface
from pathlib import Path
from typing import Any
from urllib.parse import quote

from node_hooks.client import Client
from node_hooks.errors import DocumentRefused
from node_hooks.firewall import TAP_PREFIX, NodeNic
from node_hooks.groups import Group, parse_groups
from node_hooks.links import Host, Link, parse_hosts, parse_links
from node_hooks.public import Public, parse_public
from node_hooks.reading import INTERFACE, MAC, read_address, read_entries, read_text
from node_hooks.screens import Call, parse_calls, without_calls
from node_hooks.shaping import Rate, read_rate
from node_hooks.state import read_json, write_durably

FORMAT = 2  # a manager of the release before does not look at what is asked for, and sends format 1
NETWORKS, FIREWALL, SETTINGS, SCREENS, CONSOLES = "networks", "firewall", "settings", "screens", "consoles"
LINKS, HOSTS = "links", "hosts"  # of managers that know networks which nodes make
PUBLIC = "public"  # of managers that know public addresses
CALLS = "calls"  # there while somebody waits for a screen
# HOSTS and PUBLIC, too, are others with every VM, as these are, so that their versions are not reported.
NICS, SECURITY = "nics", "security"
SECTIONS = (NETWORKS, FIREWALL, SETTINGS, SCREENS, CONSOLES)
POLL_S = 20
_GRACE_S = 10.0
CONSOLE_BYTES_MIN = 65_536
LARGEST_POOL_PREFIX = 16  # 65,536 addresses; nft takes 1.3 s for them

_TAP = re.compile(TAP_PREFIX + "[0-9a-z]{1,13}")


@dataclass(frozen=True)
class NodeNetwork:
    """
    One network that has, or may get, a bridge here.

    :ivar pool: the addresses its guests are drawn from; several networks may share one.
    :ivar made: by this agent, for one user, whose guests reach each other; else libvirt's, for everybody.
    """

    name: str
    bridge: str
    gateway: IPv4Interface
    pool: IPv4Network
    metadata: bool
    gateway6: IPv6Interface | None = None
    made: bool = False


@dataclass(frozen=True)
class Document:
    """
    :ivar management: networks that guests do not reach, besides those of the node's own links.
    :ivar reachable: exceptions from both.
    :ivar vnc_ports: of this node's screens, first and last.
    :ivar console_directories: where consoles are logged. :ivar console_bytes: how large such a file may grow.
    :ivar nics: of VMs of this node; None: a manager of the release before does not tell them.
    :ivar rates: what those of them may carry that have limits of bandwidth; None: as with ``nics``.
    :ivar groups: security groups of those, and those that they name; None: as with ``nics``.
    :ivar links: networks that this node makes by itself; ``hosts``: all that is on one, by its name. None: the manager
        knows no such networks.
    :ivar public: what the node answers for; None: the manager knows no such addresses, or did not confirm them yet.
    :ivar calls: for screens, that wait to be answered.
    :ivar problems: what could not be understood; the rest is used all the same.
    :ivar format: 1 in one piece, as a manager of the release before sends it; 2 in sections.
    :ivar sections: their versions; of format 1 none.
    :ivar misread: the sections in which something could not be understood.
    """

    version: str
    networks: tuple[NodeNetwork, ...]
    hook_version: str
    management: tuple[IPv4Network, ...] = ()
    reachable: tuple[IPv4Network, ...] = ()
    vnc_ports: tuple[int, int] | None = None
    console_directories: tuple[str, ...] = ()
    console_bytes: int = 0
    nics: tuple[NodeNic, ...] | None = None
    rates: tuple[Rate, ...] | None = None
    groups: Mapping[int, Group] | None = None
    links: tuple[Link, ...] | None = None
    hosts: Mapping[str, tuple[Host, ...]] | None = None
    public: Public | None = None
    calls: tuple[Call, ...] = ()
    problems: tuple[str, ...] = ()
    format: int = 1
    sections: Mapping[str, str] = field(default_factory=dict)
    misread: frozenset[str] = frozenset()


def parse_document(content: Mapping[str, Any]) -> Document:
    """:raises ValueError: not a document at all, or one of a format that came later."""
    if "format" not in content:
        return _parse_content(content)
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r} is not known")
    version, sections = content.get("version"), content.get("sections")
    if not isinstance(version, str) or not isinstance(sections, dict):
        raise ValueError("version or sections is missing")
    versions = {}
    flat: dict[str, Any] = {"version": version}
    for name in SECTIONS:
        section = sections.get(name)
        if not isinstance(section, dict) or not isinstance(section.get("version"), str):
            raise ValueError(f"the section {name} is missing")
        told = section.get("content")
        if not isinstance(told, dict):
            raise ValueError(f"the section {name} has no content")
        versions[name] = section["version"]
        flat |= {"console_logs": told} if name == CONSOLES else told
    for name in (NICS, SECURITY, LINKS, HOSTS, PUBLIC, CALLS):
        told = sections.get(name)
        if isinstance(told, dict) and isinstance(told.get("content"), dict):
            flat |= {PUBLIC: told["content"]} if name == PUBLIC else told["content"]
            if name == LINKS and isinstance(told.get("version"), str):
                versions[name] = told["version"]
    return replace(_parse_content(flat), version=version, format=FORMAT, sections=versions)


def without_public(document: Document) -> Document:
    """
    One that was kept, before the manager confirmed it: what the node answers for stays as it is.

    Another node may answer by now. After a reboot nothing is left of what this one answered for; after a restart of the
    agent all of it, which nobody has taken back yet.
    """
    return replace(document, public=None, misread=document.misread - {PUBLIC})


def _parse_content(content: Mapping[str, Any]) -> Document:
    version, hook_version, listed = content.get("version"), content.get("hook_version", ""), content.get("networks")
    if not isinstance(version, str) or not isinstance(hook_version, str) or not isinstance(listed, list):
        raise ValueError("version, networks or hook_version is missing")
    networks = []
    by_section: dict[str, list[str]] = {name: [] for name in (*SECTIONS, NICS, SECURITY, LINKS, HOSTS, PUBLIC, CALLS)}
    for entry in listed:
        try:
            networks.append(_parse_network(entry))
        except (ValueError, TypeError, KeyError) as error:
            by_section[NETWORKS].append(f"network {entry!r:.200}: {error}")
    management = _parse_networks(content, "management", by_section[FIREWALL])
    reachable = _parse_networks(content, "reachable", by_section[FIREWALL])
    ports = _parse_ports(content.get("vnc_ports"), by_section[SCREENS])
    directories, max_bytes = _parse_consoles(content.get("console_logs"), by_section[CONSOLES])
    nics, rates = _parse_nics(content.get(NICS), by_section[NICS])
    groups = parse_groups(content["groups"], by_section[SECURITY]) if "groups" in content else None
    links = parse_links(content.get(LINKS), by_section[LINKS])
    hosts = parse_hosts(content.get(HOSTS), by_section[HOSTS])
    public = parse_public(content.get(PUBLIC), by_section[PUBLIC])
    calls = parse_calls(content.get(CALLS), by_section[CALLS])
    problems = tuple(problem for found in by_section.values() for problem in found)
    misread = frozenset(name for name, found in by_section.items() if found)
    return Document(
        version, tuple(networks), hook_version, management, reachable, ports, directories, max_bytes, nics, rates,
        groups, links, hosts, public, calls, problems, misread=misread,
    )


def _parse_networks(content: Mapping[str, Any], key: str, problems: list[str]) -> tuple[IPv4Network, ...]:
    """Absent in the document of an older manager."""
    listed = content.get(key, [])
    found = set()
    for entry in listed if isinstance(listed, list) else [listed]:
        try:
            found.add(IPv4Network(read_text(entry)))
        except (ValueError, TypeError) as error:
            problems.append(f"{key} {entry!r:.200}: {error}")
    return tuple(sorted(found))


def _parse_ports(given: object, problems: list[str]) -> tuple[int, int] | None:
    if given is None:
        return None
    if isinstance(given, list) and len(given) == 2 and all(type(port) is int and 0 < port < 65536 for port in given):
        return min(given), max(given)
    problems.append(f"vnc_ports {given!r:.200}: not two ports")
    return None


def _parse_nics(
    given: object, problems: list[str]
) -> tuple[tuple[NodeNic, ...] | None, tuple[Rate, ...] | None]:
    """A NIC that is not understood is left out: its VM sends nothing."""
    if given is None:
        return None, None
    found: dict[str, NodeNic] = {}
    rates = []
    for entry in read_entries(given):
        try:
            tap, mac = read_text(entry["tap"]), read_text(entry["mac"]).lower()
            if not _TAP.fullmatch(tap) or not MAC.fullmatch(mac) or tap in found:
                raise ValueError("no tap and MAC of its own")
            addresses = tuple(read_address(each) for each in entry["addresses"])
            groups = tuple(sorted({int(each) for each in entry.get("groups", [])}))
            bridge = entry.get("bridge", "")
            if not isinstance(bridge, str) or bridge and not INTERFACE.fullmatch(bridge):
                raise ValueError(f"{bridge!r} is no name for a bridge")
            rate = read_rate(tap, entry)
            spoofing, foreign = entry.get("spoofing") is True, entry.get("foreign") is True
            found[tap] = NodeNic(tap, mac, addresses, bridge, spoofing, groups, foreign)
            rates += [rate] if rate is not None else []
        except (ValueError, TypeError, KeyError) as error:
            problems.append(f"nic {entry!r:.200}: {error}")
    return tuple(found.values()), tuple(sorted(rates, key=lambda each: each.tap))


def _parse_consoles(given: object, problems: list[str]) -> tuple[tuple[str, ...], int]:
    """Without a bound no directory: what is not understood is left alone."""
    if given is None:
        return (), 0
    listed = given.get("directories") if isinstance(given, dict) else None
    max_bytes = given.get("max_bytes") if isinstance(given, dict) else None
    if isinstance(listed, list) and type(max_bytes) is int and max_bytes >= CONSOLE_BYTES_MIN:
        if all(isinstance(each, str) and each.startswith("/") and "\0" not in each for each in listed):
            return tuple(listed), max_bytes
    problems.append(f"console_logs {given!r:.200}: no directories with a bound")
    return (), 0


def _parse_network(entry: Mapping[str, Any]) -> NodeNetwork:
    bridge = entry["bridge"]
    if not isinstance(bridge, str) or not INTERFACE.fullmatch(bridge) or bridge.startswith("wv"):
        raise ValueError(f"{bridge!r} is no name for a bridge")
    gateway, pool = IPv4Interface(read_text(entry["gateway"])), IPv4Network(read_text(entry["pool"]))
    if pool.prefixlen < LARGEST_POOL_PREFIX:
        raise ValueError(f"{pool} is larger than a /{LARGEST_POOL_PREFIX}")
    return NodeNetwork(read_text(entry["name"]), bridge, gateway, pool, bool(entry.get("metadata", False)))


def fetch_document(client: Client, version: str, wait_s: int = POLL_S) -> tuple[dict[str, Any], Document]:
    """
    The document as sent and as read, at once if it is another version than ``version``, else after ``wait_s`` at the
    latest.

    :raises EndpointUnavailable: try again later; DocumentRefused: the answer is no document for us.
    :raises EndpointRefused: this node is not welcome.
    """
    path = f"/node/document?format={FORMAT}&version={quote(version, safe='')}&wait={wait_s}"
    content = client.json("GET", path, timeout_s=wait_s + _GRACE_S)
    try:
        return content, parse_document(content)
    except ValueError as error:
        raise DocumentRefused(f"The endpoint sent no usable document: {error}.") from None


def save_document(state_dir: Path, content: Mapping[str, Any]) -> None:
    write_durably(state_dir / "document.json", json.dumps(without_calls(content)))


def find_document(state_dir: Path) -> Document | None:
    """The last one saved; ``None`` when there is none or it cannot be read."""
    content = read_json(state_dir / "document.json")
    try:
        return parse_document(content) if content is not None else None
    except ValueError:
        return None
