"""Letting go of records that nobody asks for any more; audit rows and closed VMs stay."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.feed import prune_changes
from cm.store.operation import LOCK_CLASS

BATCH: Final = 10_000  # rows of a table in one transaction, so that nobody waits for it

# Table, the condition on what may go, and its key.
OLD: Final = (
    ("request", "at < now() - interval '7 days'"),
    ("hook_event", "received_at < now() - interval '30 days'"),
    ("placement", "at < now() - interval '30 days' AND vm_id IN (SELECT id FROM vm WHERE closed_at IS NOT NULL)"),
    ("drift", "closed_at < now() - interval '30 days'"),
    # What it was shared with hears of its end through the feed, so grants outlive their object by as long as changes.
    (
        "acl",
        "kind = 'vm' AND EXISTS (SELECT 1 FROM vm v WHERE v.id = object_id AND v.closed_at < now() - interval '7 days')"
        " OR kind = 'image' AND EXISTS"
        " (SELECT 1 FROM image i WHERE i.id = object_id AND i.deleted_at < now() - interval '7 days')",
    ),
    ("message", "created_at < now() - interval '30 days'"),
    ("enrolment_token", "expires_at < now() - interval '1 day'"),
)


def prune(session: Session) -> dict[str, int]:
    """
    :return: rows deleted, by table.
    """
    gone = {"change": prune_changes(session, BATCH)}
    for table, condition in OLD:
        statement = f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} WHERE {condition} LIMIT :batch)"
        done = session.execute(text(statement), {"batch": BATCH})
        gone[table] = int(done.rowcount)  # type: ignore[attr-defined]
    session.execute(
        text(
            "DELETE FROM worker w WHERE started_at < now() - interval '1 day'"
            " AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.worker_id = w.id)"
            " AND NOT EXISTS (SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = :lock_class"
            "  AND l.objid = w.id)"
        ),
        {"lock_class": LOCK_CLASS},
    )
    return gone
