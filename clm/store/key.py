"""Queries about SSH keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.user import SSHKey
from clm.rules.ssh_key import PublicKey
from cm.rpc.codec import encode_json
from cm.rpc.errors import ObjectNotFound
from cm.runtime.rows import has_row

_KEY = """
SELECT id AS key_id, name, kind, public_key, fingerprint, fingerprint_md5, tags, created_at AS created
  FROM ssh_key WHERE user_id = :user_id
"""


def list_keys(session: Session, user_id: int) -> list[SSHKey]:
    """A user's, by name."""
    rows = session.execute(text(_KEY + " ORDER BY lower(name), id"), {"user_id": user_id})
    return [cast(SSHKey, dict(row._mapping)) for row in rows]


def get_key(session: Session, user_id: int, key_id: int) -> SSHKey:
    """:raises ObjectNotFound: the user has none of this id."""
    found = session.execute(text(_KEY + " AND id = :id"), {"user_id": user_id, "id": key_id}).first()
    if found is None:
        raise ObjectNotFound("key", key_id)
    return cast(SSHKey, dict(found._mapping))


def get_key_named(session: Session, user_id: int, name: str) -> SSHKey:
    """:raises ObjectNotFound: the user has none of this name."""
    found = session.execute(text(_KEY + " AND name = :name"), {"user_id": user_id, "name": name}).first()
    if found is None:
        raise ObjectNotFound("key", name)
    return cast(SSHKey, dict(found._mapping))


def find_name(session: Session, user_id: int, fingerprint: str) -> str | None:
    """What the user calls the key that they have already."""
    name: str | None = session.execute(
        text("SELECT name FROM ssh_key WHERE user_id = :user_id AND fingerprint = :fingerprint"),
        {"user_id": user_id, "fingerprint": fingerprint},
    ).scalar()
    return name


def count_keys(session: Session, user_id: int) -> int:
    """How many the user has; nobody else adds one for them until the transaction ends."""
    session.execute(text("SELECT 1 FROM user_account WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})
    count = session.execute(text("SELECT count(*) FROM ssh_key WHERE user_id = :id"), {"id": user_id})
    return int(count.scalar_one())


def count_and_taken(session: Session, user_id: int, name: str) -> tuple[int, bool]:
    """How many the user has, and whether one of them is called so; both may change at once."""
    found = session.execute(
        text("SELECT count(*) AS there, bool_or(name = :name) AS taken FROM ssh_key WHERE user_id = :id"),
        {"id": user_id, "name": name},
    ).one()
    return int(found.there), bool(found.taken)


def insert_key(session: Session, user_id: int, name: str, key: PublicKey, tags: Mapping[str, str]) -> int:
    return int(
        session.execute(
            text(
                "INSERT INTO ssh_key (user_id, name, kind, public_key, fingerprint, fingerprint_md5, tags)"
                " VALUES (:user_id, :name, :kind, :public_key, :fingerprint, :fingerprint_md5, CAST(:tags AS jsonb))"
                " RETURNING id"
            ),
            {
                "user_id": user_id,
                "name": name,
                "kind": key.kind,
                "public_key": key.text,
                "fingerprint": key.fingerprint,
                "fingerprint_md5": key.fingerprint_md5,
                "tags": encode_json(tags).decode(),
            },
        ).scalar_one()
    )


def write_tags(session: Session, user_id: int, key_id: int, tags: Mapping[str, str], gone: Sequence[str]) -> int | None:
    """Take tags away, then put some on. :return: how many it has now; None: the user has no such key."""
    found: int | None = session.execute(
        text(
            "UPDATE ssh_key SET tags = (tags - CAST(:gone AS text[])) || CAST(:tags AS jsonb)"
            " WHERE user_id = :user_id AND id = :id RETURNING (SELECT count(*) FROM jsonb_object_keys(tags))"
        ),
        {"user_id": user_id, "id": key_id, "tags": encode_json(tags).decode(), "gone": list(gone)},
    ).scalar()
    return found


def delete_key(session: Session, user_id: int, key_id: int) -> bool:
    """Whether it was still there."""
    return has_row(
        session,
        "DELETE FROM ssh_key WHERE user_id = :user_id AND id = :id RETURNING id",
        {"user_id": user_id, "id": key_id},
    )
