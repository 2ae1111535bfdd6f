"""
Makes the networks that a node makes by itself, and keeps them: bridge, VXLAN, routes, addresses and names for guests.

Whatever is found is led to what is wanted: after a reboot from the saved document, after somebody removed a device,
after an agent that was killed. What is wanted otherwise, or is seen to be gone, is seen to in the next round; what
nobody tells is looked for now and then. One thread calls this.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from node_hooks.command import CommandFailed, CommandMissing, Run, run_batch
from node_hooks.devices import Found, Plan, look, plan, ports
from node_hooks.dhcp import RUNTIME, Server, make_directory
from node_hooks.difference import LINK, PUT_RIGHT_S
from node_hooks.document import LINKS, Document
from node_hooks.firewall import TAP_PREFIX, NodeNic
from node_hooks.links import BRIDGE, VLAN, Host, Link, describe, is_own, parse_links
from node_hooks.problem import DHCP_FAILED, LINK_FAILED, LINKS_UNKNOWN, Complaints
from node_hooks.state import read_json
from node_hooks.tables import RECHECK_S, RETRY_S, Table, Tables
from node_hooks.tunnel import ROUTES_TABLE, TUNNEL_TABLE, routes, slots, tunnel

log = logging.getLogger("wawel.node.segments")

PROGRAMS: Final = ("ip", "bridge", "dnsmasq", "nft")
PROBES_S: Final = 600.0  # until the kernel is tried again
_PROBE: Final = ("link add name wn0 type bridge", "link add name wx0 type vxlan id 16777215 dstport 4789")  # nobody's
SYSTEM: Final = Path("/proc/sys/net")
_STARTED_AT_ONCE: Final = 8
# Of a bridge of ours. The greater of all's and its own holds of rp_filter: 2 lets two networks have the same addresses.
# arp_ignore: an address is answered for where it is, not on every bridge.
_BRIDGE_SYSTEM: Final = (
    ("ipv4/conf/{}/rp_filter", "2"), ("ipv4/conf/{}/arp_ignore", "1"), ("ipv4/conf/{}/send_redirects", "0"),
    ("ipv6/conf/{}/accept_ra", "0"), ("ipv6/conf/{}/disable_ipv6", "0"),
)  # fmt: skip
LATE_S: Final = 30.0  # after which a network that is not in place is told as a difference
_TOLD_S: Final = 5.0  # some rounds
_MADE: Final = " link"  # after a network's name; with its blank no bridge's
_SUBJECT: Final = "networks of this node"  # with its blanks no bridge's name


class Segments:
    """
    :param find: gives an interface's index.
    :param has: finds a program.
    :param runtime: where files of dnsmasq are.
    :param system: where the kernel's settings are.
    """

    def __init__(
        self, run: Run, find: Callable[[str], int | None], clock: Callable[[], float], has: Callable[[str], object],
        complaints: Complaints, tables: Tables, runtime: Path = RUNTIME, system: Path = SYSTEM,
    ) -> None:
        self._run = run
        self._find = find
        self._clock = clock
        self._has = has
        self._complaints = complaints
        self._tables = tables
        self._runtime = runtime
        self._system = system
        self._servers: dict[str, Server] = {}
        self._known: dict[str, Link] = {}
        self._recalled = False
        self._wanted: object = None
        self._well = False  # whether all of that was in place
        self._missing: dict[str, float] = {}  # networks that are not in place, and since when
        self._written_of: tuple[Link, ...] = ()
        self._texts = (tunnel(()), routes((), {}))
        self._due = 0.0
        self._indexes: dict[str, int | None] = {}
        self._told: Mapping[str, Sequence[Host]] = {}
        self._able = False
        self._kernel = False  # whether the kernel was found to have what it takes
        self._probe_due = float("-inf")
        self.tables = (
            Table("bridge", TUNNEL_TABLE, "speak for another node's gateway", (LINKS,)),
            Table("inet", ROUTES_TABLE, "be taken for others of the same addresses", (LINKS,)),
        )

    @property
    def able(self) -> bool:
        """Whether this node can make networks, as far as was tried."""
        return self._able

    def converge(self, document: Document) -> frozenset[str]:
        """
        One round.

        :param document: with the links that ``wanted`` gave.
        :return: the names of those that are in place.
        """
        self._probe()  # also where there are none: the manager tells none to a node that cannot make them
        links = document.links
        if links is None:
            return frozenset()
        slot_of = slots(links)
        if links != self._written_of:
            self._written_of, self._texts = links, (tunnel(links), routes(links, slot_of))
        for table, text in zip(self.tables, self._texts, strict=True):
            self._tables.apply(table, text, partial(str, text), bool(links))
        now = self._clock()
        wanted = (links, document.nics, LINKS in document.misread)
        if wanted != self._wanted or now >= self._due or self._changed(links):
            again = self._well and wanted == self._wanted
            self._wanted, self._due = wanted, now + RECHECK_S
            started = time.monotonic()
            self._well = self._make(links, document, again)
            if not self._well:
                self._due = now + RETRY_S
            self._indexes = {name: self._find(name) for link in links for name in _devices(link)}
            log.debug("%d networks took %.3f s", len(links), time.monotonic() - started)
        self._name(links, slot_of, document.hosts or {})
        made = frozenset(link.name for link in links if self._is_made(link))
        self._miss(links, made, now)
        return made

    def _miss(self, links: Sequence[Link], made: frozenset[str], now: float) -> None:
        self._missing = {link.name: self._missing.get(link.name, now) for link in links if link.name not in made}
        for name, since in self._missing.items():
            if now - since >= LATE_S:
                found = self._complaints.find(_made(name)) or self._complaints.find(f"{name} names")
                told = "it is not in place" if found is None else found.text
                self._complaints.differ(LINK, name, told, now + _TOLD_S)

    def look(self) -> None:
        """Whatever is known of the tables, they are looked at in the next round."""
        for table in self.tables:
            table.due = 0.0

    def wanted(self, document: Document) -> tuple[Link, ...] | None:
        """
        The networks that are to be here: those of the document, and of others that were here those that guests are
        still on, or of which it is not known whether they were meant. None: there are none, nor were there.
        """
        self._recall()
        told = {link.name: link for link in document.links or ()}
        unclear = document.links is None or LINKS in document.misread
        for name, link in self._known.items():
            if name not in told and (unclear or any(each.startswith(TAP_PREFIX) for each in ports(link.bridge))):
                told[name] = link
        if not told and document.links is None:
            return None
        return tuple(sorted(told.values() if self._has_ipv6() else map(_without_ipv6, told.values())))

    def _has_ipv6(self) -> bool:
        """Whether the kernel has any: where it was begun without, guests do with IPv4."""
        return (self._system / "ipv6").exists()

    def _recall(self) -> None:
        """What an agent before us made, which the document of now may have lost."""
        if self._recalled:
            return
        self._recalled = True
        for directory in _directories(self._runtime):
            found = parse_links([read_json(directory / "link.json")], [])
            self._known |= {link.name: link for link in found or ()}

    def _remember(self, links: Sequence[Link]) -> None:
        """:raises OSError: what guests are on may be forgotten with us."""
        for link in links:
            if self._known.get(link.name) != link or not (self._runtime / link.name).exists():
                make_directory(self._runtime / link.name)
                path = self._runtime / link.name / "link.tmp"
                path.write_text(json.dumps(describe(link)))
                os.replace(path, path.with_suffix(".json"))
        self._known = {link.name: link for link in links}

    def _is_made(self, link: Link) -> bool:
        return (
            self._find(link.bridge) is not None
            and self._complaints.find(_made(link.name)) is None
            and self._complaints.find(_served(link)) is None
            and self._complaints.find(_SUBJECT) is None
        )

    def _changed(self, links: Sequence[Link]) -> bool:
        return any(self._find(name) != self._indexes.get(name) for link in links for name in _devices(link))

    def _make(self, links: Sequence[Link], document: Document, again: bool = False) -> bool:
        """
        :param again: it was in place, and nothing else is wanted since.
        :return: whether all of it is in place.
        """
        failed: dict[str, str] = {}
        try:
            for attempt in range(2):  # what hindered the first may be right after it: settings of a new device
                found = look(self._run, any(link.vlan for link in links) or _has_vlans())
                kept = self._kept(links, found, LINKS in document.misread)
                made = plan(links, found, kept)
                made.ip += self._strays(links, document.nics or ())
                if again and not attempt:
                    self._tell_changes(made)
                failed = self._execute(made)
                self._set_system(links)
                if not failed and not made.obstacles:
                    break
            self._remember(links)
            self._remove_servers(links, kept)
        except (CommandMissing, CommandFailed, OSError) as error:
            told = f"{error} is not installed" if isinstance(error, CommandMissing) else str(error)
            self._complaints.tell(LINKS_UNKNOWN, _SUBJECT, f"its networks are not kept: {told}", (LINKS,))
            return False
        self._complaints.withdraw(_SUBJECT)
        for link in links:
            told = made.obstacles.get(link.name) or failed.get(link.name, "")
            if told:
                self._complaints.tell(LINK_FAILED, _made(link.name), f"the network is not as it should be here: {told}")
            else:
                self._complaints.withdraw(_made(link.name))
        right = {_made(link.name) for link in links}
        for subject in self._complaints.subjects():
            if subject.endswith(_MADE) and subject not in right:
                self._complaints.withdraw(subject)
        return not failed and not made.obstacles

    def _kept(self, links: Sequence[Link], found: Found, misread: bool) -> frozenset[int]:
        """
        Numbers of networks that are no more wanted, and stay: guests are on them, or it is not known what was meant.
        """
        wanted = {link.number for link in links}
        there = {int(name[2:]) for name in found.devices if is_own(name)} - wanted
        if misread:
            return frozenset(there)
        return frozenset(
            number for number in there if any(each.startswith(TAP_PREFIX) for each in ports(f"{BRIDGE}{number}"))
        )

    def _strays(self, links: Sequence[Link], nics: Iterable[NodeNic]) -> list[tuple[str, str]]:
        """Taps of guests that somebody took the bridge from, by deleting it."""
        own = {link.bridge: link.name for link in links if link.own}
        return [
            (own[nic.bridge], f"link set dev {nic.tap} master {nic.bridge}") for nic in nics
            if nic.bridge in own and os.path.isdir(f"/sys/class/net/{nic.tap}")
            and not os.path.islink(f"/sys/class/net/{nic.tap}/master")
        ]  # fmt: skip

    def _tell_changes(self, made: Plan) -> None:
        """What is to be done although nothing is wanted otherwise, somebody else undid."""
        by_network: dict[str, list[str]] = {}
        for name, line in (*made.ip, *made.ip6, *made.bridge):
            by_network.setdefault(name or "routes", []).append(line)
        for name, lines in by_network.items():
            more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
            told = f"somebody changed it; put right by: {lines[0]}{more}"
            self._complaints.differ(LINK, name, told, self._clock() + PUT_RIGHT_S)

    def _execute(self, made: Plan) -> dict[str, str]:
        """:return: by network the first complaint; of none in particular those of nobody's are left out."""
        failed: dict[str, str] = {}
        for program, lines in ((["ip"], made.ip), (["ip", "-6"], made.ip6), (["bridge"], made.bridge)):
            for number, told in run_batch(self._run, program, [line for _, line in lines]):
                name, line = lines[number] if number < len(lines) else ("", "")
                log.warning("network %s: %s: %s", name, line, told)
                failed.setdefault(name, f"{told} ({line})")
        return failed

    def _set_system(self, links: Sequence[Link]) -> None:
        """
        Settings of the kernel's. A node that forwards IPv6 takes no routers' word on interfaces that leave that to the
        default, and would lose its own way out: so those are told to take it all the same.

        :raises OSError: the kernel does not have it so.
        """
        versions = {gateway.version for link in links for gateway in link.gateways}
        if 4 in versions:
            self._set("ipv4/ip_forward", "1")
        if 6 in versions and self._get("ipv6/conf/all/forwarding") != "1":
            for name in os.listdir(self._system / "ipv6/conf"):
                path = f"ipv6/conf/{name}/accept_ra"
                if name not in ("all", "lo") and not is_own(name) and self._get(path) == "1":
                    self._set(path, "2")
            self._set("ipv6/conf/all/forwarding", "1")
        for link in links:
            if link.own and (self._system / "ipv4/conf" / link.bridge).is_dir():
                for path, value in _BRIDGE_SYSTEM:
                    self._set(path.format(link.bridge), value)

    def _get(self, path: str) -> str:
        return (self._system / path).read_text().strip()

    def _set(self, path: str, value: str) -> None:
        if not path.startswith("ipv6") or (self._system / path).exists():  # a kernel may be without IPv6
            if self._get(path) != value:
                (self._system / path).write_text(value)

    def _name(self, links: Sequence[Link], slot_of: Mapping[str, int], hosts: Mapping[str, Sequence[Host]]) -> None:
        """Have each network served that shall be, with what its hosts are now."""
        to_serve = []
        for link in links:
            index = self._find(link.bridge)
            if not link.dhcp or index is None or self._complaints.find(_made(link.name)) is not None:
                continue
            key = (link, slot_of[link.name], index, hosts.get(link.name))
            server = self._servers.setdefault(link.name, Server(link.name, self._runtime, self._run))
            if server.served != key or not server.is_running():
                to_serve.append((server, key))
        if len(to_serve) == 1:
            self._serve(*to_serve[0])
        elif to_serve:
            with ThreadPoolExecutor(_STARTED_AT_ONCE) as pool:
                list(pool.map(lambda each: self._serve(*each), to_serve))

    def _serve(self, server: Server, key: tuple[Link, int, int, Sequence[Host] | None]) -> None:
        link = key[0]
        if server.retry_at > self._clock() and server.served != key and server.failed == key:
            return
        try:
            server.serve(*key)
        except (CommandMissing, CommandFailed, OSError) as error:
            told = f"{error} is not installed" if isinstance(error, CommandMissing) else str(error)
            server.served, server.failed, server.retry_at = None, key, self._clock() + RETRY_S
            told = f"its guests get neither addresses nor names: {told}"
            self._complaints.tell(DHCP_FAILED, _served(link), told)
        else:
            server.served, server.failed = key, None
            self._complaints.withdraw(_served(link))

    def _remove_servers(self, links: Sequence[Link], kept: frozenset[int]) -> None:
        wanted = {link.name for link in links}
        served = {link.name for link in links if link.dhcp}
        for directory in _directories(self._runtime):
            name = directory.name
            if name not in served and int(name[len(BRIDGE) :]) not in kept:
                self._servers.pop(name, Server(name, self._runtime, self._run)).remove()
                self._complaints.withdraw(f"{name} names")
                if name not in wanted:
                    (directory / "link.json").unlink(missing_ok=True)
                    directory.rmdir()

    def _probe(self) -> None:
        """Whether programs and kernel are there: a bridge and a VXLAN that carry nothing come and go, once."""
        now = self._clock()
        if now < self._probe_due:
            return
        self._probe_due = now + RECHECK_S
        self._able = all(self._has(program) is not None for program in PROGRAMS)
        if not self._able or self._kernel:
            return
        try:
            self._run(["ip", "-batch", "-"], "".join(f"{line}\n" for line in _PROBE))
            self._kernel = True
        except (CommandMissing, CommandFailed) as error:
            log.warning("this node can make no networks: %s", error)
            self._able, self._probe_due = False, now + PROBES_S
        for name in ("wx0", "wn0"):
            if self._find(name) is not None:
                try:
                    self._run(["ip", "link", "delete", "dev", name], "")
                except (CommandMissing, CommandFailed) as error:
                    log.warning("%s stays: %s", name, error)


def _directories(runtime: Path) -> list[Path]:
    try:
        return [runtime / name for name in sorted(os.listdir(runtime)) if is_own(name) and name.startswith(BRIDGE)]
    except OSError:
        return []


def _has_vlans() -> bool:
    return any(name.startswith(VLAN) and is_own(name) for _, name in socket.if_nameindex())


def _devices(link: Link) -> list[str]:
    return [link.bridge, *([link.tunnel] if link.vni is not None else []), *([link.vlan_device] if link.vlan else [])]


def _without_ipv6(link: Link) -> Link:
    return replace(link, gateways=tuple(each for each in link.gateways if each.version == 4))


def _made(name: str) -> str:
    """The subject of what is amiss with its devices."""
    return name + _MADE


def _served(link: Link) -> str:
    """The subject of what is amiss with its dnsmasq; with its blank no bridge's name."""
    return f"{link.name} names"
