"""Queries about tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results.tag import Tags
from cm.rpc.vocabulary import TagKind

# By kind: the objects that are there, each with its account.
LIVE: Final[Mapping[TagKind, str]] = {
    TagKind.VM: "SELECT id, account_id FROM vm WHERE closed_at IS NULL",
    TagKind.IMAGE: "SELECT id, account_id FROM image WHERE deleted_at IS NULL",
    TagKind.DISK: "SELECT id, account_id FROM disk",
    TagKind.SNAPSHOT: "SELECT s.id, k.account_id FROM snapshot s JOIN disk k ON k.id = s.disk_id",
    TagKind.SECURITY_GROUP: "SELECT id, account_id FROM security_group WHERE deleted_at IS NULL",
    TagKind.NETWORK: "SELECT id, account_id FROM network WHERE deleted_at IS NULL",
    TagKind.PUBLIC_ADDRESS: "SELECT id, account_id FROM public_address WHERE account_id IS NOT NULL",
}


def read_tags(session: Session, kind: TagKind, object_id: int) -> dict[str, str]:
    """An object's, by key."""
    found = session.execute(
        text("SELECT key, value FROM object_tag WHERE kind = :kind AND object_id = :id ORDER BY key"),
        {"kind": kind, "id": object_id},
    )
    return {row.key: row.value for row in found}


def write_tags(session: Session, kind: TagKind, object_ids: Collection[int], tags: Mapping[str, str]) -> None:
    """Give each of some objects tags; those that they have of these keys get other values."""
    session.execute(
        text(
            "INSERT INTO object_tag (kind, object_id, key, value) SELECT :kind, o.id, t.key, t.value"
            " FROM unnest(CAST(:ids AS bigint[])) AS o (id),"
            " unnest(CAST(:keys AS text[]), CAST(:values AS text[])) AS t (key, value)"
            " ON CONFLICT (kind, object_id, key) DO UPDATE SET value = EXCLUDED.value"
        ),
        {"kind": kind, "ids": list(object_ids), "keys": list(tags), "values": list(tags.values())},
    )


def delete_tags(session: Session, kind: TagKind, object_id: int, keys: Collection[str] | None = None) -> None:
    """:param keys: None: all of them."""
    session.execute(
        text(
            "DELETE FROM object_tag WHERE kind = :kind AND object_id = :id"
            " AND (CAST(:keys AS text[]) IS NULL OR key = ANY(:keys))"
        ),
        {"kind": kind, "id": object_id, "keys": None if keys is None else list(keys)},
    )


def list_tagged(session: Session, account_id: int, kind: TagKind | None) -> list[Tags]:
    """Of an account's objects of one kind, or of all, those that have tags."""
    kinds = list(LIVE) if kind is None else [kind]
    parts = [
        f"SELECT t.kind, t.object_id, jsonb_object_agg(t.key, t.value) AS tags FROM ({LIVE[each]}) o"
        f" JOIN object_tag t ON t.kind = '{each}' AND t.object_id = o.id WHERE o.account_id = :account_id"
        " GROUP BY t.kind, t.object_id"
        for each in kinds
    ]
    found = session.execute(text(" UNION ALL ".join(parts) + " ORDER BY 1, 2"), {"account_id": account_id})
    return [{"kind": TagKind(row.kind), "object_id": row.object_id, "tags": row.tags} for row in found]


def prune_tags(session: Session, batch: int) -> int:
    """Delete those whose objects are gone: how many of a batch."""
    gone = " AND ".join(
        f"NOT (t.kind = '{kind}' AND EXISTS (SELECT 1 FROM ({live}) o WHERE o.id = t.object_id))"
        for kind, live in LIVE.items()
    )
    statement = f"DELETE FROM object_tag WHERE ctid IN (SELECT t.ctid FROM object_tag t WHERE {gone} LIMIT :batch)"
    done: Any = session.execute(text(statement), {"batch": batch})
    return int(done.rowcount)
