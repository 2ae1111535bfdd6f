"""Queries about operations that others wait for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.rows import has_row
from cm.store.operation import OperationRow, list_operations

ALL = 1_000_000


def list_children(session: Session, parent_id: int) -> Sequence[OperationRow]:
    """Those that an operation opened, oldest first."""
    found = list_operations(
        session, account_id=None, vm_id=None, only_open=False, before=None, limit=ALL, parent_id=parent_id
    )
    return found[::-1]


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
