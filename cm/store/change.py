"""The change feed's rows, written by the transactions that make the change; ``feed.py`` tells readers of them."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

_INSERT = text(
    "INSERT INTO change (account_id, kind, object_id, event) VALUES (:account_id, :kind, :object_id, :event)"
)


def record_change(session: Session, kind: str, object_id: int, account_id: int | None, event: str = "change") -> None:
    """
    :param account_id: whose object it is; None for the cluster's own.
    :param event: "enter", "change" or "exit".
    """
    session.execute(_INSERT, {"account_id": account_id, "kind": kind, "object_id": object_id, "event": event})
