"""Queries about mail on its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.cloud import Mail
from cm.rpc.errors import ObjectNotFound


@dataclass(frozen=True)
class DueMail:
    """:ivar content: sealed subject and body."""

    id: int
    recipient: str
    reply_to: str
    attempts: int
    age_s: float
    created: str
    content: bytes = field(repr=False)


def insert_mail(session: Session, recipient: str, template: str, content: bytes, reply_to: str) -> int:
    return int(
        session.execute(
            text(
                "INSERT INTO mail (recipient, template, content, reply_to)"
                " VALUES (:recipient, :template, :content, :reply_to) RETURNING id"
            ),
            {"recipient": recipient, "template": template, "content": content, "reply_to": reply_to},
        ).scalar_one()
    )


def claim_mail(session: Session, lease_s: float) -> DueMail | None:
    """
    The mail that has been due for longest, for ``lease_s`` nobody else's. Should its sender die, it is due again then.
    """
    found = session.execute(
        text(
            "UPDATE mail SET attempts = attempts + 1, due_at = now() + make_interval(secs => :lease) WHERE id = ("
            "SELECT id FROM mail WHERE sent_at IS NULL AND failed_at IS NULL AND due_at <= now()"
            " ORDER BY due_at, id FOR UPDATE SKIP LOCKED LIMIT 1)"
            " RETURNING id, recipient, reply_to, attempts, extract(epoch FROM now() - created_at)::float AS age_s,"
            " created_at::text AS created, content"
        ),
        {"lease": lease_s},
    ).first()
    return None if found is None else DueMail(**{**found._mapping, "content": bytes(found.content)})


def mail_sent(session: Session, mail_id: int) -> None:
    """What it said is forgotten: it may have held a token."""
    statement = text("UPDATE mail SET sent_at = now(), content = NULL, error = '', trouble = '' WHERE id = :id")
    session.execute(statement, {"id": mail_id})


def mail_postponed(session: Session, mail_id: int, error: str, trouble: str, after_s: float | None) -> None:
    """:param after_s: until the next attempt; None: there will be none."""
    session.execute(
        text(
            "UPDATE mail SET error = :error, trouble = :trouble,"
            " failed_at = CASE WHEN CAST(:after AS float) IS NULL THEN now() END,"
            " due_at = now() + make_interval(secs => coalesce(CAST(:after AS float), 0)) WHERE id = :id"
        ),
        {"id": mail_id, "error": error, "trouble": trouble, "after": after_s},
    )


def seconds_until_due(session: Session) -> float | None:
    """Until the next mail is due; None: there is none."""
    found: float | None = session.execute(
        text(
            "SELECT extract(epoch FROM min(due_at) - now())::float FROM mail"
            " WHERE sent_at IS NULL AND failed_at IS NULL"
        )
    ).scalar()
    return found


_STATE = """
CASE WHEN sent_at IS NOT NULL THEN 'sent' WHEN failed_at IS NOT NULL THEN 'failed' ELSE 'due' END
"""


def list_mails(session: Session, state: str | None, limit: int, before: int | None) -> list[Mail]:
    """The newest first; without what they say."""
    where = ["true"]
    if state is not None:
        where.append(f"{_STATE} = :state")
    if before is not None:
        where.append("id < :before")
    rows = session.execute(
        text(
            f"SELECT id AS mail_id, recipient, template, {_STATE} AS state, attempts, error, trouble,"
            " created_at AS created, due_at AS due, sent_at AS sent, failed_at AS failed FROM mail"
            f" WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT :limit"
        ),
        {"state": state, "limit": limit, "before": before},
    )
    return [cast(Mail, dict(row._mapping)) for row in rows]


def retry_mail(session: Session, mail_id: int) -> bool:
    """
    Have it sent at once, as if it had been written now; whether it had not been sent already.

    :raises ObjectNotFound: there is none of this id.
    """
    found = session.execute(
        text("SELECT sent_at IS NOT NULL AS sent FROM mail WHERE id = :id FOR UPDATE"), {"id": mail_id}
    ).first()
    if found is None:
        raise ObjectNotFound("mail", mail_id)
    if not found.sent:
        session.execute(
            text(
                "UPDATE mail SET failed_at = NULL, due_at = now(), created_at = CASE WHEN failed_at IS NULL"
                " THEN created_at ELSE now() END WHERE id = :id"
            ),
            {"id": mail_id},
        )
    return not found.sent
