"""Queries about storages and where they are attached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.interfaces.volume import StorageSpec
from cm.models import Storage
from cm.results import storage as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import StorageKind
from cm.rules.names import pool_name
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, close_row, edit_row, insert_row
from cm.store.node_document import document_changed
from cm.store.rendered import Rendered, rendered, shown
from cm.store.waking import wake_reaching

MADE_OF: Final[Columns] = (
    Storage.name, Storage.kind, Storage.path, Storage.address, Storage.source, Storage.capacity_bytes,
    Storage.overcommit,
)  # fmt: skip
EDITED: Final[Columns] = (Storage.name, Storage.overcommit, Storage.capacity_bytes, Storage.locked)

_COLUMNS = """s.id AS storage_id, s.uuid::text AS uuid, s.name, s.kind, s.path, s.address, s.source, s.locked,
       s.capacity_bytes, s.claimed_bytes, s.overcommit, s.version, s.created_at AS created,
       (SELECT json_agg(json_build_object('node_id', a.node_id, 'name', n.name, 'state', a.state,
                                          'last_error', a.last_error) ORDER BY a.node_id)
          FROM storage_attachment a JOIN node n ON n.id = a.node_id WHERE a.storage_id = s.id) AS nodes"""
_STORAGE = f"SELECT {_COLUMNS} FROM storage s WHERE s.deleted_at IS NULL"
_FEED = Prepared(
    "feed_storage",
    f"SELECT {_COLUMNS}, s.id AS _id, s.deleted_at IS NOT NULL AS _gone FROM storage s WHERE s.id = ANY(:ids)",
)


def render_storages(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids), _storage)


def _storage(row: Any) -> results.Storage:
    found = shown(row)
    found["nodes"] = found["nodes"] or []
    return cast(results.Storage, found)


def list_storages(session: Session) -> Sequence[results.Storage]:
    return [_storage(row) for row in session.execute(text(_STORAGE + " ORDER BY s.id"))]


def pool_paths(session: Session) -> Sequence[tuple[str, str]]:
    """Names of storages, and where nodes have their pools."""
    found = session.execute(text("SELECT name, path FROM storage WHERE deleted_at IS NULL ORDER BY id"))
    return [(row.name, row.path) for row in found]


def get_storage(
    session: Session, storage_id: int, *, lock: bool = False, version: int | None = None
) -> results.Storage:
    """
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        session.execute(text("SELECT 1 FROM storage WHERE id = :id FOR UPDATE"), {"id": storage_id})
    found = session.execute(text(_STORAGE + " AND s.id = :id"), {"id": storage_id}).first()
    if found is None:
        raise ObjectNotFound("storage", storage_id)
    if version is not None and found.version != version:
        raise VersionChanged("storage", storage_id, found.version, version)
    return _storage(found)


def roomiest_storage(session: Session) -> int | None:
    """The storage with the most room for claims, of those that are not locked and that a node has attached."""
    found: int | None = session.scalar(
        text(
            "SELECT s.id FROM storage s WHERE s.deleted_at IS NULL AND NOT s.locked"
            " AND EXISTS (SELECT 1 FROM storage_attachment a WHERE a.storage_id = s.id AND a.state = 'attached')"
            " ORDER BY s.capacity_bytes * s.overcommit - s.claimed_bytes DESC, s.id LIMIT 1"
        )
    )
    return found


def storage_spec(session: Session, storage_id: int) -> StorageSpec:
    """
    A storage as nodes see it.

    :raises ObjectNotFound: absent or deleted.
    """
    row = get_storage(session, storage_id)
    return StorageSpec(pool_name(storage_id), StorageKind(row["kind"]), row["path"], row["address"], row["source"])


def insert_storage(session: Session, values: Mapping[str, Any]) -> int:
    """
    :param values: every column of ``MADE_OF``.
    :return: its id.
    """
    return insert_row(session, Storage, MADE_OF, values)


def update_storage(session: Session, storage_id: int, values: Mapping[str, Any]) -> None:
    """Write what is not None of ``EDITED``."""
    edit_row(session, Storage, storage_id, EDITED, values)


def close_storage(session: Session, storage_id: int) -> None:
    """Nothing is on it, and no node has it attached."""
    close_row(session, Storage, storage_id)


def content(session: Session, storage_id: int) -> tuple[int, int]:
    """How many images and VMs' disks are on a storage."""
    found = session.execute(
        text(
            "SELECT count(*) FILTER (WHERE i.id IS NOT NULL) AS images, count(*) FILTER (WHERE i.id IS NULL) AS disks"
            " FROM volume u LEFT JOIN image i ON i.volume_id = u.id WHERE u.storage_id = :id"
        ),
        {"id": storage_id},
    ).one()
    return int(found.images), int(found.disks)


# ------------------------------------------------------------------ attachments


def find_attachment(session: Session, storage_id: int, node_id: int) -> str | None:
    """
    The state of an attachment, its row locked; None where there is none. States: attaching, attached, detaching,
    failed.
    """
    state: str | None = session.scalar(
        text("SELECT state FROM storage_attachment WHERE storage_id = :s AND node_id = :n FOR UPDATE"),
        {"s": storage_id, "n": node_id},
    )
    return state


def set_attachment(session: Session, storage_id: int, node_id: int, state: str, error: str = "") -> int:
    """
    Make the attachment be in this state; it is made where there is none.

    :return: its number.
    """
    attachment_id: int = session.execute(
        text(
            "INSERT INTO storage_attachment (storage_id, node_id, state, last_error) VALUES (:s, :n, :state, :error)"
            " ON CONFLICT (storage_id, node_id) DO UPDATE SET state = :state, last_error = :error RETURNING id"
        ),
        {"s": storage_id, "n": node_id, "state": state, "error": error},
    ).scalar_one()
    document_changed(session, node_id)
    if state == "attached":
        wake_reaching(session, node_id)
    return attachment_id


def record_attached(session: Session, storage_id: int, node_id: int, capacity_bytes: int) -> None:
    """The pool is there. A storage whose capacity nobody said gets that of its pool."""
    session.execute(
        text(
            "UPDATE storage_attachment SET state = 'attached', last_error = '', attached_at = clock_timestamp()"
            " WHERE storage_id = :s AND node_id = :n"
        ),
        {"s": storage_id, "n": node_id},
    )
    session.execute(
        text("UPDATE storage SET capacity_bytes = :c, version = version + 1 WHERE id = :s AND capacity_bytes = 0"),
        {"c": capacity_bytes, "s": storage_id},
    )
    document_changed(session, node_id)
    wake_reaching(session, node_id)


def delete_attachment(session: Session, storage_id: int, node_id: int) -> None:
    session.execute(
        text("DELETE FROM storage_attachment WHERE storage_id = :s AND node_id = :n"), {"s": storage_id, "n": node_id}
    )
    document_changed(session, node_id)


_USERS = text(
    """
SELECT v.id FROM vm v WHERE (v.node_id = :n AND v.node_claimed OR v.moves_to = :n) AND v.closed_at IS NULL
   AND EXISTS (SELECT 1 FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id
                WHERE a.vm_id = v.id AND u.storage_id = :s)
 ORDER BY v.id
"""
)


def users_on_node(session: Session, storage_id: int, node_id: int) -> Sequence[int]:
    """Live VMs on a node that use a storage."""
    return list(session.scalars(_USERS, {"s": storage_id, "n": node_id}))


def find_attachment_id(session: Session, storage_id: int, node_id: int) -> int | None:
    """The number by which operations name an attachment."""
    found: int | None = session.scalar(
        text("SELECT id FROM storage_attachment WHERE storage_id = :s AND node_id = :n"),
        {"s": storage_id, "n": node_id},
    )
    return found


def node_reaching(session: Session, storage_id: int, skip: int = 0) -> int | None:
    """
    A node that answers and has the storage attached, unlocked ones first.

    :param skip: grows with each attempt, so that another is tried.
    """
    found = list(
        session.scalars(
            text(
                "SELECT n.id FROM storage_attachment a JOIN node n ON n.id = a.node_id WHERE a.storage_id = :s"
                " AND a.state = 'attached' AND n.state = 'ok' AND n.deleted_at IS NULL ORDER BY n.locked, n.id"
            ),
            {"s": storage_id},
        )
    )
    return int(found[skip % len(found)]) if found else None
