"""
The cloud's change feed: its own changes and those of its clusters, in one order; and taking over a cluster's.

A cluster's changes are written in the transaction that moves its cursor, so each comes once, whoever reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.feed import FINAL, FeedRow, Position, prune_changes

BATCH: Final = 10_000  # rows of a table in one transaction, so that nobody waits for it


@dataclass(frozen=True, slots=True)
class Event:
    """
    A change as a cluster told it.

    :ivar object: JSON, or None.
    :ivar users: ids of ours; ``groups`` likewise.
    :ivar personal: these lost sight of what is still there.
    """

    kind: str
    object_id: int
    uuid: str | None
    event: str
    at: datetime | None
    object: str | None = None
    users: Sequence[int] = field(default_factory=tuple)
    groups: Sequence[int] = field(default_factory=tuple)
    public: bool = False
    personal: bool = False


_PAGE = text(
    "SELECT xid, id, at, cluster_id, (SELECT name FROM cluster WHERE cluster.id = cluster_id) AS cluster, kind,"
    " object_id, CAST(uuid AS text) AS uuid, event, object, users, groups, public, personal, happened_at"
    f" FROM change WHERE {FINAL} ORDER BY xid, id LIMIT :limit"
)


def read_changes(session: Session, after: Position, limit: int) -> list[FeedRow]:
    """Changes after a position that nothing can precede any more. A cluster's tell which cluster's."""
    found = session.execute(_PAGE, {"xid": after[0], "id": after[1], "limit": limit})
    return [
        FeedRow(
            position=(row.xid, row.id),
            kind=row.kind,
            object_id=row.object_id,
            uuid=row.uuid,
            event=row.event,
            at=row.happened_at or row.at,
            object=row.object,
            users=frozenset(row.users),
            groups=frozenset(("", group) for group in row.groups),
            public=row.public,
            personal=row.personal,
            more={} if row.cluster_id is None else {"cluster_id": row.cluster_id, "cluster": row.cluster},
        )
        for row in found
    ]


def read_cursor(session: Session, cluster_id: int) -> str | None:
    """How far a cluster's changes were taken over; "" for not at all; None: there is no such cluster."""
    found: str | None = session.execute(
        text("SELECT feed_cursor FROM cluster WHERE id = :id AND deleted_at IS NULL"), {"id": cluster_id}
    ).scalar()
    return found


def move_cursor(session: Session, cluster_id: int, was: str, now: str) -> bool:
    """
    Note how far a cluster's changes were taken over.

    :return: False when it was somewhere else: somebody else takes them over.
    """
    done = session.execute(
        text("UPDATE cluster SET feed_cursor = :now WHERE id = :id AND feed_cursor = :was AND deleted_at IS NULL"),
        {"id": cluster_id, "was": was, "now": now},
    )
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


_INSERT = text(
    "INSERT INTO change (cluster_id, kind, object_id, uuid, event, object, users, groups, public, personal,"
    " happened_at)"
    " VALUES (:cluster_id, :kind, :object_id, CAST(:uuid AS uuid), :event, :object, CAST(:users AS bigint[]),"
    " CAST(:groups AS bigint[]), :public, :personal, CAST(:at AS timestamptz))"
)


def insert_events(session: Session, cluster_id: int, events: Sequence[Event]) -> None:
    """Write a cluster's changes, in their order."""
    rows: list[dict[str, Any]] = [
        {
            "cluster_id": cluster_id,
            "kind": event.kind,
            "object_id": event.object_id,
            "uuid": event.uuid,
            "event": event.event,
            "object": event.object,
            "users": list(event.users),
            "groups": list(event.groups),
            "public": event.public,
            "personal": event.personal,
            "at": event.at,
        }
        for event in events
    ]
    if rows:
        session.execute(_INSERT, rows)


# Table, the condition on what may go.
_OLD: Final = (
    ("request", "at < now() - interval '7 days'"),
    ("audit", "at < now() - interval '366 days'"),
    ("mail", "created_at < now() - interval '30 days' AND (sent_at IS NOT NULL OR failed_at IS NOT NULL)"),
    ("one_time_token", "expires_at < now() - interval '7 days'"),
    ("user_session", "expires_at < now() - interval '7 days'"),
    ("oidc_login", "expires_at < now() - interval '1 minute'"),
)


def prune(session: Session) -> dict[str, int]:
    """
    Delete records that nobody asks for any more.

    :return: rows deleted, by table.
    """
    gone = {"change": prune_changes(session, BATCH)}
    for table, condition in _OLD:
        statement = f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} WHERE {condition} LIMIT :batch)"
        done = session.execute(text(statement), {"batch": BATCH})
        gone[table] = int(done.rowcount)  # type: ignore[attr-defined]
    return gone
