"""
Snapshots: how they are taken, what their volumes stand on, and how they go. What of it is done at which moment is told
by ``cm/operations/snapshot_*.py``; each function here leaves the rows true whatever comes next.
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Snapshot
from cm.results import snapshot as results
from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import Consistency, DiskBus, DiskFormat
from cm.rules.names import VolumeKind, layer_volume, pool_name
from cm.rules.snapshot import Tree
from cm.runtime.rows import edit_row
from cm.store.claim import count_storage, mib, release_quota, release_storage
from cm.store.conditions import unsettled
from cm.store.disk import DISK_NAME

# ------------------------------------------------------------------ disks, before they are taken


@dataclass(frozen=True)
class SnapDisk:
    """
    A disk of which a snapshot is to be taken.

    :ivar vm_id: the VM that may write to it, with the device that it has there.
    :ivar reader: a VM that has it attached to read.
    :ivar snapshots: how many it has.
    """

    id: int
    account_id: int
    image_id: int | None
    image_uuid: str | None
    vm_uuid: str | None
    vm_id: int | None
    device: str | None
    reader: int | None
    storage_id: int
    storage_kind: str
    volume_id: int
    size_bytes: int
    made: bool
    snapshots: int

    @property
    def layer(self) -> str:
        """The name of what it is going to be written to."""
        key = uuid_module.uuid4()
        if self.image_uuid is not None:
            return layer_volume(VolumeKind.IMAGE, self.image_uuid, key)
        assert self.vm_uuid is not None, "a disk is in the catalogue, or a VM's own"
        return layer_volume(VolumeKind.VM, self.vm_uuid, key)


_DISKS: Final = """
SELECT k.id, k.account_id, k.image_id, i.uuid::text AS image_uuid, v.uuid::text AS vm_uuid, a.vm_id, a.device,
       (SELECT min(r.vm_id) FROM attachment r WHERE r.disk_id = k.id AND r.read_only) AS reader,
       u.storage_id, o.kind AS storage_kind, u.id AS volume_id, u.size_bytes, u.made,
       (SELECT count(*) FROM snapshot s WHERE s.disk_id = k.id) AS snapshots
  FROM disk k JOIN volume u ON u.id = k.volume_id JOIN storage o ON o.id = u.storage_id
  LEFT JOIN image i ON i.id = k.image_id
  LEFT JOIN attachment a ON a.disk_id = k.id AND NOT a.read_only LEFT JOIN vm v ON v.id = a.vm_id
"""


def snap_disks(session: Session, disk_ids: Sequence[int]) -> list[SnapDisk]:
    """In the order of their places in their VMs."""
    found = session.execute(text(f"{_DISKS} WHERE k.id = ANY(:ids) ORDER BY a.number, k.id"), {"ids": list(disk_ids)})
    return [SnapDisk(**row._mapping) for row in found]


def find_unsettled(session: Session, disk_id: int) -> int | None:
    """The snapshot of a disk, if there is one, that its domain may write to, whatever is on record."""
    found: int | None = session.scalar(text(f"SELECT {unsettled(':id')}"), {"id": disk_id})
    return found


def written_disks(session: Session, vm_id: int) -> list[int]:
    """The disks that a VM may write to."""
    found = session.scalars(
        text("SELECT disk_id FROM attachment WHERE vm_id = :id AND NOT read_only ORDER BY number"), {"id": vm_id}
    )
    return list(found)


_INSERT: Final = text(
    """
WITH layer AS (
    INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes)
    SELECT storage_id, :volume, 'qcow2', 'overlay', id, size_bytes, size_bytes FROM volume WHERE id = :volume_id
    RETURNING id
)
INSERT INTO snapshot (disk_id, volume_id, spare_id, group_id, name, description)
SELECT :disk_id, :volume_id, id, CAST(:group_id AS bigint), :name, :description FROM layer RETURNING id
"""
)


def insert_snapshots(
    session: Session, disks: Sequence[SnapDisk], name: str, description: str, *, group: bool
) -> list[int]:
    """
    Snapshots that are to be taken, each with the volume that its disk is going to be written to; these are claimed for
    already.

    :param group: they belong together.
    :return: their ids.
    """
    made: list[int] = []
    for disk in disks:
        values = {
            "volume": disk.layer,
            "volume_id": disk.volume_id,
            "disk_id": disk.id,
            "group_id": made[0] if made else None,
            "name": name,
            "description": description,
        }
        made.append(session.execute(_INSERT, values).scalar_one())
        if group and len(made) == 1:
            session.execute(text("UPDATE snapshot SET group_id = id WHERE id = :id"), {"id": made[0]})
    return made


# ------------------------------------------------------------------ as operations see them


@dataclass(frozen=True)
class Lying:
    """A volume on a storage: a disk that was moved to another has left its snapshots where they were."""

    id: int
    storage_id: int
    name: str
    format: DiskFormat
    backing_id: int | None
    size_bytes: int
    claimed_bytes: int

    @property
    def pool(self) -> str:
        return pool_name(self.storage_id)


@dataclass(frozen=True)
class SnapshotRow:
    """
    A snapshot with its disk.

    :ivar volume: the point in time; ``current``: what the disk is written to; ``spare``: one that comes or goes.
    :ivar vm_id: the VM that may write to the disk, with its device there.
    """

    id: int
    disk_id: int
    account_id: int
    image_id: int | None
    group_id: int | None
    volume: Lying
    current: Lying
    spare: Lying | None
    taken_at: datetime | None
    vm_id: int | None
    device: str | None
    bus: DiskBus | None
    reader: int | None


_LYING: Final = ("id", "storage_id", "name", "format", "backing_id", "size_bytes", "claimed_bytes")


def _lying_columns(alias: str, prefix: str) -> str:
    return ", ".join(f"{alias}.{column} AS {prefix}_{column}" for column in _LYING)


_ROWS: Final = f"""
SELECT s.id, s.disk_id, k.account_id, k.image_id, s.group_id, s.taken_at, a.vm_id, a.device, a.bus,
       (SELECT min(r.vm_id) FROM attachment r WHERE r.disk_id = k.id AND r.read_only) AS reader,
       {_lying_columns("w", "volume")}, {_lying_columns("c", "current")}, {_lying_columns("p", "spare")}
  FROM snapshot s JOIN disk k ON k.id = s.disk_id JOIN volume w ON w.id = s.volume_id
  JOIN volume c ON c.id = k.volume_id LEFT JOIN volume p ON p.id = s.spare_id
  LEFT JOIN attachment a ON a.disk_id = k.id AND NOT a.read_only
"""


def _lying(row: Any, prefix: str) -> Lying | None:
    values = {column: getattr(row, f"{prefix}_{column}") for column in _LYING}
    if values["id"] is None:
        return None
    return Lying(**{**values, "format": DiskFormat(values["format"])})


def _row(found: Any) -> SnapshotRow:
    volume, current = _lying(found, "volume"), _lying(found, "current")
    assert volume is not None and current is not None
    return SnapshotRow(
        id=found.id,
        disk_id=found.disk_id,
        account_id=found.account_id,
        image_id=found.image_id,
        group_id=found.group_id,
        volume=volume,
        current=current,
        spare=_lying(found, "spare"),
        taken_at=found.taken_at,
        vm_id=found.vm_id,
        device=found.device,
        bus=None if found.bus is None else DiskBus(found.bus),
        reader=found.reader,
    )


def snapshots(session: Session, ids: Sequence[int]) -> list[SnapshotRow]:
    """Those that are there, in the order of their disks' places."""
    found = session.execute(text(f"{_ROWS} WHERE s.id = ANY(:ids) ORDER BY a.number, s.id"), {"ids": list(ids)})
    return [_row(row) for row in found]


def taken_together(session: Session, snapshot_id: int) -> list[SnapshotRow]:
    """A snapshot and those that were taken at the same moment; none where it is not there."""
    found = session.execute(
        text(
            f"{_ROWS} WHERE s.id = :id OR s.group_id = (SELECT group_id FROM snapshot WHERE id = :id)"
            " ORDER BY a.number, s.id"
        ),
        {"id": snapshot_id},
    )
    return [_row(row) for row in found]


def tree_of(session: Session, disk_id: int) -> Tree:
    """A disk's own volumes, without spare ones."""
    found = session.execute(
        text(
            "SELECT u.id, u.backing_id, u.id = k.volume_id AS current FROM disk k JOIN volume u ON u.id = k.volume_id"
            " OR u.id IN (SELECT volume_id FROM snapshot WHERE disk_id = k.id) WHERE k.id = :id"
        ),
        {"id": disk_id},
    ).all()
    return Tree(next(row.id for row in found if row.current), {row.id: row.backing_id for row in found})


def lying(session: Session, volume_id: int) -> Lying:
    """:raises NoResultFound: there is none."""
    found = session.execute(
        text(f"SELECT {_lying_columns('u', 'volume')} FROM volume u WHERE u.id = :id"), {"id": volume_id}
    ).one()
    told = _lying(found, "volume")
    assert told is not None
    return told


def spares(session: Session, disk_ids: Sequence[int], but: Sequence[int] = ()) -> list[tuple[int, Lying]]:
    """Spare volumes of disks' snapshots, with the snapshots' ids. :param but: snapshots whose are wanted."""
    found = session.execute(
        text(
            f"SELECT s.id, {_lying_columns('p', 'spare')} FROM snapshot s JOIN volume p ON p.id = s.spare_id"
            " WHERE s.disk_id = ANY(:disks) AND NOT s.id = ANY(:but) ORDER BY s.id"
        ),
        {"disks": list(disk_ids), "but": list(but)},
    )
    return [(row.id, told) for row in found if (told := _lying(row, "spare")) is not None]


# ------------------------------------------------------------------ what is written


def _write_to(session: Session, row: SnapshotRow, volume_id: int) -> None:
    """Have a disk be on another volume; its entry in the catalogue leads it."""
    if row.image_id is None:
        session.execute(
            text("UPDATE disk SET volume_id = :volume WHERE id = :id"), {"volume": volume_id, "id": row.disk_id}
        )
    else:
        session.execute(
            text("UPDATE image SET volume_id = :volume, version = version + 1 WHERE id = :id"),
            {"volume": volume_id, "id": row.image_id},
        )


def write_layers(session: Session, ids: Sequence[int]) -> None:
    """
    Have disks be written to the new volumes of their snapshots, which are made. What they were written to is what
    stands below: should nothing come of the snapshot, nothing is lost by that.
    """
    for row in snapshots(session, ids):
        if row.spare is not None and row.taken_at is None:
            session.execute(text("UPDATE volume SET made = true WHERE id = :id"), {"id": row.spare.id})
            session.execute(text("UPDATE snapshot SET spare_id = NULL WHERE id = :id"), {"id": row.id})
            _write_to(session, row, row.spare.id)


def write_taken(session: Session, ids: Sequence[int], consistency: Consistency) -> None:
    session.execute(
        text(
            "UPDATE snapshot SET consistency = :consistency, taken_at = now() WHERE id = ANY(:ids) AND taken_at IS NULL"
        ),
        {"consistency": consistency, "ids": list(ids)},
    )


def consistency_of(session: Session, snapshot_id: int) -> str | None:
    """What a snapshot is as good as; None: it is not taken."""
    found: str | None = session.scalar(text("SELECT consistency FROM snapshot WHERE id = :id"), {"id": snapshot_id})
    return found


def write_untaken(session: Session, ids: Sequence[int]) -> None:
    """What was written later is being merged into their volumes, so that they are no points in time any more."""
    session.execute(
        text("UPDATE snapshot SET consistency = NULL, taken_at = NULL WHERE id = ANY(:ids)"), {"ids": list(ids)}
    )


def write_going(session: Session, ids: Sequence[int]) -> None:
    """
    Snapshots' volumes are going to be deleted, so that nobody can count on them any more: whatever becomes of that,
    these snapshots are no points in time, and their volumes may be gone.
    """
    write_untaken(session, ids)
    session.execute(
        text(
            "UPDATE volume SET made = false WHERE id IN (SELECT s.volume_id FROM snapshot s"
            " JOIN disk k ON k.id = s.disk_id WHERE s.id = ANY(:ids) AND s.volume_id <> k.volume_id)"
        ),
        {"ids": list(ids)},
    )


def remains(session: Session, ids: Sequence[int]) -> list[int]:
    """
    What is left of other snapshots of the same disks, whose volumes were going to be deleted: nothing is written to
    them, and nothing stands on them, but they may stand on the volumes of these.
    """
    found = session.scalars(
        text(
            "SELECT s.id FROM snapshot s JOIN disk k ON k.id = s.disk_id JOIN volume u ON u.id = s.volume_id"
            " WHERE s.disk_id IN (SELECT disk_id FROM snapshot WHERE id = ANY(:ids)) AND s.id <> ALL(:ids)"
            " AND s.consistency IS NULL AND NOT u.made AND u.id <> k.volume_id"
            " AND NOT EXISTS (SELECT 1 FROM volume w WHERE w.backing_id = u.id) ORDER BY s.id"
        ),
        {"ids": list(ids)},
    )
    return list(found)


def insert_fresh(session: Session, row: SnapshotRow, name: str) -> None:
    """A volume for a disk that is to be taken back to a snapshot; what it claims is what it is to take over."""
    session.execute(
        text(
            "WITH layer AS (INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes)"
            " SELECT storage_id, :name, 'qcow2', 'overlay', id, size_bytes FROM volume WHERE id = :volume RETURNING id)"
            " UPDATE snapshot SET spare_id = layer.id FROM layer WHERE snapshot.id = :id"
        ),
        {"name": name, "volume": row.volume.id, "id": row.id},
    )


def write_back(session: Session, row: SnapshotRow) -> None:
    """Have a disk be written to its snapshot's spare volume, which is made; what it was written to is spare."""
    assert row.spare is not None
    session.execute(text("UPDATE volume SET made = true WHERE id = :id"), {"id": row.spare.id})
    session.execute(text("UPDATE snapshot SET spare_id = NULL WHERE id = :id"), {"id": row.id})
    _write_to(session, row, row.spare.id)
    session.execute(
        text("UPDATE snapshot SET spare_id = :spare WHERE id = :id"), {"spare": row.current.id, "id": row.id}
    )


def drop_spare(session: Session, snapshot_id: int) -> None:
    """A spare volume is deleted; what it claimed goes to what took its place, the rest goes back."""
    (row,) = snapshots(session, [snapshot_id])
    if row.spare is None:
        return
    kept = 0
    if not row.current.claimed_bytes:
        kept = min(row.current.size_bytes, row.spare.claimed_bytes)
        session.execute(
            text("UPDATE volume SET claimed_bytes = :kept WHERE id = :id"), {"kept": kept, "id": row.current.id}
        )
        if row.current.storage_id != row.spare.storage_id:
            count_storage(session, row.current.storage_id, kept)
    session.execute(text("UPDATE snapshot SET spare_id = NULL WHERE id = :id"), {"id": row.id})
    session.execute(text("DELETE FROM volume WHERE id = :id"), {"id": row.spare.id})
    left = 0 if row.current.storage_id != row.spare.storage_id else kept
    release_quota(session, row.account_id, storage_mib=mib(row.spare.claimed_bytes) - mib(kept))
    release_storage(session, row.spare.storage_id, row.spare.claimed_bytes - left)


def write_pulled(session: Session, row: SnapshotRow, upper_id: int) -> None:
    """What stood on a snapshot's volume has its content, and stands on what that stands on."""
    session.execute(
        text("UPDATE volume SET backing_id = :backing WHERE id = :id"),
        {"backing": row.volume.backing_id, "id": upper_id},
    )


def write_merged(session: Session, row: SnapshotRow, upper_id: int) -> None:
    """
    What stood on a snapshot's volume was merged into it: the later snapshot has the one, and this snapshot the other,
    which nothing stands on.
    """
    session.execute(
        text("UPDATE volume SET backing_id = :lower WHERE backing_id = :upper"),
        {"lower": row.volume.id, "upper": upper_id},
    )
    session.execute(
        text(
            "UPDATE snapshot SET volume_id = CASE volume_id WHEN :upper THEN CAST(:lower AS bigint)"
            " ELSE CAST(:upper AS bigint) END WHERE volume_id IN (:upper, :lower)"
        ),
        {"upper": upper_id, "lower": row.volume.id},
    )
    session.execute(
        text(
            "UPDATE volume u SET size_bytes = o.size_bytes, claimed_bytes = o.claimed_bytes FROM volume o"
            " WHERE (u.id, o.id) IN ((:upper, :lower), (:lower, :upper))"
        ),
        {"upper": upper_id, "lower": row.volume.id},
    )


def write_unturned(session: Session, snapshot_id: int) -> None:
    """A disk is written to its snapshot's volume still: that is its own again, and the snapshot has the empty one."""
    for row in snapshots(session, [snapshot_id]):
        _write_to(session, row, row.volume.id)
        session.execute(
            text("UPDATE snapshot SET volume_id = :volume WHERE id = :id"), {"volume": row.current.id, "id": row.id}
        )


def forget_snapshots(session: Session, ids: Sequence[int]) -> list[tuple[int, int]]:
    """
    Snapshots are no more, their volumes with them but for those that disks are written to; what these claimed goes
    back.

    :return: their ids, with whose they were.
    """
    gone, rows = [], snapshots(session, ids)
    bases = {row.volume.backing_id for row in rows}
    # What stands on another of them goes first.
    for row in sorted(rows, key=lambda each: each.volume.id in bases):
        session.execute(text("DELETE FROM snapshot WHERE id = :id"), {"id": row.id})
        if row.volume.id != row.current.id:
            session.execute(text("DELETE FROM volume WHERE id = :id"), {"id": row.volume.id})
            release_quota(session, row.account_id, storage_mib=mib(row.volume.claimed_bytes))
            release_storage(session, row.volume.storage_id, row.volume.claimed_bytes)
        gone.append((row.id, row.account_id))
    return gone


def volumes_beside(session: Session, image_id: int) -> list[Lying]:
    """The volumes of the snapshots of an entry's disk, but for what the disk is written to."""
    found = session.execute(
        text(
            f"SELECT {_lying_columns('u', 'volume')} FROM volume u JOIN disk k ON k.image_id = :id"
            " WHERE u.id <> k.volume_id AND u.id IN (SELECT x.id FROM snapshot s"
            " CROSS JOIN LATERAL unnest(ARRAY[s.volume_id, s.spare_id]) AS x (id) WHERE s.disk_id = k.id)"
            " ORDER BY u.id DESC"
        ),
        {"id": image_id},
    )
    return [told for row in found if (told := _lying(row, "volume")) is not None]


def end_snapshots(session: Session, image_id: int) -> list[Lying]:
    """
    The snapshots of an entry's disk are no more, as it is going to be.

    :return: their volumes, which are still there, and claimed.
    """
    left = volumes_beside(session, image_id)
    session.execute(
        text("DELETE FROM snapshot WHERE disk_id = (SELECT id FROM disk WHERE image_id = :id)"), {"id": image_id}
    )
    return left


# ------------------------------------------------------------------ as they are shown

_SHOWN: Final = f"""
SELECT s.id AS snapshot_id, s.uuid::text AS uuid, s.name, s.description, s.disk_id, {DISK_NAME} AS disk_name,
       a.vm_id, s.group_id, k.account_id AS user_id, u.storage_id, u.size_bytes, u.claimed_bytes, u.allocated_bytes,
       s.consistency, s.taken_at AS taken, s.created_at AS created, o.id AS operation_id,
       coalesce(o.user_text, '') AS waiting_for,
       EXISTS (SELECT 1 FROM operation_object g WHERE g.operation_id = o.id AND g.kind = 'snapshot'
                AND g.object_id = s.id AND o.kind = 'snapshot_delete' AND o.state <> 'failed') AS going
  FROM snapshot s JOIN disk k ON k.id = s.disk_id JOIN volume u ON u.id = s.volume_id
  LEFT JOIN image i ON i.id = k.image_id LEFT JOIN attachment a ON a.disk_id = k.id AND NOT a.read_only
  LEFT JOIN operation_object h ON h.kind = 'disk' AND h.object_id = k.id AND h.exclusive
  LEFT JOIN operation o ON o.id = h.operation_id
"""


def show_snapshot(session: Session, snapshot_id: int) -> results.Snapshot:
    """:raises ObjectNotFound: there is none."""
    found = session.execute(text(f"{_SHOWN} WHERE s.id = :id"), {"id": snapshot_id}).first()
    if found is None:
        raise ObjectNotFound("snapshot", snapshot_id)
    return cast(results.Snapshot, dict(found._mapping))


def list_snapshots(
    session: Session, *, account_id: int | None, disk_id: int | None, vm_id: int | None, limit: int, before: int | None
) -> list[results.Snapshot]:
    """
    A page, newest first.

    :param account_id: those of an account's disks; ``disk_id``: of a disk; ``vm_id``: of the disks that a VM may write.
    """
    values = {"account_id": account_id, "disk_id": disk_id, "vm_id": vm_id, "before": before}
    where = {
        "account_id": "k.account_id = :account_id",
        "disk_id": "s.disk_id = :disk_id",
        "vm_id": "a.vm_id = :vm_id",
        "before": "s.id < :before",
    }
    chosen = [clause for name, clause in where.items() if values[name] is not None]
    statement = f"{_SHOWN} WHERE {' AND '.join(['true', *chosen])} ORDER BY s.id DESC LIMIT :limit"
    return [
        cast(results.Snapshot, dict(row._mapping))
        for row in session.execute(text(statement), {**values, "limit": limit})
    ]


def edit_snapshot(session: Session, snapshot_id: int, name: str | None, description: str | None) -> None:
    """What is None stays."""
    values = {"name": name, "description": description}
    edit_row(session, Snapshot, snapshot_id, (Snapshot.name, Snapshot.description), values, counted=False)


def find_snapshot(session: Session, snapshot_id: int) -> int | None:
    """The disk of a snapshot; None where it is not there."""
    found: int | None = session.scalar(text("SELECT disk_id FROM snapshot WHERE id = :id"), {"id": snapshot_id})
    return found


def snapshot_of_image(session: Session, image_id: int) -> int | None:
    """One of the snapshots of an entry's disk, if it has any."""
    found: int | None = session.scalar(
        text("SELECT min(s.id) FROM snapshot s JOIN disk k ON k.id = s.disk_id WHERE k.image_id = :id"),
        {"id": image_id},
    )
    return found
