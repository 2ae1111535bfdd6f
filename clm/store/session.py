"""Queries about logins that are open. A token is found by its hash; the token itself is with its holder alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from clm.results.user import SessionRow
from cm.runtime.rows import has_row


@dataclass(frozen=True)
class SessionFacts:
    """:ivar user_version: the user's when they logged in; once theirs is another, the session has ended."""

    id: int
    user_id: int
    user_version: int
    expires_at: datetime


_FACTS = "SELECT id, user_id, user_version, expires_at FROM user_session WHERE "


def find_session(session: Session, token_hash: str) -> SessionFacts | None:
    found = session.execute(text(_FACTS + "token_hash = :hash"), {"hash": token_hash}).first()
    return None if found is None else SessionFacts(**found._mapping)


def find_session_by_id(session: Session, session_id: int) -> SessionFacts | None:
    found = session.execute(text(_FACTS + "id = :id"), {"id": session_id}).first()
    return None if found is None else SessionFacts(**found._mapping)


def insert_session(session: Session, values: dict[str, Any]) -> int:
    """:param values: all columns of ``user_session`` that have no default."""
    return int(
        session.execute(
            text(
                "INSERT INTO user_session (user_id, token_hash, user_version, expires_at, remote, client)"
                " VALUES (:user_id, :token_hash, :user_version, :expires_at, :remote, :client) RETURNING id"
            ),
            values,
        ).scalar_one()
    )


def list_sessions(session: Session, user_id: int) -> list[SessionRow]:
    """Those that are open, the one used last first."""
    rows = session.execute(
        text(
            "SELECT s.id AS session_id, s.created_at AS created, s.expires_at AS expires, s.used_at AS used, s.remote,"
            " s.client FROM user_session s JOIN user_account u ON u.id = s.user_id AND u.version = s.user_version"
            " WHERE s.user_id = :user_id AND s.expires_at > now() ORDER BY s.used_at DESC, s.id DESC"
        ),
        {"user_id": user_id},
    )
    return [cast(SessionRow, dict(row._mapping)) for row in rows]


def delete_session(session: Session, user_id: int, session_id: int) -> bool:
    """Whether it was there, and theirs."""
    return has_row(
        session,
        "DELETE FROM user_session WHERE id = :id AND user_id = :user_id RETURNING id",
        {"id": session_id, "user_id": user_id},
    )


def delete_sessions(session: Session, user_id: int, keep: int | None = None) -> int:
    """
    Delete a user's; how many there were.

    :param keep: the one that stays.
    """
    deleted: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        text("DELETE FROM user_session WHERE user_id = :user_id AND id IS DISTINCT FROM CAST(:keep AS bigint)"),
        {"user_id": user_id, "keep": keep},
    )
    return deleted.rowcount


def delete_ended(session: Session, user_id: int, most: int) -> None:
    """Delete a user's sessions that are over, and the ones longest unused beyond ``most``."""
    session.execute(
        text(
            "DELETE FROM user_session s USING user_account u WHERE u.id = s.user_id AND s.user_id = :user_id"
            " AND (s.expires_at <= now() OR s.user_version <> u.version OR s.id IN ("
            "SELECT id FROM user_session WHERE user_id = :user_id ORDER BY used_at DESC, id DESC OFFSET :most))"
        ),
        {"user_id": user_id, "most": most},
    )


def renew_session(session: Session, session_id: int, user_version: int) -> None:
    """Let a session outlive a change of its user that ends all others."""
    session.execute(
        text("UPDATE user_session SET user_version = :version WHERE id = :id"),
        {"id": session_id, "version": user_version},
    )


def touch_session(session: Session, session_id: int, remote: str) -> None:
    """Note that it was used now."""
    session.execute(
        text("UPDATE user_session SET used_at = now(), remote = :remote WHERE id = :id"),
        {"id": session_id, "remote": remote},
    )
