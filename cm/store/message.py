"""Queries about messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results.message import AccountMessage
from cm.rpc.vocabulary import CauseKind
from cm.runtime.prepared import Prepared
from cm.store.rendered import Rendered, rendered

_INSERT = Prepared(
    "insert_message",
    "INSERT INTO message (account_id, level, code, params)"
    " VALUES (:account_id, :level, :code, CAST(:params AS jsonb)) RETURNING id",
)


def insert_message(session: Session, account_id: int, level: str, code: str, params: dict[str, Any]) -> int:
    found = _INSERT(session, account_id=account_id, level=level, code=code, params=msgspec.json.encode(params).decode())
    return int(found.scalar_one())


_COLUMNS = "id AS message_id, level, code, params, created_at AS created"
_FEED = Prepared("feed_message", f"SELECT {_COLUMNS}, id AS _id, false AS _gone FROM message WHERE id = ANY(:ids)")


def render_messages(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids))


def list_messages(session: Session, account_id: int, *, limit: int, before: int | None) -> Sequence[AccountMessage]:
    """A page of an account's, newest first."""
    found = session.execute(
        text(
            f"SELECT {_COLUMNS} FROM message"
            " WHERE account_id = :account_id AND (CAST(:before AS bigint) IS NULL OR id < :before)"
            " ORDER BY id DESC LIMIT :limit"
        ),
        {"account_id": account_id, "before": before, "limit": limit},
    )
    return [cast(AccountMessage, dict(row._mapping)) for row in found]


def delete_messages(session: Session, account_id: int, message_ids: Sequence[int]) -> set[int]:
    """Which of them were an account's, and are gone now."""
    statement = text("DELETE FROM message WHERE account_id = :account_id AND id = ANY(:ids) RETURNING id")
    return set(session.scalars(statement, {"account_id": account_id, "ids": list(message_ids)}))


_VM = Prepared(
    "message_about_vm",
    "SELECT v.name, v.account_id, v.save_image_id, i.name AS image_name"
    " FROM vm v LEFT JOIN image i ON i.id = v.save_image_id WHERE v.id = :id",
)
_IMAGE = Prepared("message_about_image", "SELECT name, account_id FROM image WHERE id = :id")
_CAUSE = Prepared("message_cause", "SELECT cause_kind FROM operation WHERE id = :id")


def about_vm(session: Session, vm_id: int) -> Any:
    """``name``, ``account_id``, and the image that it is being saved to: ``save_image_id``, ``image_name``."""
    return _VM(session, id=vm_id).one()


def about_image(session: Session, image_id: int) -> Any:
    """``name``, ``account_id``."""
    return _IMAGE(session, id=image_id).one()


def cause_of(session: Session, operation_id: int) -> CauseKind:
    """What led to an operation."""
    return CauseKind(_CAUSE(session, id=operation_id).scalar_one())
