"""Which volumes should be on a storage, and whose the others were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.names import console_volume
from cm.store.conditions import is_open


@dataclass(frozen=True)
class Expected:
    """What should be on a storage, read before it was listed."""

    live: frozenset[str]  # volumes that must be there
    passing: frozenset[str]  # those on record, and logs that an older version began; what is under way may come and go
    lost: frozenset[str]  # volumes that nobody expects to be found again
    left: frozenset[str]  # uuids of images that have ended and are still worked on


def expected(session: Session, storage_id: int) -> Expected:
    live = session.scalars(
        text(
            "SELECT u.name FROM volume u JOIN disk k ON k.volume_id = u.id WHERE u.storage_id = :s AND u.made"
            " AND u.lost_at IS NULL"
            " AND k.image_id IS NULL AND NOT EXISTS (SELECT 1 FROM attachment a JOIN operation o ON o.vm_id = a.vm_id"
            f"  AND {is_open('o')} WHERE a.disk_id = k.id)"
            " UNION ALL SELECT u.name FROM volume u JOIN image i ON i.volume_id = u.id"
            " WHERE u.storage_id = :s AND i.state IN ('ok', 'trashed') AND u.lost_at IS NULL"
            " UNION ALL SELECT u.name FROM volume u JOIN cached_image c ON c.volume_id = u.id"
            " WHERE u.storage_id = :s AND c.state = 'ok' AND u.lost_at IS NULL"
            " UNION ALL SELECT u.name FROM volume u JOIN snapshot s ON s.volume_id = u.id WHERE u.storage_id = :s"
            " AND u.made AND u.lost_at IS NULL AND NOT EXISTS (SELECT 1 FROM operation_object h WHERE h.kind = 'disk'"
            "  AND h.object_id = s.disk_id)"
            " UNION ALL SELECT u.name FROM volume u JOIN stored_object o ON o.volume_id = u.id"
            " WHERE u.storage_id = :s AND o.state = 'ok' AND u.lost_at IS NULL"
            " UNION ALL SELECT u.name FROM volume u JOIN suspension m ON m.volume_id = u.id WHERE u.storage_id = :s"
            " AND u.made AND u.lost_at IS NULL AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = m.vm_id"
            f"  AND {is_open('o')})"
            " UNION ALL SELECT u.name FROM volume u JOIN seed e ON e.volume_id = u.id WHERE u.storage_id = :s"
            " AND u.made AND u.lost_at IS NULL AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = e.vm_id"
            f"  AND {is_open('o')})"
            " UNION ALL SELECT u.name FROM volume u JOIN free_volume f ON f.volume_id = u.id WHERE u.storage_id = :s"
            "  AND u.lost_at IS NULL AND NOT EXISTS (SELECT 1 FROM reservation r WHERE r.volume_id = u.id)"
        ),
        {"s": storage_id},
    )
    known = session.execute(
        text("SELECT name, lost_at IS NOT NULL AS lost FROM volume WHERE storage_id = :s"), {"s": storage_id}
    ).all()
    left = session.scalars(
        text(
            "SELECT i.uuid::text FROM operation_object h JOIN image i ON i.id = h.object_id"
            " WHERE h.kind = 'image' AND h.exclusive AND i.deleted_at IS NOT NULL"
        )
    )
    logging_here = text("SELECT uuid FROM vm WHERE closed_at IS NULL AND launches > 0 AND console_node_id IS NULL")
    consoles = {console_volume(uuid) for uuid in session.scalars(logging_here)}
    return Expected(
        frozenset(live),
        frozenset(row.name for row in known) | consoles,
        frozenset(row.name for row in known if row.lost),
        frozenset(left),
    )


@dataclass(frozen=True)
class GuestVolume:
    """A volume that a guest may write to, or has. ``disk_id``: None of a free one, and of a snapshot's."""

    name: str
    format: str
    disk_id: int | None


def guest_volumes(session: Session, storage_id: int, formats: Sequence[str]) -> list[GuestVolume]:
    """Those of a storage that have one of these formats. ISOs are none, nor are system images."""
    found = session.execute(
        text(
            "SELECT u.name, u.format, k.id AS disk_id FROM volume u"
            " LEFT JOIN disk k ON k.volume_id = u.id LEFT JOIN image i ON i.id = k.image_id"
            " WHERE u.storage_id = :s AND u.made AND u.lost_at IS NULL AND u.format = ANY(CAST(:formats AS text[]))"
            " AND ((k.id IS NOT NULL AND i.kind IS DISTINCT FROM 'iso')"
            "  OR EXISTS (SELECT 1 FROM free_volume f WHERE f.volume_id = u.id)"
            "  OR EXISTS (SELECT 1 FROM snapshot s WHERE u.id IN (s.volume_id, s.spare_id))) ORDER BY u.name"
        ),
        {"s": storage_id, "formats": list(formats)},
    )
    return [GuestVolume(**row._mapping) for row in found]


def record_allocation(session: Session, storage_id: int, taken: Sequence[tuple[str, int]]) -> None:
    """
    Keep what a storage's volumes were seen to take; of what has not changed nothing is written.

    :param taken: names and bytes.
    """
    session.execute(
        text(
            "UPDATE volume u SET allocated_bytes = w.bytes"
            " FROM unnest(CAST(:names AS text[]), CAST(:bytes AS bigint[])) AS w (name, bytes)"
            " WHERE u.storage_id = :s AND u.name = w.name AND u.allocated_bytes IS DISTINCT FROM w.bytes"
        ),
        {"s": storage_id, "names": [name for name, _ in taken], "bytes": [bytes for _, bytes in taken]},
    )


@dataclass(frozen=True)
class Ended:
    """
    Of the uuids in volumes' names, those of closed VMs and of images that ended.

    :ivar logged: those of live VMs whose console is logged by a node: what an older version logged beside their disks
        nobody asks for any more.
    """

    over: frozenset[str]
    logged: frozenset[str]
    last_on: Mapping[str, int]  # those of VMs that may still run, where one was erased; by uuid, the node's id


def ended(session: Session, uuids: Sequence[str]) -> Ended:
    """A VM may be closed without its node's word (``release.erase``): until that node answers or is deleted, its domain
    may be there, and write."""
    found = session.execute(
        text(
            "SELECT v.uuid::text AS uuid, n.id AS node_id FROM vm v"
            " LEFT JOIN node n ON n.id = v.node_id AND n.deleted_at IS NULL"
            " WHERE v.uuid = ANY(CAST(:u AS uuid[])) AND v.closed_at < now() - interval '1 minute'"
            " UNION ALL SELECT uuid::text, NULL FROM image WHERE uuid = ANY(CAST(:u AS uuid[]))"
            " AND deleted_at < now() - interval '1 minute'"
        ),
        {"u": list(uuids)},
    ).all()
    logged = session.scalars(
        text(
            "SELECT uuid::text FROM vm WHERE uuid = ANY(CAST(:u AS uuid[])) AND closed_at IS NULL"
            " AND console_node_id IS NOT NULL"
        ),
        {"u": list(uuids)},
    )
    return Ended(
        frozenset(row.uuid for row in found if row.node_id is None),
        frozenset(logged),
        {row.uuid: row.node_id for row in found if row.node_id is not None},
    )


@dataclass(frozen=True)
class Left:
    """
    A volume that an erased VM had last, whoever it is named after.

    :ivar uuid: the VM's.
    :ivar nodes: that may run its domain, and write to it; deleted ones do no more.
    :ivar settled: it was erased a while ago: nobody works on what it had.
    """

    uuid: str
    nodes: tuple[int, ...]
    settled: bool


def left_volumes(session: Session, storage_id: int) -> Mapping[str, Left]:
    """By their names. Some may be gone."""
    found = session.execute(
        text(
            "SELECT l.name, v.uuid::text AS uuid, v.closed_at < now() - interval '1 minute' AS settled,"
            " ARRAY(SELECT n.id FROM node n WHERE n.id = ANY(l.node_ids) AND n.deleted_at IS NULL ORDER BY 1) AS nodes"
            " FROM leftover_volume l JOIN vm v ON v.id = l.vm_id WHERE l.storage_id = :s"
        ),
        {"s": storage_id},
    )
    return {row.name: Left(row.uuid, tuple(row.nodes), row.settled) for row in found}


def forget_left(session: Session, storage_id: int, names: Sequence[str]) -> None:
    """They are there no more, and nobody can write to them."""
    session.execute(
        text("DELETE FROM leftover_volume WHERE storage_id = :s AND name = ANY(:names)"),
        {"s": storage_id, "names": list(names)},
    )


def insert_leftover(
    session: Session, storage_id: int, name: str, format: str, size_bytes: int, allocated_bytes: int
) -> int | None:
    """
    Put a volume on record that nobody has and that an operation deletes; nothing is claimed for it.

    :return: its id; None where one of that name is on record by now.
    """
    found: int | None = session.scalar(
        text(
            "INSERT INTO volume (storage_id, name, format, size_bytes, allocated_bytes, made)"
            " VALUES (:s, :name, :format, :size, :allocated, true) ON CONFLICT DO NOTHING RETURNING id"
        ),
        {
            "s": storage_id,
            "name": name,
            "format": format,
            "size": size_bytes,
            "allocated": allocated_bytes,
        },
    )
    return found


# ------------------------------------------------------------------ lost and found


@dataclass(frozen=True)
class Concerned:
    """
    Whom it concerns that a volume is lost.

    :ivar name: of the disk or image that was on it; of the disk whose snapshot was.
    :ivar image_id: its entry in the catalogue, or None; ``disk_id`` likewise.
    :ivar snapshot_id: the snapshot that was on it, and ``snapshot`` its name; None, "": it was the disk's own.
    :ivar made_from: it is a system image, which disks stand on.
    :ivar read: whether that disk, or image, is read from it, by way of others or not.
    :ivar vm_ids: of VMs that have it attached; or disks that stand on it.
    :ivar account_ids: its owner, and those VMs'.
    """

    name: str
    image_id: int | None
    made_from: bool
    disk_id: int | None
    snapshot_id: int | None
    snapshot: str
    read: bool
    vm_ids: tuple[int, ...]
    account_ids: tuple[int, ...]


_CONCERNED = text(
    """
WITH RECURSIVE over AS (
    SELECT CAST(:id AS bigint) AS id
    UNION SELECT v.id FROM over JOIN snapshot s ON s.volume_id = over.id JOIN volume v ON v.backing_id = over.id),
above AS (
    SELECT CAST(:id AS bigint) AS id
    UNION SELECT v.id FROM above JOIN volume v ON v.backing_id = above.id AND v.mode = 'overlay')
SELECT i.id AS image_id, i.kind = 'system' AS made_from, k.id AS disk_id,
       coalesce(i.account_id, k.account_id) AS account_id,
       coalesce(nullif(k.name, ''), i.name, '') AS name, s.id AS snapshot_id, coalesce(s.name, '') AS snapshot,
       s.id IS NULL OR k.volume_id IN (SELECT id FROM over) AS read,
       (SELECT coalesce(json_agg(json_build_array(v.id, v.account_id, v.name) ORDER BY v.id), '[]')
          FROM vm v WHERE v.id IN (SELECT t.vm_id FROM attachment t WHERE t.disk_id = k.id OR i.kind = 'system'
           AND t.disk_id IN (SELECT d.id FROM disk d JOIN above ON above.id = d.volume_id)
         UNION ALL SELECT m.vm_id FROM suspension m WHERE m.volume_id = :id
         UNION ALL SELECT e.vm_id FROM seed e WHERE e.volume_id = :id)) AS vms
  FROM volume u LEFT JOIN snapshot s ON s.volume_id = u.id LEFT JOIN disk k ON k.volume_id = u.id OR k.id = s.disk_id
  LEFT JOIN image i ON i.volume_id = u.id OR i.id = k.image_id WHERE u.id = :id
"""
)


def write_lost(session: Session, storage_id: int, name: str, *, lost: bool) -> Concerned | None:
    """
    :param lost: whether nobody expects it to be found, or it was.
    :return: whom it concerns; None where there is no such volume on record, or it was so already.
    """
    volume_id = session.scalar(
        text(
            "UPDATE volume SET lost_at = CASE WHEN :lost THEN clock_timestamp() END WHERE storage_id = :s"
            " AND name = :name AND (lost_at IS NULL) = :lost RETURNING id"
        ),
        {"s": storage_id, "name": name, "lost": lost},
    )
    row = None if volume_id is None else session.execute(_CONCERNED, {"id": volume_id}).one()
    if row is None:
        return None
    owners = (row.account_id, *(account_id for _, account_id, _ in row.vms))
    return Concerned(
        row.name or next((vm_name for _, _, vm_name in row.vms), ""),
        row.image_id,
        bool(row.made_from),
        row.disk_id,
        row.snapshot_id,
        row.snapshot,
        row.read,
        tuple(vm_id for vm_id, _, _ in row.vms),
        tuple(dict.fromkeys(owner for owner in owners if owner is not None)),
    )
