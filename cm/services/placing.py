"""Placing a VM: decide by the rules on a snapshot, claim under the row lock, decide anew if somebody was faster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import NoCapacity
from cm.rpc.vocabulary import StorageId
from cm.rules.placement import Decision, NodeLoad, Policy, Ranking, Verdict, VMRequest
from cm.runtime.prepared import Prepared
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


def storages_of(session: Session, vm_id: int) -> frozenset[StorageId]:
    """The storages that a node must reach to run a VM: of its disks, and of what is attached to it."""
    found = session.scalars(
        text(
            "SELECT storage_id FROM disk WHERE vm_id = :id AND deleted_at IS NULL UNION SELECT i.storage_id"
            " FROM image_attachment a JOIN image i ON i.id = a.image_id WHERE a.vm_id = :id"
        ),
        {"id": vm_id},
    )
    return frozenset(StorageId(storage_id) for storage_id in found)


_RECORD = Prepared(
    "record_placement",
    "INSERT INTO placement (vm_id, node_id, verdicts, others)"
    " VALUES (:vm_id, :node_id, CAST(:verdicts AS jsonb), CAST(:others AS jsonb))",
)


def record_placement(session: Session, vm_id: int, node_id: int, decision: Decision | None = None) -> None:
    """
    Keep where a VM was placed, so that it can be explained later.

    :param decision: None: nobody chose, it was there already.
    """
    verdicts, others = (decision.verdicts, decision.others) if decision is not None else ((), {})
    _RECORD(session, vm_id=vm_id, node_id=node_id, verdicts=verdicts_text(verdicts), others=others_text(others))


def verdicts_text(verdicts: Sequence[Verdict]) -> str:
    """A decision's verdicts as they are kept, JSON."""
    return msgspec.json.encode([verdict._asdict() for verdict in verdicts]).decode()


def others_text(others: Mapping[str, int]) -> str:
    """How many of the other nodes had which reason, as it is kept, JSON."""
    return msgspec.json.encode(others).decode()
