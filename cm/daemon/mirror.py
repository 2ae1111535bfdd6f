"""The loop of the looks at what libvirt has on nodes, for the managed-node model."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from cm.rpc.errors import DatabaseUnavailable, ObjectNotFound, Overloaded
from cm.rules.names import vm_of_domain
from cm.runtime.loop import Loop
from cm.services.context import Services
from cm.services.mirror import look_at, look_at_domains
from cm.store.managed import take_looks

log = Logger()
# Of a cluster, at the most: with more nodes a round takes longer. Each compares all domains of a node with what is on
# record; twenty a second, with forty domains each, took a third of a core of a cluster in which nothing happened.
LOOKS_PER_S: Final = 5.0
HINT_S: Final = 0.2  # after an event: several come together
OWN_HINT_S: Final = 2.0  # where a VM's domain changed, which operations do by the hundred, and their records tell of


class Mirror:
    """
    Looks of one node never overlap in a process; of several processes one has each turn.

    :param reactor: an ``IReactorTime``.
    :param every_s: between two looks at a node.
    """

    def __init__(self, services: Services, reactor: Any, every_s: float) -> None:
        self._services = services
        self._reactor = reactor
        self._every_s = every_s
        self._under_way: set[int] = set()
        self._hinted: dict[int, IDelayedCall] = {}
        self._stopped = False
        self.turns = Loop(reactor, "looks at what nodes have", every_s / 3, self._turn)

    def start(self) -> None:
        self.turns.start()

    def stop(self) -> None:
        self._stopped = True
        self.turns.stop()

    async def _turn(self) -> None:
        try:
            due = await self._services.database.transact(take_looks, self._every_s * 2 / 3, LOOKS_PER_S)
        except (DatabaseUnavailable, Overloaded):
            return  # the next turn is soon
        for node_id in due:
            self._begin(node_id, look_at)

    def hint(self, node_id: int, domain: str) -> None:
        """A domain of the node changed, as libvirt says."""
        if self._stopped:
            return
        within_s = HINT_S if vm_of_domain(domain) is None else OWN_HINT_S
        waits = self._hinted.get(node_id)
        if waits is None:
            self._hinted[node_id] = self._reactor.callLater(within_s, self._hint, node_id)
        elif waits.getTime() > self._reactor.seconds() + within_s:
            waits.reset(within_s)

    def _hint(self, node_id: int) -> None:
        if node_id in self._under_way:
            self._hinted[node_id] = self._reactor.callLater(HINT_S, self._hint, node_id)
            return
        del self._hinted[node_id]
        self._begin(node_id, look_at_domains)

    def _begin(self, node_id: int, look: Callable[[Services, int], Coroutine[Any, Any, None]]) -> None:
        if self._stopped or node_id in self._under_way:
            return
        self._under_way.add(node_id)
        Deferred.fromCoroutine(look(self._services, node_id)).addErrback(self._failed).addBoth(self._ended, node_id)

    def _ended(self, _: object, node_id: int) -> None:
        self._under_way.discard(node_id)

    def _failed(self, failure: Any) -> None:
        if not failure.check(DatabaseUnavailable, Overloaded, ObjectNotFound):
            log.failure("a look at what a node has failed", failure=failure)
