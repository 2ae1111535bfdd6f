"""Queries about operations that others wait for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.database import CHANNEL, note_notified
from cm.runtime.prepared import Prepared
from cm.runtime.rows import has_row
from cm.store.operation import TOPIC, OperationRow, list_operations

ALL = 1_000_000


def list_children(session: Session, parent_id: int) -> Sequence[OperationRow]:
    """Those that an operation opened, oldest first."""
    found = list_operations(
        session, account_id=None, vm_id=None, only_open=False, before=None, limit=ALL, parent_id=parent_id
    )
    return found[::-1]


# Whoever holds the parent looks at its children before it waits, and now and then while it does: nobody needs to wait
# for that row, which is locked before the children's VMs.
_WAKE = Prepared(
    "wake_parent",
    """
WITH woken AS (
    UPDATE operation SET not_before = clock_timestamp()
     WHERE id = (SELECT id FROM operation WHERE id = :id AND state = 'waiting' FOR NO KEY UPDATE SKIP LOCKED))
SELECT pg_notify(:channel, :topic)
""",
)


def wake_parent(session: Session, parent_id: int | None) -> None:
    """A child has ended: have its parent look, if it has one."""
    if parent_id is not None:
        _WAKE.post(session, id=parent_id, channel=CHANNEL, topic=TOPIC)
        note_notified(session, TOPIC)


def hold_unbegun(session: Session, operation_id: int) -> bool:
    """Whether no worker was ever at an operation; locks its row, so that none begins until the transaction ends."""
    return has_row(
        session,
        "SELECT 1 FROM operation WHERE id = :id AND state = 'queued' AND started_at IS NULL AND attempts = 0"
        " FOR NO KEY UPDATE",
        {"id": operation_id},
    )


def adopt(session: Session, operation_id: int, parent_id: int) -> None:
    """Have an operation wait for another that is under way already."""
    session.execute(
        text("UPDATE operation SET parent_id = :parent WHERE id = :id AND id <> :parent"),
        {"id": operation_id, "parent": parent_id},
    )
