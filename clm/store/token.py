"""Queries about tokens that were mailed: each is good once, until it expires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.user import Purpose


@dataclass(frozen=True)
class OneTimeFacts:
    """:ivar subject: the address that it confirms."""

    user_id: int
    purpose: Purpose
    subject: str
    expires_at: datetime


def insert_token(
    session: Session, user_id: int, purpose: str, token_hash: str, subject: str, expires_at: datetime
) -> None:
    """Older ones of the same purpose end."""
    session.execute(
        text("DELETE FROM one_time_token WHERE user_id = :user_id AND purpose = :purpose"),
        {"user_id": user_id, "purpose": purpose},
    )
    session.execute(
        text(
            "INSERT INTO one_time_token (user_id, purpose, token_hash, subject, expires_at)"
            " VALUES (:user_id, :purpose, :hash, :subject, :expires_at)"
        ),
        {
            "user_id": user_id,
            "purpose": purpose,
            "hash": token_hash,
            "subject": subject,
            "expires_at": expires_at,
        },
    )


_GOOD = "token_hash = :hash AND used_at IS NULL AND expires_at > now()"


def find_token(session: Session, token_hash: str) -> OneTimeFacts | None:
    """One that is still good."""
    found = session.execute(
        text(f"SELECT user_id, purpose, subject, expires_at FROM one_time_token WHERE {_GOOD}"), {"hash": token_hash}
    ).first()
    return None if found is None else OneTimeFacts(**found._mapping)


def use_token(session: Session, token_hash: str) -> OneTimeFacts | None:
    """One that was still good until now: of two who use it at once, one gets None."""
    found = session.execute(
        text(
            f"UPDATE one_time_token SET used_at = now() WHERE {_GOOD} RETURNING user_id, purpose, subject, expires_at"
        ),
        {"hash": token_hash},
    ).first()
    return None if found is None else OneTimeFacts(**found._mapping)


def drop_tokens(session: Session, user_id: int) -> None:
    """None that was mailed to this user is good any more, but for the one that ends their registration."""
    session.execute(
        text("DELETE FROM one_time_token WHERE user_id = :user_id AND purpose <> 'activation'"), {"user_id": user_id}
    )
