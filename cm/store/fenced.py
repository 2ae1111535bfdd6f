"""VMs that were taken from nodes which did not answer, until those are seen without them (``services/fencing.py``)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session


def note_fenced(session: Session, node_id: int, vm_id: int) -> None:
    statement = "INSERT INTO fenced_vm (node_id, vm_id) VALUES (:n, :v) ON CONFLICT DO NOTHING"
    session.execute(text(statement), {"n": node_id, "v": vm_id})


def forget_fenced(session: Session, node_id: int, uuids: Sequence[str]) -> None:
    """
    A node was looked at.

    :param uuids: of all domains that it has.
    """
    session.execute(
        text(
            "DELETE FROM fenced_vm f USING vm v WHERE f.node_id = :n AND v.id = f.vm_id"
            " AND NOT v.uuid = ANY(CAST(:uuids AS uuid[]))"
        ),
        {"n": node_id, "uuids": list(uuids)},
    )
