"""Queries about storages and where they are attached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.interfaces.volume import StorageSpec, StorageUsage
from cm.models import Storage
from cm.results import storage as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import FreedPolicy, StorageKind
from cm.rules.names import pool_name
from cm.rules.storage import Candidate, is_full
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, close_row, edit_row, insert_row
from cm.store.change import record_change
from cm.store.conditions import is_open
from cm.store.node_document import document_changed
from cm.store.rendered import Rendered, rendered, shown
from cm.store.waking import wake_reaching

MADE_OF: Final[Columns] = (
    Storage.name, Storage.kind, Storage.path, Storage.address, Storage.source, Storage.devices, Storage.nfs_version,
    Storage.mount_options, Storage.capacity_bytes, Storage.capacity_follows, Storage.overcommit, Storage.reserve_bytes,
    Storage.priority, Storage.offered, Storage.node_id, Storage.hardware_pool, Storage.keep_freed, Storage.freed,
)  # fmt: skip
EDITED: Final[Columns] = (
    Storage.name, Storage.overcommit, Storage.capacity_bytes, Storage.capacity_follows, Storage.reserve_bytes,
    Storage.priority, Storage.offered, Storage.locked, Storage.draining, Storage.hardware_pool, Storage.keep_freed,
    Storage.freed,
)  # fmt: skip

_COLUMNS = """s.id AS storage_id, s.uuid::text AS uuid, s.name, s.kind, s.path, s.address, s.source, s.devices,
       s.nfs_version, s.mount_options, s.node_id AS own_node_id, s.locked, s.draining, s.offered,
       s.is_default, s.priority, s.capacity_bytes, s.claimed_bytes, s.reserve_bytes, s.overcommit, s.full_since,
       s.hardware_pool, s.keep_freed, s.freed, s.version, s.created_at AS created,
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
    found["devices"] = found["devices"].split()
    found["mount_options"] = [option for option in found["mount_options"].split(",") if option]
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


# Of those that take new volumes and that a node has attached; none that is one node's own.
_TAKING = """
SELECT s.id, s.kind, s.is_default, s.priority, s.limit_bytes - s.claimed_bytes AS room_bytes
  FROM storage s WHERE s.deleted_at IS NULL AND NOT s.locked AND NOT s.draining AND s.node_id IS NULL
   AND EXISTS (SELECT 1 FROM storage_attachment a WHERE a.storage_id = s.id AND a.state = 'attached')
   AND (s.offered OR NOT :offered)
"""


def candidates(session: Session, *, offered: bool = False) -> list[Candidate]:
    """
    Storages that take new volumes, for ``rules.storage.choose``.

    :param offered: only those that users may choose.
    """
    return [
        Candidate(row.id, StorageKind(row.kind), row.is_default, row.priority, row.room_bytes)
        for row in session.execute(text(_TAKING), {"offered": offered})
    ]


def list_offered(session: Session) -> Sequence[results.OfferedStorage]:
    """Storages that users may choose, as they see them."""
    statement = f"""SELECT s.id AS storage_id, s.name, s.kind, s.is_default, greatest(t.room_bytes, 0) AS room_bytes
      FROM ({_TAKING}) t JOIN storage s ON s.id = t.id ORDER BY s.is_default DESC, s.priority DESC, s.name"""
    found = session.execute(text(statement), {"offered": True})
    return [cast(results.OfferedStorage, dict(row._mapping)) for row in found]


def set_default(session: Session, storage_id: int | None) -> list[int]:
    """
    Make a storage the default one, or none.

    :return: those that are at their next version by it.
    """
    was = text(
        "UPDATE storage SET is_default = false, version = version + 1 WHERE is_default AND deleted_at IS NULL"
        " AND id IS DISTINCT FROM CAST(:id AS bigint) RETURNING id"
    )
    changed = list(session.scalars(was, {"id": storage_id}))
    now = text(
        "UPDATE storage SET is_default = true, version = version + 1 WHERE id = :id AND NOT is_default"
        " AND deleted_at IS NULL RETURNING id"
    )
    return [*changed, *session.scalars(now, {"id": storage_id})]


_USAGE = """
SELECT s.id AS storage_id, s.name, s.kind, s.capacity_bytes, s.allocated_bytes, s.claimed_bytes AS promised_bytes,
       s.limit_bytes, s.available_bytes, s.reserve_bytes, s.overcommit, s.looked_at, s.full_since,
       coalesce(u.size, 0) AS virtual_bytes, coalesce(u.volumes, 0) AS volumes
  FROM storage s LEFT JOIN (SELECT storage_id, sum(size_bytes)::bigint AS size, count(*) AS volumes FROM volume
                             GROUP BY storage_id) u ON u.storage_id = s.id
 WHERE s.deleted_at IS NULL AND (CAST(:id AS bigint) IS NULL OR s.id = :id) ORDER BY s.id
"""


def list_usage(session: Session, storage_id: int | None = None) -> list[results.StorageUsage]:
    """Of all storages, or of one."""
    found = []
    for row in session.execute(text(_USAGE), {"id": storage_id}):
        told = dict(row._mapping)
        told["room_bytes"] = max(told.pop("limit_bytes") - told["promised_bytes"], 0)
        found.append(cast(results.StorageUsage, told))
    return found


def record_usage(session: Session, storage_id: int, usage: StorageUsage) -> None:
    """
    What was seen of a storage's room, right after what its volumes take was recorded: both count for what may be
    promised. See ``record_room``.
    """
    session.execute(
        text(
            "UPDATE storage SET available_bytes = :available, looked_at = clock_timestamp(), allocated_bytes ="
            " (SELECT coalesce(sum(u.allocated_bytes), 0) FROM volume u WHERE u.storage_id = :id)"
            " WHERE id = :id AND deleted_at IS NULL"
        ),
        {"id": storage_id, "available": usage.available_bytes},
    )
    record_room(session, storage_id, usage)


def record_room(session: Session, storage_id: int, usage: StorageUsage) -> None:
    """Whether a storage is full, and how large it is, which is as its pool says where nobody told another capacity."""
    full = is_full(usage.available_bytes, usage.capacity_bytes)
    changed = session.execute(
        text(
            "UPDATE storage SET full_since = CASE WHEN :full THEN coalesce(full_since, clock_timestamp()) END,"
            " capacity_bytes = CASE WHEN capacity_follows THEN :capacity ELSE capacity_bytes END, version = version + 1"
            " WHERE id = :id AND deleted_at IS NULL"
            " AND ((full_since IS NOT NULL) <> :full OR capacity_follows AND capacity_bytes <> :capacity) RETURNING id"
        ),
        {"id": storage_id, "capacity": usage.capacity_bytes, "full": full},
    )
    if changed.first() is not None:
        record_change(session, "storage", storage_id, None)


def list_content(
    session: Session, storage_id: int, *, limit: int, after: int | None
) -> Sequence[results.StoredVolume]:
    """A page of what lies on a storage, oldest first."""
    statement = """SELECT u.id AS volume_id, u.name, u.format, u.mode, u.size_bytes, u.claimed_bytes, u.made,
           b.name AS base, i.id AS image_id, coalesce(i.name, '') AS image_name, k.id AS disk_id, v.id AS vm_id,
           coalesce(v.name, '') AS vm_name, t.name || '/' || o.key AS object,
           coalesce(i.account_id, k.account_id, o.account_id, v.account_id) AS user_id
      FROM volume u LEFT JOIN volume b ON b.id = u.backing_id LEFT JOIN image i ON i.volume_id = u.id
      LEFT JOIN disk k ON k.volume_id = u.id
      LEFT JOIN LATERAL (SELECT vm_id FROM attachment WHERE disk_id = k.id ORDER BY read_only, vm_id LIMIT 1) a ON true
      LEFT JOIN suspension m ON m.volume_id = u.id LEFT JOIN seed e ON e.volume_id = u.id
      LEFT JOIN vm v ON v.id = coalesce(a.vm_id, m.vm_id, e.vm_id)
      LEFT JOIN stored_object o ON o.volume_id = u.id LEFT JOIN bucket t ON t.id = o.bucket_id
     WHERE u.storage_id = :s AND (CAST(:after AS bigint) IS NULL OR u.id > :after) ORDER BY u.id LIMIT :limit"""
    found = session.execute(text(statement), {"s": storage_id, "after": after, "limit": limit})
    return [cast(results.StoredVolume, dict(row._mapping)) for row in found]


def freed_policy(session: Session, storage_id: int) -> tuple[FreedPolicy, bool]:
    """What is done to the content of a storage's freed volumes, and whether they are kept for others."""
    found = session.execute(text("SELECT freed, keep_freed FROM storage WHERE id = :id"), {"id": storage_id}).one()
    return FreedPolicy(found.freed), bool(found.keep_freed)


def storage_spec(session: Session, storage_id: int) -> StorageSpec:
    """
    A storage as nodes see it.

    :raises ObjectNotFound: absent or deleted.
    """
    row = get_storage(session, storage_id)
    return StorageSpec(
        pool_name(storage_id), StorageKind(row["kind"]), row["path"], row["address"], row["source"],
        tuple(row["devices"]), row["nfs_version"], tuple(row["mount_options"]),
    )  # fmt: skip


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
    session.execute(text("DELETE FROM leftover_volume WHERE storage_id = :s"), {"s": storage_id})
    close_row(session, Storage, storage_id)


class Content(NamedTuple):
    """How many there are of each."""

    images: int
    disks: int
    copies: int = 0
    free: int = 0
    objects: int = 0


def content(session: Session, storage_id: int) -> Content:
    """
    What is on a storage: images, VMs' disks (also reserved ones) and variables of their firmware, copies of others'
    images, free volumes, objects of buckets.
    """
    found = session.execute(
        text(
            "SELECT count(*) FILTER (WHERE i.id IS NOT NULL) AS images, count(*) FILTER (WHERE c.id IS NOT NULL) AS"
            " copies, count(f.volume_id) AS free, count(o.id) AS objects, count(*) FILTER"
            " (WHERE i.id IS NULL AND c.id IS NULL AND f.volume_id IS NULL AND o.id IS NULL)"
            " + (SELECT count(*) FROM vm WHERE nvram_storage_id = :id AND closed_at IS NULL) AS disks FROM volume u"
            " LEFT JOIN image i ON i.volume_id = u.id LEFT JOIN cached_image c ON c.volume_id = u.id"
            " LEFT JOIN free_volume f ON f.volume_id = u.id LEFT JOIN stored_object o ON o.volume_id = u.id"
            " WHERE u.storage_id = :id"
        ),
        {"id": storage_id},
    ).one()
    return Content(found.images, found.disks, found.copies, found.free, found.objects)


def own_storages(session: Session, node_id: int) -> Sequence[int]:
    """The storages that are a node's own."""
    return list(
        session.scalars(
            text("SELECT id FROM storage WHERE node_id = :id AND deleted_at IS NULL ORDER BY id"), {"id": node_id}
        )
    )


def kept_on_node(session: Session, node_id: int) -> Sequence[str]:
    """What lies on a node's own storages and is nowhere else: VMs that have disks there, and volumes of no VM."""
    found = session.execute(
        text(
            "SELECT DISTINCT v.id, CASE WHEN v.id IS NULL THEN u.name END AS name FROM storage s"
            " JOIN volume u ON u.storage_id = s.id LEFT JOIN disk k ON k.volume_id = u.id"
            " LEFT JOIN attachment a ON a.disk_id = k.id LEFT JOIN vm v ON v.id = a.vm_id"
            " WHERE s.node_id = :id AND s.deleted_at IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM cached_image c WHERE c.volume_id = u.id)"
            " UNION SELECT v.id, NULL FROM storage s JOIN vm v ON v.nvram_storage_id = s.id AND v.closed_at IS NULL"
            " WHERE s.node_id = :id AND s.deleted_at IS NULL ORDER BY 1, 2 LIMIT 20"
        ),
        {"id": node_id},
    )
    return [f"VM {row.id}'s disk" if row.id is not None else f"volume {row.name}" for row in found]


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
        text(
            "UPDATE storage SET capacity_bytes = :c, version = version + 1 WHERE id = :s"
            " AND (capacity_bytes = 0 OR capacity_follows AND capacity_bytes <> :c)"
        ),
        {"c": capacity_bytes, "s": storage_id},
    )
    document_changed(session, node_id)
    wake_reaching(session, node_id)


def delete_attachment(session: Session, storage_id: int, node_id: int) -> None:
    session.execute(
        text("DELETE FROM storage_attachment WHERE storage_id = :s AND node_id = :n"), {"s": storage_id, "n": node_id}
    )
    document_changed(session, node_id)


# Beside those that have a disk there: its QEMU may be copying one to there, or have what is being deleted open still.
_USERS = text(
    f"""
SELECT v.id FROM vm v WHERE (v.node_id = :n AND v.node_claimed OR v.moves_to = :n) AND v.closed_at IS NULL
   AND (EXISTS (SELECT 1 FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id
                 WHERE a.vm_id = v.id AND u.storage_id = :s)
     OR EXISTS (SELECT 1 FROM seed e JOIN volume u ON u.id = e.volume_id WHERE e.vm_id = v.id AND u.storage_id = :s)
     OR v.nvram_storage_id = :s
     OR EXISTS (SELECT 1 FROM operation_object b JOIN operation o ON o.id = b.operation_id
                  JOIN volume u ON u.id = b.object_id
                 WHERE b.kind = 'volume' AND u.storage_id = :s AND {is_open("o")}
                   AND v.id IN (o.vm_id, CAST(o.arguments->>'vm_id' AS bigint))))
 ORDER BY v.id
"""
)


def users_on_node(session: Session, storage_id: int, node_id: int) -> Sequence[int]:
    """Live VMs on a node, or on their way there, that use a storage."""
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


def is_attached(session: Session, storage_id: int, node_id: int, *, hold: bool = False) -> bool:
    """:param hold: the node keeps it until the transaction ends."""
    statement = "SELECT state FROM storage_attachment WHERE storage_id = :s AND node_id = :n"
    state = session.scalar(text(statement + (" FOR SHARE" if hold else "")), {"s": storage_id, "n": node_id})
    return bool(state == "attached")
