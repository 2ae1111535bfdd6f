"""What the agent tells the manager of its node: gathered here, sent when it changed and now and then all the same."""

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from node_hooks.client import Client
from node_hooks.command import CommandFailed, CommandMissing, run_command
from node_hooks.document import LINKS, PUBLIC, Document
from node_hooks.errors import EndpointRefused
from node_hooks.firewall import TAP_PREFIX
from node_hooks.install import installed_version
from node_hooks.links import is_own
from node_hooks.network import Seen
from node_hooks.problem import (
    BRIDGE_MISSING,
    DNSMASQ_MISSING,
    DOCUMENT_REFUSED,
    HOOK_MISSING,
    HOOK_OUTDATED,
    NETWORK_STUCK,
    Problem,
    failed_sections,
)
from node_hooks.reading import INTERFACE
from node_hooks.resolver import read_resolvers
from node_hooks.shaping import SHAPING, is_queue
from node_hooks.state import AGENT_VERSION
from node_hooks.translation import IN, OUT

log = logging.getLogger("wawel.node.report")

PROTOCOL = 2
CAPABILITIES = ("coming", "consoles", "firewall", "metadata", PUBLIC, "screens")
AGAIN_S = 60.0  # where the endpoint does not say
GATHER_S = 5.0
OLDER_S = 600.0  # until an endpoint that takes no reports is asked again: it may have been upgraded
STUCK_S = 60.0
PROGRAMS_S = 600.0
TEXT_MAX, LIST_MAX = 300, 50
ADDRESSES_MAX = 1000  # public ones; a report is 128 KiB at most
UPLINKS_MAX = 100
# Loopback, libvirt's taps, networks' own bridges, a pair of ours.
_NOT_UPLINKS = re.compile(rf"lo|vnet.*|wbr.*|{OUT}|{IN}")
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+[^\s,()]*")
PROGRAMS = {
    "nft": (("nft", "--version"),),
    "libvirt": (("libvirtd", "--version"), ("virtqemud", "--version")),
    "qemu": tuple((f"qemu-system-{machine}", "--version") for machine in ("x86_64", "aarch64")),
}


@dataclass(frozen=True)
class Links:
    """
    Guests' taps with the bridge that each is on, empty without one; addresses where DNS is listened for.

    :ivar uplinks: interfaces of the node's own, bridges among them, which guests may be put on.
    """

    taps: Mapping[str, str] = field(default_factory=dict)
    resolvers: frozenset[IPv4Address] = frozenset()
    uplinks: tuple[str, ...] = ()


def read_links(root: Path = Path("/")) -> Links:
    """As the kernel tells it; what cannot be read is as if it were well."""
    taps, uplinks = {}, []
    interfaces = root / "sys/class/net"
    try:
        for name in os.listdir(interfaces):
            if name.startswith(TAP_PREFIX):
                try:
                    taps[name] = os.path.basename(os.readlink(interfaces / name / "master"))
                except FileNotFoundError:
                    taps[name] = ""
            elif INTERFACE.fullmatch(name) and not (is_own(name) or is_queue(name) or _NOT_UPLINKS.fullmatch(name)):
                uplinks.append(name)
        return Links(taps, read_resolvers(root), tuple(sorted(uplinks)[:UPLINKS_MAX]))
    except OSError:
        return Links()


class Programs:
    """Versions of the programs that matter, asked for now and then."""

    def __init__(
        self, run: Callable[[Sequence[str], str], str] = run_command, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = run
        self._clock = clock
        self._due = float("-inf")
        self._found: dict[str, str] = {}

    def versions(self) -> dict[str, str]:
        now = self._clock()
        if now >= self._due:
            self._due = now + PROGRAMS_S
            asked = {name: self._ask(commands) for name, commands in PROGRAMS.items()}
            self._found = {name: version for name, version in asked.items() if version}
        return self._found

    def _ask(self, commands: Sequence[Sequence[str]]) -> str:
        for command in commands:
            try:
                told = self._run(command, "")
            except (CommandMissing, CommandFailed):
                continue
            if found := _VERSION.search(told):
                return found[0][:TEXT_MAX]
        return ""


@dataclass(frozen=True)
class Facts:
    """
    What is known of a node at one moment.

    :ivar document: the one that is worked with.
    :ivar seen: of the last round of its network; None before the first.
    :ivar problems: others' than the network's.
    :ivar applied: versions of sections that others than the network have put in place.
    :ivar load: the machine's load averages over 1, 5 and 15 minutes.
    """

    document: Document
    seen: Seen | None
    problems: tuple[Problem, ...]
    applied: Mapping[str, str]
    links: Links
    boot_id: str
    hook_path: str
    hook_last: float | None
    now: float
    load: tuple[float, ...] = ()


def describe(facts: Facts, versions: Mapping[str, str]) -> dict[str, Any]:
    """The report without what counts it."""
    document, seen = facts.document, facts.seen
    installed = installed_version(Path(facts.hook_path)) if facts.hook_path else None
    problems = [*facts.problems, *_hook_problems(facts, installed), *_link_problems(facts)]
    applied: dict[str, str] = {}
    if seen is not None:
        problems += seen.problems
        applied |= seen.sections
        if facts.now - seen.at > STUCK_S:
            told = f"the network has not been looked after for {STUCK_S:.0f} s"
            problems.append(Problem(NETWORK_STUCK, "", told, tuple(seen.sections)))
    problems += [Problem(DOCUMENT_REFUSED, name, f"not understood in the document: {name}", (name,))
                 for name in sorted(document.misread)]  # fmt: skip
    failed = failed_sections(problems)
    applied = {name: version for name, version in (applied | dict(facts.applied)).items() if name not in failed}
    bridges = [
        {
            "network": network.name, "bridge": network.bridge, "present": network.bridge in seen.bridges,
            "metadata": network.bridge in seen.served,
            "taps": sum(bridge == network.bridge for bridge in facts.links.taps.values()),
        }
        for network in document.networks if seen is not None
    ] + [
        {
            "network": link.name, "bridge": link.bridge, "present": link.name in seen.made,
            "metadata": link.bridge in seen.served,
            "taps": sum(bridge == link.bridge for bridge in facts.links.taps.values()),
        }
        for link in document.links or () if seen is not None
    ]  # fmt: skip
    return {
        "protocol": PROTOCOL,
        "boot_id": facts.boot_id,
        "document": document.version,
        "applied": applied,
        "problems": [
            {"code": each.code, "subject": _line(each.subject), "text": _line(each.text)}
            for each in problems[:LIST_MAX]
        ],
        "versions": {"agent": AGENT_VERSION, "kernel": os.uname().release, **versions},
        "capabilities": [*CAPABILITIES, *_found_out(seen)],
        "bridges": bridges[: 10 * LIST_MAX],
        "uplinks": list(facts.links.uplinks),
        "load": [round(each, 2) for each in facts.load],
        "public": sorted(map(str, seen.answered))[:ADDRESSES_MAX] if seen is not None else [],
        "coming": sorted(map(str, seen.coming))[:ADDRESSES_MAX] if seen is not None else [],
        "rules": dict(seen.rules) if seen is not None else {},
        "differences": [
            {"kind": each.kind, "subject": _line(each.subject), "text": _line(each.text)}
            for each in (seen.differences[:LIST_MAX] if seen is not None else ())
        ],
        "hook": {
            "path": facts.hook_path, "version": installed or "", "last": facts.hook_last,
        } if facts.hook_path else None,
    }  # fmt: skip


def _found_out(seen: Seen | None) -> list[str]:
    """What the node's kernel and programs turned out to be able to."""
    if seen is None:
        return []
    return [name for name, able in ((LINKS, seen.able), (SHAPING, seen.shapes)) if able]


def _hook_problems(facts: Facts, installed: str | None) -> list[Problem]:
    if not facts.hook_path:
        return []
    wanted = facts.document.hook_version
    if installed is None:
        told = "the hook is not installed, so the ends of VMs are not told"
        return [Problem(HOOK_MISSING, facts.hook_path, told)]
    if wanted and installed != wanted:
        return [Problem(HOOK_OUTDATED, facts.hook_path, f"the hook has version {installed}, {wanted} is wanted")]
    return []


def _link_problems(facts: Facts) -> list[Problem]:
    """Of the bridges, which are libvirt's: only those that guests are on, or should be, can be amiss."""
    found = []
    strays = sorted(tap for tap, bridge in facts.links.taps.items() if not bridge)
    if strays:
        told = f"guests are on no bridge: {', '.join(strays[:5])}" + (", ..." if len(strays) > 5 else "")
        found.append(Problem(BRIDGE_MISSING, strays[0], told))
    used = set(facts.links.taps.values())
    for network in facts.document.networks:
        if network.bridge in used and network.gateway.ip not in facts.links.resolvers:
            told = f"dnsmasq does not serve the network {network.name}: its guests get neither addresses nor names"
            found.append(Problem(DNSMASQ_MISSING, network.bridge, told))
    return found


def _line(told: str) -> str:
    return "".join(character if character.isprintable() else " " for character in told)[:TEXT_MAX]


class Reporter:
    """
    Sends reports, for one thread.

    :param run: names this run of the agent.
    """

    def __init__(
        self, client: Client, programs: Programs, run: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._programs = programs
        self._run = run
        self._clock = clock
        self._count = 0
        self._last: dict[str, Any] | None = None
        self._due = float("-inf")

    def report(self, facts: Facts) -> bool:
        """
        Send what is new, or what was sent a while ago.

        :return: whether the endpoint took one.
        :raises EndpointUnavailable: it is sent the next time.
        :raises EndpointRefused: this node is not welcome.
        """
        if facts.document.format < PROTOCOL:
            return False  # of a manager that takes no reports
        told = describe(facts, self._programs.versions())
        now = self._clock()
        if now < self._due and _what_matters(told) == self._last:
            return False
        self._count += 1
        try:
            answer = self._client.json("POST", "/node/report", {"run": self._run, "sequence": self._count, **told})
        except EndpointRefused as refusal:
            if refusal.status not in (400, 404, 405, 413):
                raise
            log.warning("the manager takes no report: %s", refusal)
            self._last, self._due = _what_matters(told), now + OLDER_S
            return False
        again_s = answer.get("again_s")
        pause_s = float(again_s) if type(again_s) is int and 5 <= again_s <= 3600 else AGAIN_S
        self._last, self._due = _what_matters(told), now + pause_s
        return True

    def close(self) -> None:
        self._client.close()


def _what_matters(told: Mapping[str, Any]) -> dict[str, Any]:
    """
    What is sent at once when it changes. What every VM changes does not: the document's version, the rules' digests,
    how many guests there are, when a hook ran but for the first time, how busy the machine is.
    """
    bridges = [{name: value for name, value in each.items() if name != "taps"} for each in told["bridges"]]
    hook = {**told["hook"], "last": told["hook"]["last"] is None} if told["hook"] else None
    return {**told, "document": "", "rules": {}, "bridges": bridges, "hook": hook, "load": []}
