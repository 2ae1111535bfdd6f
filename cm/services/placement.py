"""Placing a VM: decide by the rules on a snapshot, claim under the row lock, decide anew if somebody was faster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from cm.rpc.errors import NoCapacity
from cm.rules.placement import Decision, NodeLoad, Policy, Ranking, VMRequest
from cm.store.claim import claim_node
from cm.store.node import node_loads

ROUNDS = 5  # of deciding anew


class Placing:
    """
    Places the VMs of one call, on one snapshot as long as nobody else is faster. VMs alike, one after the other, cost
    next to nothing.

    :param loads: a snapshot of this transaction to begin with.
    :param without: a node that is no choice.
    """

    def __init__(
        self, session: Session, policy: Policy, loads: Iterable[NodeLoad] | None = None, *, without: int | None = None
    ) -> None:
        self._session = session
        self._policy = policy
        self._without = without
        self._loads = loads
        self._ranking: Ranking | None = None

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
            self._ranking, self._loads = None, node_loads(self._session)
        raise NoCapacity("others are faster; try again")

    def _ranked(self, request: VMRequest) -> Ranking:
        if self._ranking is None or self._ranking.vm != request:
            nodes = [node for node in self.loads() if node.id != self._without]
            self._ranking = Ranking(request, nodes, self._policy)
        return self._ranking

    def loads(self) -> Iterable[NodeLoad]:
        """The snapshot, with the claims in it."""
        if self._ranking is not None:
            return self._ranking.nodes
        if self._loads is None:
            self._loads = node_loads(self._session)
        return self._loads


def told(decision: Decision) -> dict[str, Any]:
    """A decision as a plan tells it."""
    verdicts = [f"{verdict.node}: {verdict.reason}" for verdict in decision.verdicts]
    return {"verdicts": verdicts, **({"others": decision.others} if decision.others else {})}
