"""Which logs of serial consoles nodes have still to delete, and which nodes can be asked for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.rows import has_row
from cm.store.conditions import is_open

MOST: Final = 1000  # logs of a node that are deleted in one sweep


def is_answering(session: Session, node_id: int) -> bool:
    return has_row(
        session, "SELECT 1 FROM node WHERE id = :n AND state = 'ok' AND deleted_at IS NULL", {"n": node_id}
    )


def answering_nodes(session: Session) -> Sequence[int]:
    return list(
        session.scalars(text("SELECT id FROM node WHERE state = 'ok' AND deleted_at IS NULL ORDER BY id"))
    )


# A node itself, and what its machine was before: taken out of the cluster, and added again later. Its files stayed.
_SAME = (
    "(SELECT CAST(:n AS bigint) UNION ALL SELECT was.id FROM node n JOIN node was"
    " ON was.host_uuid = n.host_uuid AND was.host_label = n.host_label"
    " WHERE n.id = :n AND n.host_uuid <> '' AND was.deleted_at IS NOT NULL)"
)


def needless_logs(session: Session, node_id: int) -> list[tuple[int, str]]:
    """
    The VMs, by id and uuid, whose logs on this node nobody can ask for any more, some of them at a time. What is being
    worked on is left to the next sweep: it may be on its way here.
    """
    found = session.execute(
        text(
            "SELECT v.id, v.uuid::text AS uuid FROM vm v WHERE v.id IN"
            f" (SELECT c.vm_id FROM console_leftover c WHERE c.node_id IN {_SAME})"
            " AND (v.closed_at < now() - interval '1 minute' OR v.closed_at IS NULL AND v.console_node_id <> :n"
            f"  AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id AND {is_open('o')}))"
            " ORDER BY v.id LIMIT :most"
        ),
        {"n": node_id, "most": MOST},
    )
    return [(row.id, row.uuid) for row in found]


def leave_log(session: Session, vm_id: int, node_id: int) -> None:
    """A VM that goes on elsewhere may have a log on a node that it was on its way to."""
    statement = (
        "INSERT INTO console_leftover (vm_id, node_id) SELECT id, :n FROM vm"
        " WHERE id = :id AND console_node_id IS DISTINCT FROM :n ON CONFLICT DO NOTHING"
    )
    session.execute(text(statement), {"id": vm_id, "n": node_id})


def forget_logs(session: Session, node_id: int, vm_ids: Sequence[int]) -> None:
    """They are gone from this node. A VM that ends leaves nothing there, then."""
    values = {"n": node_id, "i": list(vm_ids)}
    session.execute(text(f"DELETE FROM console_leftover WHERE node_id IN {_SAME} AND vm_id = ANY(:i)"), values)
    session.execute(
        text("UPDATE vm SET console_node_id = NULL WHERE id = ANY(:i) AND console_node_id = :n AND closed_at IS NULL"),
        values,
    )
