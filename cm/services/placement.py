"""Placing a VM: decide by the rules on a snapshot, claim under the row lock, decide anew if somebody was faster."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session

from cm.rpc.errors import NoCapacity
from cm.rpc.vocabulary import StorageId
from cm.rules.placement import Decision, NodeLoad, Policy, Ranking, VMRequest
from cm.store.claim import claim_node
from cm.store.node_load import NodeLines, node_lines, node_loads, node_of, read_attached, read_line, read_own

ROUNDS: Final = 5  # of deciding anew
KEPT_MAX: Final = 32  # rankings that are kept


class Kept:
    """
    What all nodes said to a request when one like it was last placed: they are ranked by what a snapshot has, and only
    those of which it tells something new are asked again. Of five hundred nodes all would take longer than everything
    else that a new VM needs.
    """

    def __init__(self, request: VMRequest, policy: Policy) -> None:
        self._ranking = Ranking(request, (), policy)
        self._lines = NodeLines(frozenset(), "")
        self._lock = threading.Lock()

    def ranking(self, lines: NodeLines) -> Ranking:
        """On a snapshot, whose storages are at least those of the request; to take from."""
        with self._lock:
            known, self._lines = self._lines, lines
            attached, own = read_attached(lines.attached), read_own(lines.own)
            for line in known.nodes - lines.nodes:
                self._ranking.drop(node_of(line))
            again = lines.nodes if known.attached != lines.attached else lines.nodes - known.nodes
            if known.own != lines.own:
                before = read_own(known.own)
                again |= {line for line in lines.nodes if before.get(node_of(line)) != own.get(node_of(line))}
            for line in again:
                node_id = node_of(line)
                self._ranking.put(read_line(line, attached.get(node_id, frozenset()), own.get(node_id, ())))
            return self._ranking.copy()


_kept: WeakKeyDictionary[Any, OrderedDict[tuple[VMRequest, Policy], Kept]] = WeakKeyDictionary()  # by engine
_lock = threading.Lock()


class Seen(NamedTuple):
    """A snapshot that was taken along with something else, of those nodes' attachments to these storages alone."""

    storages: frozenset[StorageId]
    lines: NodeLines


def _ranking(session: Session, request: VMRequest, policy: Policy, seen: Seen | None) -> Ranking:
    """On a snapshot of this transaction."""
    if seen is not None and request.storages == seen.storages and request.local is None:
        lines = seen.lines
    else:
        lines = node_lines(session, request.storages, None if request.local is None else request.local.image_id)
    with _lock:
        rankings = _kept.setdefault(session.get_bind().engine, OrderedDict())
        kept = rankings.setdefault((request, policy), Kept(request, policy))
        rankings.move_to_end((request, policy))
        if len(rankings) > KEPT_MAX:
            rankings.popitem(last=False)
    return kept.ranking(lines)


class Placing:
    """
    Places the VMs of one call, on one snapshot as long as nobody else is faster. VMs alike, one after the other, cost
    next to nothing.

    :param loads: a snapshot of this transaction to begin with. ``seen``: one for requests of its storages.
    :param without: a node that is no choice.
    :param only: nodes that are; None: all.
    """

    def __init__(
        self,
        session: Session,
        policy: Policy,
        loads: Iterable[NodeLoad] | None = None,
        *,
        without: int | None = None,
        only: Collection[int] | None = None,
        seen: Seen | None = None,
    ) -> None:
        self._session = session
        self._seen = seen
        self._policy = policy
        self._without = without
        self._only = only
        self._loads = loads
        self._ranking: Ranking | None = None
        self._partial = False  # whether its nodes have those storages alone that its request asks for

    def decide(self, request: VMRequest) -> Decision:
        """
        Place a VM, whose share of the node is to be booked.

        :raises NoCapacity: no node fits.
        """
        ranking = self._ranked(request)
        decision = ranking.decide()
        ranking.take(decision)
        return decision

    def choose(self, request: VMRequest) -> Decision:
        """
        Place a VM and claim its share of the node.

        :raises NoCapacity: no node fits.
        """
        for _ in range(ROUNDS):
            ranking = self._ranked(request)
            decision = ranking.decide()
            if claim_node(self._session, decision.node_id, cpu=request.cpu, memory_mib=request.memory_mib):
                ranking.take(decision)
                return decision
            self._ranking, self._loads, self._partial = None, node_loads(self._session), False
        raise NoCapacity("others are faster; try again")

    def _ranked(self, request: VMRequest) -> Ranking:
        ranking = self._ranking
        if ranking is None and self._loads is None and self._without is None and self._only is None:
            ranking, self._partial = _ranking(self._session, request, self._policy, self._seen), True
        elif ranking is None or ranking.vm != request:
            if self._partial and ranking is not None and not request.storages <= ranking.vm.storages:
                raise ValueError("of the requests of one call, the one of most storages comes first")
            nodes = [node for node in self.loads() if self._may(node.id)]
            ranking = Ranking(request, nodes, self._policy)
        self._ranking = ranking
        return ranking

    def _may(self, node_id: int) -> bool:
        return node_id != self._without and (self._only is None or node_id in self._only)

    def loads(self) -> Iterable[NodeLoad]:
        """The snapshot, with the claims in it; before anything was asked for it, with all storages."""
        if self._ranking is not None:
            return self._ranking.nodes
        if self._loads is None:
            self._loads = node_loads(self._session)
        return self._loads


def explained(decision: Decision) -> dict[str, Any]:
    """A decision as a plan tells it."""
    verdicts = [f"{verdict.node}: {verdict.reason}" for verdict in decision.verdicts]
    return {"verdicts": verdicts, **({"others": decision.others} if decision.others else {})}
