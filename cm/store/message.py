"""Queries about messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results.message import AccountMessage
from cm.rpc.vocabulary import CauseKind
from cm.rules.operation import ObjectKind
from cm.runtime.prepared import Prepared
from cm.runtime.rows import has_row
from cm.store.operation import OperationRow
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
_FARM = Prepared("message_about_farm", "SELECT name, account_id FROM farm WHERE id = :id")
_CAUSE = Prepared("message_cause", "SELECT cause_kind FROM operation WHERE id = :id")


_WHERE = text(
    """
SELECT (SELECT name FROM node WHERE id = :node_id) AS node, s.id AS storage_id, s.name AS storage
  FROM (SELECT coalesce(CAST(:storage_id AS bigint),
          (SELECT u.storage_id FROM volume u WHERE u.id = :volume_id),
          (SELECT u.storage_id FROM disk k JOIN volume u ON u.id = k.volume_id WHERE k.id = :disk_id),
          (SELECT u.storage_id FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :image_id),
          (SELECT u.storage_id FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id
            WHERE a.vm_id = :vm_id AND a.number = 0)) AS id) found LEFT JOIN storage s ON s.id = found.id
"""
)


@dataclass(frozen=True)
class Where:
    """The node and the storage that an operation worked at, as far as it did."""

    node: str | None
    storage_id: int | None
    storage: str | None

    def __str__(self) -> str:
        told = [f"node {self.node}"] if self.node else []
        return ", ".join(told + ([f"storage {self.storage}"] if self.storage else []))


def where_of(session: Session, op: OperationRow) -> Where:
    found = session.execute(
        _WHERE,
        {"node_id": op.node_id, "vm_id": op.vm_id}
        | {f"{kind}_id": op.find(ObjectKind(kind)) for kind in ("storage", "volume", "disk", "image")},
    ).one()
    return Where(found.node, found.storage_id, found.storage)


def untold(session: Session, code: str, storage_id: int | None, seconds: float) -> Sequence[int]:
    """The administrators who were not told this of this storage within so many seconds."""
    return list(
        session.scalars(
            text(
                "SELECT a.id FROM account a WHERE a.is_admin AND a.active AND a.deleted_at IS NULL AND NOT EXISTS"
                " (SELECT 1 FROM message m WHERE m.account_id = a.id AND m.code = :code"
                "  AND m.created_at > now() - make_interval(secs => :s)"
                "  AND m.params->>'storage_id' IS NOT DISTINCT FROM CAST(:storage_id AS text)) ORDER BY a.id"
            ),
            {"code": code, "s": seconds, "storage_id": None if storage_id is None else str(storage_id)},
        )
    )


def told_of_vm(session: Session, account_id: int, code: str, vm_id: int, seconds: float) -> bool:
    """Whether an account was told this of this VM within so many seconds."""
    return has_row(
        session,
        "SELECT 1 FROM message WHERE account_id = :account AND code = :code"
        " AND created_at > now() - make_interval(secs => :s) AND params->>'vm_id' = CAST(:vm AS text) LIMIT 1",
        {"account": account_id, "code": code, "s": seconds, "vm": str(vm_id)},
    )


def about_farm(session: Session, farm_id: int) -> Any:
    """``name`` and ``account_id``."""
    return _FARM(session, id=farm_id).one()


def about_vm(session: Session, vm_id: int) -> Any:
    """``name``, ``account_id``, and the image that it is being saved to: ``save_image_id``, ``image_name``."""
    return _VM(session, id=vm_id).one()


def about_image(session: Session, image_id: int) -> Any:
    """``name``, ``account_id``."""
    return _IMAGE(session, id=image_id).one()


def cause_of(session: Session, operation_id: int) -> CauseKind:
    """What led to an operation."""
    return CauseKind(_CAUSE(session, id=operation_id).scalar_one())
