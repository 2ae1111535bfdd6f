"""Whose logs of serial consoles nodes have to keep."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.rows import has_row
from cm.store.conditions import is_open


def is_answering(session: Session, node_id: int) -> bool:
    return has_row(
        session, "SELECT 1 FROM node WHERE id = :n AND state = 'ok' AND deleted_at IS NULL", {"n": node_id}
    )


def answering_nodes(session: Session) -> Sequence[int]:
    return list(
        session.scalars(text("SELECT id FROM node WHERE state = 'ok' AND deleted_at IS NULL ORDER BY id"))
    )


def needless_logs(session: Session, node_id: int, uuids: Sequence[str]) -> frozenset[str]:
    """
    Of VMs, by their uuids, those whose log on this node nobody can ask for any more. What is being worked on is left to
    the next sweep: it may be on its way here.
    """
    found = session.scalars(
        text(
            "SELECT v.uuid::text FROM vm v WHERE v.uuid = ANY(CAST(:u AS uuid[]))"
            " AND (v.closed_at < now() - interval '1 minute' OR v.closed_at IS NULL AND v.console_node_id <> :n"
            f"  AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id AND {is_open('o')}))"
        ),
        {"u": list(uuids), "n": node_id},
    )
    return frozenset(found)
