"""Queries about emptying a node: what is there, what an earlier run left half-way, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.operation import OperationKind


@dataclass(frozen=True)
class Departing:
    """
    A VM that is on a node, or that was to leave it.

    :ivar move_id: the operation that was done with it last, where that was a move; ``move_failed``: and it failed.
    :ivar kept_on: the storage of the node's own that a disk of it is on, by its name; "": it may run elsewhere.
    """

    id: int
    move_id: int | None
    move_failed: bool
    kept_on: str


_DEPARTING = text(
    """
SELECT v.id, last.kind, last.id AS last_id, last.state AS last_state,
       coalesce((SELECT min(s.name) FROM (SELECT u.storage_id FROM attachment a JOIN disk k ON k.id = a.disk_id
                                            JOIN volume u ON u.id = k.volume_id WHERE a.vm_id = v.id
                                           UNION ALL SELECT u.storage_id FROM seed e
                                            JOIN volume u ON u.id = e.volume_id WHERE e.vm_id = v.id
                                           UNION ALL SELECT v.nvram_storage_id) x
                   JOIN storage s ON s.id = x.storage_id
                  WHERE s.node_id IS NOT NULL), '') AS kept_on
  FROM vm v
  LEFT JOIN LATERAL (SELECT o.id, o.kind, o.state, o.arguments FROM operation o
                      WHERE o.vm_id = v.id AND NOT o.concurrent
                      ORDER BY o.id DESC LIMIT 1) last ON true
 WHERE v.closed_at IS NULL
   AND (v.node_id = :node_id
        OR last.kind = 'vm_move' AND last.state <> 'done' AND last.arguments @> jsonb_build_object('source', :node_id))
 ORDER BY v.memory_mib DESC, v.cpu DESC, v.id
"""
)


def list_departing(session: Session, node_id: int) -> Sequence[Departing]:
    """The biggest first: small ones fit into what is left."""
    return [
        Departing(row.id, row.last_id, row.last_state == "failed", row.kept_on)
        if row.kind == OperationKind.VM_MOVE
        else Departing(row.id, None, False, row.kept_on)
        for row in session.execute(_DEPARTING, {"node_id": node_id})
    ]


def list_arriving(session: Session, node_id: int) -> Sequence[int]:
    """VMs that hold a place on a node which they are going to move to."""
    statement = "SELECT id FROM vm WHERE moves_to = :node_id AND closed_at IS NULL ORDER BY id"
    return list(session.scalars(text(statement), {"node_id": node_id}))


def lock_departing(session: Session, node_id: int, others: Sequence[int] = ()) -> None:
    """Hold their rows until the transaction ends, in the order of their ids. :param others: VMs beside them."""
    vm_ids = sorted({*others, *(found.id for found in list_departing(session, node_id))})
    session.execute(text("SELECT 1 FROM vm WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"), {"ids": vm_ids})
