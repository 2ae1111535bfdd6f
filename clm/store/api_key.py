"""Queries about keys for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.user import ApiKey
from cm.rpc.errors import ObjectNotFound
from cm.runtime.rows import has_row


@dataclass(frozen=True)
class ApiKeyFacts:
    """
    :ivar secret_hash: of the whole key as its holder sends it; None for an EC2 pair.
    :ivar secret_sealed: of an EC2 pair.
    """

    id: int
    user_id: int
    access_key: str
    scope: tuple[str, ...]
    expires_at: datetime | None
    secret_hash: str | None = field(default=None, repr=False)
    secret_sealed: bytes | None = field(default=None, repr=False)


_FACTS = "SELECT id, user_id, access_key, scope, expires_at, secret_hash, secret_sealed FROM api_key WHERE "

_SHOWN = """
SELECT id AS api_key_id, name, access_key, scope, secret_sealed IS NOT NULL AS ec2, created_at AS created,
       expires_at AS expires, used_at AS used FROM api_key WHERE user_id = :user_id
"""


def _facts(found: Any) -> ApiKeyFacts | None:
    if found is None:
        return None
    values = dict(found._mapping)
    values["scope"] = tuple(values["scope"])
    values["secret_sealed"] = None if values["secret_sealed"] is None else bytes(values["secret_sealed"])
    return ApiKeyFacts(**values)


def find_api_key(session: Session, access_key: str) -> ApiKeyFacts | None:
    """Expired ones, too."""
    return _facts(session.execute(text(_FACTS + "access_key = :key"), {"key": access_key}).first())


def find_api_key_by_id(session: Session, api_key_id: int) -> ApiKeyFacts | None:
    return _facts(session.execute(text(_FACTS + "id = :id"), {"id": api_key_id}).first())


def list_api_keys(session: Session, user_id: int) -> list[ApiKey]:
    """A user's, by name; without their secrets."""
    rows = session.execute(text(_SHOWN + " ORDER BY lower(name), id"), {"user_id": user_id})
    return [cast(ApiKey, dict(row._mapping)) for row in rows]


def get_api_key(session: Session, user_id: int, api_key_id: int) -> ApiKey:
    """:raises ObjectNotFound: the user has none of this id."""
    found = session.execute(text(_SHOWN + " AND id = :id"), {"user_id": user_id, "id": api_key_id}).first()
    if found is None:
        raise ObjectNotFound("api_key", api_key_id)
    return cast(ApiKey, dict(found._mapping))


def count_api_keys(session: Session, user_id: int) -> int:
    """How many the user has; nobody else adds one for them until the transaction ends."""
    session.execute(text("SELECT 1 FROM user_account WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})
    count = session.execute(text("SELECT count(*) FROM api_key WHERE user_id = :id"), {"id": user_id})
    return int(count.scalar_one())


def insert_api_key(session: Session, values: dict[str, Any]) -> int:
    """:param values: the columns of ``api_key`` that have no default."""
    return int(
        session.execute(
            text(
                "INSERT INTO api_key (user_id, name, access_key, secret_hash, secret_sealed, scope, expires_at)"
                " VALUES (:user_id, :name, :access_key, :secret_hash, :secret_sealed, CAST(:scope AS text[]),"
                " :expires_at) RETURNING id"
            ),
            values,
        ).scalar_one()
    )


def delete_api_key(session: Session, user_id: int, api_key_id: int) -> bool:
    """Whether it was there, and theirs."""
    return has_row(
        session,
        "DELETE FROM api_key WHERE id = :id AND user_id = :user_id RETURNING id",
        {"id": api_key_id, "user_id": user_id},
    )


def touch_api_key(session: Session, api_key_id: int) -> None:
    """Note that it was used now."""
    session.execute(text("UPDATE api_key SET used_at = now() WHERE id = :id"), {"id": api_key_id})
