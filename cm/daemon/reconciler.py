"""The loop of the passes over nodes: every node in turn, and one at once when something hints at news from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cm.interfaces.hypervisor import DomainEvent
from cm.rpc.errors import CloudError, DatabaseUnavailable, Overloaded
from cm.runtime.loop import Loop
from cm.runtime.metrics import Metrics
from cm.services.console_log import sweep_logs
from cm.services.context import Services
from cm.services.reconcile import mark_passed, run_pass
from cm.services.volume import run_storage_pass
from cm.store.reconcile import Recorded, Rhythm, next_turn, nodes_by_state, recorded, storages_by_node, take_turns

log = Logger()
STORAGE_S = 600.0  # between passes over storages: listing one reads every volume's header
PASSES_PER_S = 20.0  # at the most, of a cluster: with more than 300 nodes a round takes longer than the usual 15 s
MARK_S = 0.5  # for which marks of passes that found nothing new are collected
LATEST_S = 5.0  # between looks for turns that are due; a node that is added or falls silent brings its own
LOST_S = 120.0  # a turn takes two statements at the most, of 30 s each
SILENT_S = 2.0  # between passes over a node that does not answer
METRICS_S = 15.0
PANICKED_S = 600.0  # for which it is remembered that a guest's kernel panicked; a pass takes it up at once
HINT_S = 0.3  # after a hint: hooks and operations usually settle it themselves meanwhile


class Reconciler:
    """
    Passes of one node never overlap; a hint that comes during one leads to another after it.

    :param happened: told of each event of a domain, with its node and the domain's name.

    Every process may pass; full passes by the clock are made by whichever gets the turn (``node.passed_at`` moves on),
    so several processes share them.
    """

    def __init__(
        self,
        services: Services,
        reactor: Any,
        every_s: float,
        metrics: Metrics | None = None,
        happened: Callable[[int, str], None] = lambda node_id, domain: None,
    ) -> None:
        self._happened = happened
        self._metrics = metrics
        self._services = services
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._every_s = every_s
        self._rhythm = Rhythm(every_s, SILENT_S, PASSES_PER_S)
        self._under_way: set[int] = set()
        self._again: set[int] = set()
        self._subscribed: set[int] = set()
        self._stopping = False
        self._mark_timer: Any = None
        self._as_recorded: dict[int, float] = {}  # nodes that were found so, and when
        self._measure_at = 0.0
        self._panicked: dict[str, float] = {}  # uuids of domains, and when we heard of it
        self.turns = Loop(reactor, "the passes over nodes", LATEST_S, self._turn, lost_s=LOST_S)
        self.storages = Loop(reactor, "the passes over storages", STORAGE_S, self.check_storages, STORAGE_S)

    def start(self) -> None:
        self.turns.start()
        self.storages.start()

    async def check_storages(self) -> None:
        """Pass over every storage, each through one node, and over the logs that each node has."""
        for storage_id, node_id in await self._services.database.read(storages_by_node):
            await run_storage_pass(self._services, storage_id, node_id)
        await sweep_logs(self._services)

    def stop(self) -> None:
        self._stopping = True
        self.turns.stop()
        self.storages.stop()
        if self._mark_timer is not None and self._mark_timer.active():
            self._mark_timer.cancel()

    async def _turn(self) -> float:
        """
        Look at what is due.

        :return: seconds until the next is, ``LATEST_S`` at the most.
        """
        wait_s = 0.0
        try:
            wait_s = await self._services.database.read(next_turn, self._rhythm)
            if wait_s <= 0:
                await self._due()
        except (DatabaseUnavailable, Overloaded):
            pass  # the next turn is soon
        return self._apart(min(wait_s, LATEST_S))

    def _apart(self, seconds: float) -> float:
        """So far are two turns apart at the least."""
        return max(min(self._every_s / 5, 1.0), seconds)

    def _failed(self, failure: Any) -> None:
        if failure.check(DatabaseUnavailable, Overloaded):
            return
        log.failure("a pass failed", failure=failure)

    async def _due(self) -> None:
        turns = await self._services.database.transact(take_turns, self._rhythm)
        known = await self._services.database.read(recorded, turns) if turns else {}
        for node_id in turns:
            self.look(node_id, known[node_id])

    def _found_as_recorded(self, node_id: int) -> None:
        """Marks of many nodes are written in one commit, a moment later."""
        self._as_recorded[node_id] = self._clock.seconds()
        if (self._mark_timer is None or not self._mark_timer.active()) and not self._stopping:
            self._mark_timer = self._clock.callLater(MARK_S, self._mark)

    def _mark(self) -> None:
        found, self._as_recorded = self._as_recorded, {}
        now = self._clock.seconds()
        ago_s = {node_id: now - at for node_id, at in found.items()}
        marking = self._services.database.transact(mark_passed, ago_s, self._services.policy)
        Deferred.fromCoroutine(marking).addErrback(self._failed)

    def hint(self, subject: str) -> None:
        """Notification ``look:<node id>``."""
        if subject:
            self._clock.callLater(HINT_S, self.look, int(subject))

    def hint_storages(self, subject: str) -> None:
        """Notification ``storages``: an administrator wants something done that a pass over them does."""
        if subject:
            self.storages.within(HINT_S)

    def look(self, node_id: int, known: Recorded | None = None) -> None:
        """
        Pass over a node now.

        :param known: what is recorded of it, where that was read just now.
        """
        if self._stopping:
            return
        if node_id in self._under_way:
            self._again.add(node_id)
            return
        self._under_way.add(node_id)
        Deferred.fromCoroutine(self._pass(node_id, known)).addErrback(self._failed)

    async def _pass(self, node_id: int, known: Recorded | None) -> None:
        try:
            made = await run_pass(
                self._services,
                node_id,
                fresh=node_id not in self._subscribed,
                known=known,
                as_recorded=self._found_as_recorded,
                panicked=self._panicked.keys(),
            )
            if self._metrics is not None and self._clock.seconds() >= self._measure_at:
                self._measure_at = self._clock.seconds() + METRICS_S
                self._metrics.nodes(await self._services.database.read(nodes_by_state))
            if made is None:
                self._subscribed.discard(node_id)
                self.turns.within(self._apart(min(SILENT_S, self._every_s)))
            elif node_id not in self._subscribed:
                await self._subscribe(node_id)
        finally:
            self._under_way.discard(node_id)
            if node_id in self._again:
                self._again.discard(node_id)
                self._clock.callLater(HINT_S, self.look, node_id)

    async def _subscribe(self, node_id: int) -> None:
        """Hear the hypervisor's events as hints. Ends of domains are what the hook may have lost."""

        def happened(event: DomainEvent) -> None:
            self._reactor.callFromThread(self._happened, node_id, event.name)
            if event.event in ("crashed", "started"):
                self._reactor.callFromThread(self._heard, event.uuid, event.event == "crashed")
            if event.event in ("stopped", "crashed", "started", "suspended", "resumed"):
                self._reactor.callFromThread(self.hint, str(node_id))

        def lost(reason: str) -> None:
            self._reactor.callFromThread(self._lost, node_id, reason)

        try:
            await self._services.fleet.node(node_id).hypervisor.subscribe(happened, lost)
            self._subscribed.add(node_id)
        except CloudError as error:
            log.info("node {node_id}: no events: {error}", node_id=node_id, error=str(error))

    def _heard(self, uuid: str, panicked: bool) -> None:
        """Until it is started again, or long enough for the pass that comes of it."""
        now = self._clock.seconds()
        # In place: a pass that is under way goes by it, too.
        for each in [each for each, at in self._panicked.items() if each == uuid or at <= now - PANICKED_S]:
            del self._panicked[each]
        if panicked:
            self._panicked[uuid] = now

    def _lost(self, node_id: int, reason: str) -> None:
        log.info("node {node_id}: its events ended: {reason}", node_id=node_id, reason=reason)
        self._subscribed.discard(node_id)
        self.hint(str(node_id))

    def forget(self, subject: str) -> None:
        """Notification ``node:<id>``: its address changed, or it was removed."""
        if subject:
            self._subscribed.discard(int(subject))
            Deferred.fromCoroutine(self._services.fleet.forget(int(subject))).addErrback(self._failed)
            self.turns.within(self._apart(0.0))
