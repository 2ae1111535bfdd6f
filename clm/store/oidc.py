"""Queries about logins by OpenID Connect: what was begun is finished once, and whom a provider means."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.rows import has_row


def use_state(session: Session, state_hash: str, expires_at: datetime) -> bool:
    """Whether it had not been used. Those that are no longer good are forgotten."""
    session.execute(text("DELETE FROM oidc_login WHERE expires_at < now() - interval '1 minute'"))
    return has_row(
        session,
        "INSERT INTO oidc_login (state_hash, expires_at) VALUES (:hash, :expires) ON CONFLICT DO NOTHING"
        " RETURNING state_hash",
        {"hash": state_hash, "expires": expires_at},
    )


def find_subject(session: Session, issuer: str, subject: str) -> int | None:
    """The user whom this provider calls so."""
    found: int | None = session.execute(
        text(
            "SELECT id FROM user_account WHERE oidc_issuer = :issuer AND oidc_subject = :subject AND deleted_at IS NULL"
        ),
        {"issuer": issuer, "subject": subject},
    ).scalar()
    return found


def find_email(session: Session, email: str) -> int | None:
    """The user with this address, in upper or lower case."""
    found: int | None = session.execute(
        text("SELECT id FROM user_account WHERE lower(email) = lower(:email) AND deleted_at IS NULL"), {"email": email}
    ).scalar()
    return found


def link_subject(session: Session, user_id: int, issuer: str, subject: str) -> bool:
    """
    Have a provider's word let this user in from now on. Not one whose address nobody has confirmed: whoever registered
    with it need not be its owner. Not one whom a provider calls otherwise.
    """
    return has_row(
        session,
        "UPDATE user_account SET oidc_issuer = :issuer, oidc_subject = :subject"
        " WHERE id = :id AND oidc_subject IS NULL AND state <> 'registered' AND deleted_at IS NULL RETURNING id",
        {"id": user_id, "issuer": issuer, "subject": subject},
    )
