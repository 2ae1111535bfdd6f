"""Queries about messages to users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.cloud import Message, MessageCount
from cm.rpc.codec import encode_json

KEPT: Final = 1000  # messages of each user; older ones go

_SHOWN = """id AS message_id, level, code, params, created_at AS created, read_at IS NOT NULL AS read, cluster_id"""


def list_messages(
    session: Session, user_id: int, unread_only: bool, limit: int, before: int | None
) -> list[Message]:
    """A user's, the newest first."""
    where = "user_id = :user_id AND deleted_at IS NULL"
    if unread_only:
        where += " AND read_at IS NULL"
    if before is not None:
        where += " AND id < :before"
    rows = session.execute(
        text(f"SELECT {_SHOWN} FROM message WHERE {where} ORDER BY id DESC LIMIT :limit"),
        {"user_id": user_id, "before": before, "limit": limit},
    )
    return [cast(Message, dict(row._mapping)) for row in rows]


def count_messages(session: Session, user_id: int) -> MessageCount:
    found = session.execute(
        text(
            "SELECT count(*) FILTER (WHERE read_at IS NULL) AS unread, count(*) AS total FROM message"
            " WHERE user_id = :user_id AND deleted_at IS NULL"
        ),
        {"user_id": user_id},
    ).one()
    return cast(MessageCount, dict(found._mapping))


def lock_messages(session: Session, user_id: int, message_ids: Sequence[int]) -> set[int]:
    """Which of these are there and the user's."""
    rows = session.execute(
        text(
            "SELECT id FROM message WHERE user_id = :user_id AND id = ANY(:ids) AND deleted_at IS NULL"
            " ORDER BY id FOR UPDATE"
        ),
        {"user_id": user_id, "ids": list(message_ids)},
    )
    return {row.id for row in rows}


def mark_read(session: Session, message_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Those that had not been read before, as they now are."""
    rows = session.execute(
        text(f"UPDATE message SET read_at = now() WHERE id = ANY(:ids) AND read_at IS NULL RETURNING {_SHOWN}"),
        {"ids": list(message_ids)},
    )
    return [dict(row._mapping) for row in rows]


def insert_message(session: Session, user_id: int, level: str, code: str, params: dict[str, Any]) -> dict[str, Any]:
    found = session.execute(
        text(
            "INSERT INTO message (user_id, level, code, params)"
            f" VALUES (:user_id, :level, :code, CAST(:params AS jsonb)) RETURNING {_SHOWN}"
        ),
        {"user_id": user_id, "level": level, "code": code, "params": encode_json(params).decode()},
    ).one()
    return dict(found._mapping)


def insert_cluster_message(
    session: Session,
    user_id: int,
    level: str,
    code: str,
    params: dict[str, Any],
    cluster_id: int,
    cluster_message_id: int,
    created_at: datetime,
) -> dict[str, Any] | None:
    """None if it is here already, or if there is no such user."""
    found = session.execute(
        text(
            "INSERT INTO message (user_id, level, code, params, cluster_id, cluster_message_id, created_at)"
            " SELECT id, :level, :code, CAST(:params AS jsonb), :cluster, :theirs, :created FROM user_account"
            f" WHERE id = :user_id AND deleted_at IS NULL ON CONFLICT DO NOTHING RETURNING {_SHOWN}"
        ),
        {
            "user_id": user_id,
            "level": level,
            "code": code,
            "params": encode_json(params).decode(),
            "cluster": cluster_id,
            "theirs": cluster_message_id,
            "created": created_at,
        },
    ).first()
    return None if found is None else dict(found._mapping)


def find_messages(session: Session, user_id: int, code: str, params: dict[str, Any]) -> list[int]:
    """A user's of this code, with these parameters among theirs."""
    rows = session.execute(
        text(
            "SELECT id FROM message WHERE user_id = :user_id AND code = :code AND params @> CAST(:params AS jsonb)"
            " AND deleted_at IS NULL ORDER BY id"
        ),
        {"user_id": user_id, "code": code, "params": encode_json(params).decode()},
    )
    return [row.id for row in rows]


def delete_messages(session: Session, message_ids: Sequence[int]) -> None:
    """A cluster's are kept unseen, lest they be taken over again."""
    session.execute(
        text("UPDATE message SET deleted_at = now() WHERE id = ANY(:ids) AND cluster_id IS NOT NULL"),
        {"ids": list(message_ids)},
    )
    session.execute(text("DELETE FROM message WHERE id = ANY(:ids) AND cluster_id IS NULL"), {"ids": list(message_ids)})


def delete_old(session: Session, user_id: int) -> list[int]:
    """Delete a user's oldest, until as many are left as are kept; which ones were still seen."""
    rows = session.execute(
        text(
            "DELETE FROM message WHERE user_id = :user_id AND id <= ("
            "SELECT id FROM message WHERE user_id = :user_id ORDER BY id DESC OFFSET :kept LIMIT 1)"
            " RETURNING id, deleted_at"
        ),
        {"user_id": user_id, "kept": KEPT},
    )
    return [row.id for row in rows if row.deleted_at is None]
