"""
Nodes' documents: made of remembered sections, and the long poll for them. Waiting costs a Deferred, neither a thread
nor a database connection; a change wakes the polls of the nodes that it concerns, and has read no more than it changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from cm.rules.link import hosts_of, link_of
from cm.rules.names import CONSOLE_DIRECTORY, link_name
from cm.rules.network import limited
from cm.rules.node_document import (
    CALLS,
    CONSOLES,
    FIREWALL,
    FORMAT,
    HOSTS,
    LINKS,
    NETWORKS,
    NICS,
    PUBLIC,
    SCREENS,
    SECURITY,
    SETTINGS,
    Rendered,
    Section,
    render,
    section,
)
from cm.rules.security import document_group
from cm.runtime.database import Database
from cm.runtime.shared import Shared
from cm.services.agent import GUEST_DEFAULTS, GuestSettings
from cm.store.node_document import ALL, OwnFacts, SharedFacts, own_facts, shared_facts

WAIT_MAX_S: Final = 60.0
KEPT_S: Final = 10.0  # should a notification be lost, what it was about is seen after this long
KEPT_MAX: Final = 4096  # nodes


@dataclass(frozen=True)
class _Kept:
    """
    Sections that were read.

    :ivar mark: of what they were made of, as it was before they were read; see ``Documents._mark``.
    :ivar public: the networks of all public addresses, which are part of nodes' own sections.
    """

    sections: Sequence[Section]
    mark: tuple[int, ...]
    at: float
    public: Sequence[str]


class Documents:
    """
    :param hook_version: of the hook that nodes should have installed.
    :param guests: what the settings say of them.
    :param kept_s: how long what was read is good; nothing is kept where no notifications come.
    """

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        hook_version: str,
        guests: GuestSettings = GUEST_DEFAULTS,
        kept_s: float = KEPT_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = section(SETTINGS, hook_version=hook_version)
        self._guests = guests
        self._kept_s = kept_s
        self._changes: Counter[int] = Counter()  # by node; of what is shared under ALL, of everything under -1
        self._shared: _Kept | None = None
        self._reading: Shared | None = None
        self._own: dict[int, _Kept] = {}
        self._waiting: dict[int, dict[Deferred[None], None]] = {}  # by node, in the order in which they came

    def changed(self, payload: str = "") -> None:
        """
        What documents are made of has changed: wake whom that concerns.

        :param payload: a node's id, or that of ``ALL``; empty where it is not known what has changed.
        """
        node_id = int(payload) if payload.isdecimal() else -1
        self._changes[node_id] += 1
        if node_id > ALL:
            woken = list(self._waiting.pop(node_id, ()))
        else:
            woken = [each for waiting in self._waiting.values() for each in waiting]
            self._waiting.clear()
        for each in woken:
            if not each.called:
                each.callback(None)

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def poll(self, node_id: int, version: str, wait_s: float, format_: int = FORMAT) -> Rendered:
        """
        The document: at once if it is another than ``version``, else when it becomes one, or after ``wait_s``.

        :raises ObjectNotFound: there is no such node.
        """
        end = self._clock.seconds() + min(max(wait_s, 0.0), WAIT_MAX_S)
        while True:
            mark = self._mark(ALL, node_id)
            found = await self.current(node_id, format_)
            left_s = end - self._clock.seconds()
            if found.version != version or left_s <= 0:
                return found
            if mark == self._mark(ALL, node_id):  # else it changed while we read
                await self._wait(node_id, left_s)

    async def current(self, node_id: int, format_: int = FORMAT) -> Rendered:
        """
        A node's document as it is now.

        :raises ObjectNotFound: there is no such node.
        """
        shared = await self._get_shared()
        own = await self._get_own(node_id, shared.public)
        return render([*shared.sections, *own.sections], format_)

    # ---- what is read

    def _mark(self, *node_ids: int) -> tuple[int, ...]:
        """Another one: something of these may have changed."""
        return (self._changes[-1], *(self._changes[node_id] for node_id in node_ids))

    def _is_good(self, kept: _Kept | None, node_id: int) -> bool:
        return kept is not None and kept.mark == self._mark(node_id) and self._clock.seconds() - kept.at < self._kept_s

    async def _get_shared(self) -> _Kept:
        """Of however many polls that are woken at once, one has it read."""
        while True:
            kept = self._shared
            if kept is not None and self._is_good(kept, ALL):
                return kept
            reading = self._reading
            if reading is None:
                reading = self._reading = Shared()
                Deferred.fromCoroutine(self._read_shared()).addBoth(self._tell, reading)
            kept = await reading.wait()
            if kept.mark == self._mark(ALL):
                return kept

    async def _read_shared(self) -> _Kept:
        mark, at = self._mark(ALL), self._clock.seconds()
        facts = await self._database.read(shared_facts)
        self._shared = kept = _Kept([*self._of_all(facts), self._settings], mark, at, facts.public)
        return kept

    def _tell(self, outcome: Any, reading: Shared) -> None:
        self._reading = None
        reading.end(outcome)

    async def _get_own(self, node_id: int, public: Sequence[str]) -> _Kept:
        while True:
            kept = self._own.get(node_id)
            if kept is not None and kept.public == public and self._is_good(kept, node_id):
                return kept
            mark, at = self._mark(node_id), self._clock.seconds()
            sections = self._of_one(await self._database.read(own_facts, node_id), public)
            if len(self._own) >= KEPT_MAX:
                self._own.clear()
            kept = self._own[node_id] = _Kept(sections, mark, at, public)
            if mark == self._mark(node_id):
                return kept

    def _of_all(self, facts: SharedFacts) -> list[Section]:
        networks = [
            {
                "name": network.name,
                "bridge": network.bridge,
                "gateway": f"{network.gateway}/{network.prefix}",
                "pool": network.network,
                "metadata": True,
            }
            for network in facts.networks
        ]
        management = sorted({*self._guests.management_networks, *facts.addresses})
        reachable = sorted(self._guests.reachable_networks)
        return [
            section(NETWORKS, networks=networks),
            section(FIREWALL, management=management, reachable=reachable),
        ]

    def _of_one(self, facts: OwnFacts, public: Sequence[str]) -> list[Section]:
        # VMs that an older release started log beside their disks until they are started anew.
        directories = [CONSOLE_DIRECTORY, *facts.storage_paths]
        guests = self._guests
        logs = {"directories": directories, "max_bytes": guests.console_log_bytes}
        made = [
            section(SCREENS, vnc_ports=facts.vnc_ports),
            section(CONSOLES, **logs),
            section(NICS, nics=[limited(each, guests.nic_kbit_in, guests.nic_kbit_out) for each in facts.nics]),
            section(
                SECURITY,
                groups={
                    str(key): document_group(group, with_rules=key in facts.used) for key, group in facts.groups.items()
                },
            ),
        ]
        if facts.makes_links:  # an agent of before would not say that it has them
            made.append(section(LINKS, links=[link_of(each, facts.tunnel_address) for each in facts.links]))
            made.append(section(HOSTS, hosts={link_name(each["id"]): hosts_of(each) for each in facts.links}))
        if facts.answers_public:
            told = {"addresses": list(facts.public), "ports": list(facts.ports), "reachable": list(public)}
            if facts.coming or facts.coming_ports:
                told["coming"] = {"addresses": list(facts.coming), "ports": list(facts.coming_ports)}
            made.append(section(PUBLIC, **told))
        if facts.calls:
            made.append(section(CALLS, calls=list(facts.calls)))
        return made

    # ---- waiting

    async def _wait(self, node_id: int, seconds: float) -> None:
        woken: Deferred[None] = Deferred()
        self._waiting.setdefault(node_id, {})[woken] = None
        timer = self._clock.callLater(seconds, self._time_out, node_id, woken)
        try:
            await woken
        finally:
            self._leave(node_id, woken)
            if timer.active():
                timer.cancel()

    def _time_out(self, node_id: int, woken: Deferred[None]) -> None:
        self._leave(node_id, woken)
        if not woken.called:  # by a change that came in a process's standstill, in which its time ran out, too
            woken.callback(None)

    def _leave(self, node_id: int, woken: Deferred[None]) -> None:
        waiting = self._waiting.get(node_id, {})
        waiting.pop(woken, None)
        if not waiting:
            self._waiting.pop(node_id, None)
