"""Queries about keys of cloud managers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results.trust import TrustedKey
from cm.runtime.rows import has_row

_KEY = "SELECT key_id, issuer, public_key, created_at AS created FROM trusted_key"


def list_keys(session: Session) -> Sequence[TrustedKey]:
    """All, by id."""
    return [cast(TrustedKey, dict(row._mapping)) for row in session.execute(text(f"{_KEY} ORDER BY key_id"))]


def get_or_insert_key(session: Session, key_id: str, issuer: str, public_key: str) -> TrustedKey:
    """The key of this id: the given one, unless there is one already."""
    session.execute(
        text(
            "INSERT INTO trusted_key (key_id, issuer, public_key) VALUES (:key_id, :issuer, :public_key)"
            " ON CONFLICT DO NOTHING"
        ),
        {"key_id": key_id, "issuer": issuer, "public_key": public_key},
    )
    found = session.execute(text(f"{_KEY} WHERE key_id = :key_id FOR UPDATE"), {"key_id": key_id}).one()
    return cast(TrustedKey, dict(found._mapping))


def delete_key(session: Session, key_id: str) -> bool:
    """Whether it was there."""
    return has_row(session, "DELETE FROM trusted_key WHERE key_id = :key_id RETURNING 1", {"key_id": key_id})
