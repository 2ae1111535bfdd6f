"""Placing a VM: decide by the rules on a snapshot, claim under the row lock, decide anew if somebody was faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import NoCapacity
from cm.rpc.vocabulary import NodeId, StorageId
from cm.rules.placement import NodeLoad, Policy, Verdict, VMRequest, place
from cm.store.claim import claim_node
from cm.store.node import node_loads

ROUNDS = 5  # of deciding anew


def choose_node(
    session: Session,
    request: VMRequest,
    policy: Policy,
    loads: Sequence[NodeLoad] | None = None,
    *,
    without: int | None = None,
) -> tuple[NodeId, tuple[Verdict, ...], Sequence[NodeLoad]]:
    """
    Place a VM and claim its share of the node.

    :param loads: a snapshot of this transaction to begin with.
    :param without: a node that is no choice.
    :return: the node, all verdicts, and the snapshot with the claim in it, for the next VM of the same call.
    :raises NoCapacity: no node fits.
    """
    nodes = node_loads(session) if loads is None else loads
    for _ in range(ROUNDS):
        nodes = [node for node in nodes if node.id != without]
        node_id, verdicts = place(request, nodes, policy)
        if claim_node(session, node_id, cpu=request.cpu, memory_mib=request.memory_mib):
            return node_id, verdicts, [_claimed(node, node_id, request) for node in nodes]
        nodes = node_loads(session)
    raise NoCapacity("others are faster; try again")


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


def _claimed(node: NodeLoad, node_id: NodeId, request: VMRequest) -> NodeLoad:
    if node.id != node_id:
        return node
    return replace(
        node, cpu_used=node.cpu_used + request.cpu, memory_mib_used=node.memory_mib_used + request.memory_mib
    )


def record_placement(session: Session, vm_id: int, node_id: int | None, verdicts: Sequence[Verdict]) -> None:
    """Keep a decision, so that it can be explained later."""
    session.execute(
        text("INSERT INTO placement (vm_id, node_id, verdicts) VALUES (:vm_id, :node_id, CAST(:verdicts AS jsonb))"),
        {
            "vm_id": vm_id,
            "node_id": node_id,
            "verdicts": verdicts_text(verdicts),
        },
    )


def verdicts_text(verdicts: Sequence[Verdict]) -> str:
    """A decision's verdicts as they are kept, JSON."""
    return msgspec.json.encode([asdict(v) for v in verdicts]).decode()
