"""Disks, snapshots and images as the rules of what may be done with them see them (``cm/rules/disk.py`` and others)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import DiskFormat, DiskKind, DiskState, ImageKind, ImageState
from cm.rules.disk import OFF, DiskStanding, Having, Work
from cm.rules.image import ImageStanding
from cm.rules.operation import OperationKind
from cm.rules.snapshot import SnapshotStanding, removal
from cm.rules.storage import capabilities
from cm.runtime.prepared import Prepared
from cm.store.attachment import places_with
from cm.store.conditions import unsettled
from cm.store.disk import DISK_STATE
from cm.store.disk_bytes import image_is_stood_on
from cm.store.erased import written_by
from cm.store.image import users_of
from cm.store.snapshot import SnapshotRow, snapshot_of_image, tree_of
from cm.store.vm import get_vm

_DISK: Final = Prepared(
    "disk_as_it_stands",
    f"""
SELECT k.id, coalesce(i.kind, 'vm') AS kind, {DISK_STATE} AS state, k.image_id IS NOT NULL AS listed,
       EXISTS (SELECT 1 FROM volume b WHERE b.backing_id = u.id) AS stood_on, u.backing_id IS NULL AS whole,
       u.backing_id IS NULL OR EXISTS (SELECT 1 FROM image b WHERE b.volume_id = u.backing_id)
       OR EXISTS (SELECT 1 FROM cached_image b WHERE b.volume_id = u.backing_id) AS on_images,
       (SELECT count(*) FROM snapshot b WHERE b.disk_id = k.id) AS snapshots, {unsettled(":id")} AS unsettled,
       o.kind AS storage_kind, w.id AS operation_id, w.kind AS operation_kind
  FROM disk k JOIN volume u ON u.id = k.volume_id JOIN storage o ON o.id = u.storage_id
  LEFT JOIN image i ON i.id = k.image_id
  LEFT JOIN operation_object h ON h.kind = 'disk' AND h.object_id = k.id AND h.exclusive
  LEFT JOIN operation w ON w.id = h.operation_id
 WHERE k.id = :id
""",
)


def disk_standing(session: Session, disk_id: int) -> DiskStanding:
    """
    Whoever is going to act on it has it locked, and then its VMs.

    :raises ObjectNotFound: there is none.
    """
    row = _DISK(session, id=disk_id).first()
    if row is None:
        raise ObjectNotFound("disk", disk_id)
    return DiskStanding(
        id=row.id,
        kind=DiskKind(row.kind),
        state=DiskState(row.state),
        listed=row.listed,
        having=_vms_with(session, disk_id),
        work=_work(row.operation_id, row.operation_kind),
        erased=written_by(session, disk_id),
        stood_on=row.stood_on,
        whole=row.whole,
        on_images=row.on_images,
        snapshots=row.snapshots,
        unsettled=row.unsettled,
        storage_kind=row.storage_kind,
        can=capabilities(row.storage_kind),
    )


def _work(operation_id: int | None, kind: str | None) -> Work | None:
    return None if operation_id is None or kind is None else Work(operation_id, OperationKind(kind))


def _vms_with(session: Session, disk_id: int) -> tuple[Having, ...]:
    found = []
    for place in places_with(session, disk_id):
        row = get_vm(session, place.vm_id)
        work = _work(row.operation_id, row.operation_kind)
        found.append(Having(row.id, row.state, work, place.number == 0, place.read_only, place.cdrom))
    return tuple(found)


def snapshot_standing(session: Session, rows: Sequence[SnapshotRow]) -> list[SnapshotStanding]:
    """:param rows: some that are done to together; each with its disk, which is locked as of ``disk_standing``."""
    return [
        SnapshotStanding(
            row.id,
            row.taken_at is not None,
            removal(tree_of(session, row.disk_id), row.volume.id) is not None,
            disk_standing(session, row.disk_id),
        )
        for row in rows
    ]


_IMAGE: Final = Prepared(
    "image_as_it_stands",
    """
SELECT i.id, i.kind, i.state, u.backing_id IS NOT NULL AS backed, u.format, o.kind AS storage_kind,
       (SELECT k.id FROM disk k WHERE k.image_id = i.id) AS disk_id,
       EXISTS (SELECT 1 FROM operation_object h WHERE h.kind = 'image' AND h.object_id = i.id AND h.exclusive) AS busy,
       (SELECT min(h.operation_id) FROM cached_image c JOIN operation_object h ON h.kind = 'cached_image'
           AND h.object_id = c.id AND h.exclusive WHERE c.image_id = i.id AND c.state <> 'evicting') AS copied
  FROM image i JOIN volume u ON u.id = i.volume_id JOIN storage o ON o.id = u.storage_id WHERE i.id = :id
""",
)


def image_standing(session: Session, image_id: int) -> ImageStanding:
    """:raises ObjectNotFound: there is none, or it has no volume any more."""
    row: Any = _IMAGE(session, id=image_id).first()
    if row is None:
        raise ObjectNotFound("image", image_id)
    having = () if row.disk_id is None else _vms_with(session, row.disk_id)
    return ImageStanding(
        id=row.id,
        kind=ImageKind(row.kind),
        state=ImageState(row.state),
        disk_id=row.disk_id,
        users=tuple(users_of(session, image_id)),
        snapshot=snapshot_of_image(session, image_id),
        stood_on=image_is_stood_on(session, image_id),
        busy=row.busy,
        copied=row.copied,
        erased=written_by(session, image_id, "image"),
        backed=row.backed,
        writers=tuple(each.vm_id for each in having if not each.read_only and each.state not in OFF),
        format=DiskFormat(row.format),
        storage_kind=row.storage_kind,
    )
