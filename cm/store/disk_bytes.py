"""
What happens to what a disk lies on: it is made larger, copied, and put on another volume. What is claimed of accounts
and storages follows in the same transactions.

A volume that a disk moves to, or has left, is no disk's: an operation holds it (``ObjectKind.VOLUME``) until it is the
disk's, or deleted. Its room on its storage is claimed all the while, and nothing of its owner's quota: that counts a
disk once.
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import DiskFormat, ImageKind
from cm.runtime.rows import has_row
from cm.store.claim import claim_quota, claim_storage, count_quota, mib, release_quota, release_storage


@dataclass(frozen=True)
class Place:
    """Where a disk is attached."""

    vm_id: int
    device: str
    read_only: bool
    cdrom: bool


def places_of(session: Session, disk_id: int) -> Sequence[Place]:
    found = session.execute(
        text("SELECT vm_id, device, read_only, cdrom FROM attachment WHERE disk_id = :id ORDER BY vm_id"),
        {"id": disk_id},
    )
    return [Place(**row._mapping) for row in found]


def stands_on_nothing(session: Session, volume_id: int) -> bool:
    """Whether a volume's file holds all its bytes."""
    return has_row(session, "SELECT 1 FROM volume WHERE id = :id AND backing_id IS NULL", {"id": volume_id})


def image_is_stood_on(session: Session, image_id: int) -> bool:
    """Whether other volumes are made from an entry's, or from nodes' copies of it, or are just being."""
    return bool(
        session.scalar(
            text(
                "SELECT EXISTS (SELECT 1 FROM volume u JOIN image i ON u.backing_id = i.volume_id WHERE i.id = :id)"
                " OR EXISTS (SELECT 1 FROM volume u JOIN cached_image c ON u.backing_id = c.volume_id"
                " WHERE c.image_id = :id)"
            ),
            {"id": image_id},
        )
    )


@dataclass(frozen=True)
class Lies:
    """A volume on its storage."""

    id: int
    storage_id: int
    name: str
    format: DiskFormat
    size_bytes: int
    claimed_bytes: int
    made: bool


@dataclass(frozen=True)
class Room:
    """Where a disk's bytes are to lie, as what, and how much is claimed for that."""

    storage_id: int
    format: DiskFormat
    size_bytes: int


def find_volume(session: Session, volume_id: int, *, lock: bool = False) -> Lies | None:
    found = session.execute(
        text(
            "SELECT id, storage_id, name, format, size_bytes, claimed_bytes, made FROM volume WHERE id = :id"
            + (" FOR UPDATE" if lock else "")
        ),
        {"id": volume_id},
    ).first()
    return None if found is None else Lies(**{**found._mapping, "format": DiskFormat(found.format)})


def require_volume(session: Session, volume_id: int) -> Lies:
    """:raises ObjectNotFound: it is gone."""
    found = find_volume(session, volume_id)
    if found is None:
        raise ObjectNotFound("volume", volume_id)
    return found


def rename_volume(session: Session, volume_id: int, name: str) -> None:
    """Of one that is not made. Its file is not renamed: there is none of the new name yet."""
    session.execute(text("UPDATE volume SET name = :name WHERE id = :id"), {"name": name, "id": volume_id})


def volume_of_image(session: Session, image_id: int) -> Lies:
    """:raises ObjectNotFound: the entry is gone."""
    volume_id = session.scalar(text("SELECT volume_id FROM image WHERE id = :id"), {"id": image_id})
    found = None if volume_id is None else find_volume(session, volume_id)
    if found is None:
        raise ObjectNotFound("image", image_id)
    return found


# ------------------------------------------------------------------ larger


def claim_growth(session: Session, volume_id: int, account_id: int, size_bytes: int) -> None:
    """
    Claim what a disk is going to have, once: what was claimed before stays claimed.

    :raises QuotaReached: StorageFull: it does not fit.
    """
    was = find_volume(session, volume_id, lock=True)
    assert was is not None
    if size_bytes <= was.claimed_bytes:
        return
    claim_quota(session, account_id, storage_mib=mib(size_bytes) - mib(was.claimed_bytes))
    claim_storage(session, was.storage_id, size_bytes - was.claimed_bytes)
    session.execute(text("UPDATE volume SET claimed_bytes = :s WHERE id = :id"), {"s": size_bytes, "id": volume_id})


def write_growth(session: Session, volume_id: int, size_bytes: int) -> None:
    """It has grown; what was claimed for that is its own now."""
    session.execute(
        text("UPDATE volume SET size_bytes = greatest(size_bytes, :s) WHERE id = :id"),
        {"s": size_bytes, "id": volume_id},
    )


def release_growth(session: Session, volume_id: int, account_id: int) -> None:
    """It has not grown: what was claimed beyond its size goes back, once."""
    was = find_volume(session, volume_id, lock=True)
    if was is None or was.claimed_bytes <= was.size_bytes:
        return
    release_quota(session, account_id, storage_mib=mib(was.claimed_bytes) - mib(was.size_bytes))
    release_storage(session, was.storage_id, was.claimed_bytes - was.size_bytes)
    session.execute(text("UPDATE volume SET claimed_bytes = size_bytes WHERE id = :id"), {"id": volume_id})


# ------------------------------------------------------------------ copies

_INSERT_COPY = text(
    """
WITH lies AS (
    INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes)
    VALUES (:storage_id, :volume, :format, 'copy', :source_id, :size_bytes, :size_bytes) RETURNING id
), made AS (
    INSERT INTO image (uuid, kind, name, description, account_id, volume_id, state, platform, disk_controller,
                       network_device, video_device)
    SELECT :uuid, :kind, :name, :description, :account_id, id, 'adding', :platform, :disk_controller, :network_device,
           :video_device FROM lies
    RETURNING id, kind, account_id, volume_id
), attachable AS (
    INSERT INTO disk (account_id, image_id, volume_id)
    SELECT account_id, id, volume_id FROM made WHERE kind <> 'system' RETURNING id
)
SELECT made.id AS image_id, attachable.id AS disk_id FROM made LEFT JOIN attachable ON true
"""
)


def insert_copy(
    session: Session,
    source: Lies,
    *,
    uuid: uuid_module.UUID,
    volume: str,
    room: Room,
    kind: ImageKind,
    account_id: int,
    values: dict[str, Any],
) -> tuple[int, int | None]:
    """
    The entry, and the disk unless it is a system image, that a volume is going to be copied to; with its owner's quota
    and its room claimed. The source stays as long as it is not made (``finish_copy``, ``give_up_copy``).

    :param values: name, description, platform, disk_controller, network_device, video_device.
    :return: ids of entry and disk.
    :raises QuotaReached: StorageFull: it does not fit.
    """
    claim_quota(session, account_id, storage_mib=mib(room.size_bytes))
    claim_storage(session, room.storage_id, room.size_bytes)
    made = session.execute(
        _INSERT_COPY,
        {
            "source_id": source.id,
            "size_bytes": room.size_bytes,
            "uuid": uuid,
            "volume": volume,
            "format": room.format,
            "storage_id": room.storage_id,
            "kind": kind,
            "account_id": account_id,
            **values,
        },
    ).one()
    return int(made.image_id), made.disk_id


def copy_facts(session: Session, image_id: int, source_id: int, description: str | None) -> None:
    """
    An entry is like another in what it holds and the devices that it wants; in neither family nor who may use it.

    :param description: None: the other's, too.
    """
    session.execute(
        text(
            "UPDATE image i SET description = coalesce(:description, s.description), platform = s.platform,"
            " disk_controller = s.disk_controller, network_device = s.network_device, video_device = s.video_device,"
            " system = s.system, architecture = s.architecture, least_memory_mib = s.least_memory_mib,"
            " least_disk_bytes = s.least_disk_bytes, default_user = s.default_user, agent = s.agent,"
            " metadata_source = s.metadata_source, firmware = s.firmware, machine = s.machine,"
            " imds_tokens = s.imds_tokens, imds_hop_limit = s.imds_hop_limit, imds_enabled = s.imds_enabled"
            " FROM image s WHERE i.id = :id AND s.id = :source"
        ),
        {"id": image_id, "source": source_id, "description": description},
    )


def finish_copy(session: Session, volume_id: int) -> None:
    """It is whole, and needs its source no more."""
    session.execute(text("UPDATE volume SET made = true, backing_id = NULL WHERE id = :id"), {"id": volume_id})


def give_up_copy(session: Session, volume_id: int) -> None:
    """It is not going to be made: its source may go."""
    session.execute(
        text("UPDATE volume SET backing_id = NULL WHERE id = :id AND mode = 'copy' AND NOT made"), {"id": volume_id}
    )


def finish_copy_of_image(session: Session, image_id: int) -> None:
    """The same of an entry's volume."""
    session.execute(
        text(
            "UPDATE volume SET made = true, backing_id = NULL WHERE id = (SELECT volume_id FROM image WHERE id = :id)"
        ),
        {"id": image_id},
    )


def give_up_copy_of_image(session: Session, image_id: int) -> None:
    session.execute(
        text(
            "UPDATE volume SET backing_id = NULL WHERE id = (SELECT volume_id FROM image WHERE id = :id)"
            " AND mode = 'copy' AND NOT made"
        ),
        {"id": image_id},
    )


def claim_again(session: Session, image_id: int, source_id: int) -> None:
    """
    Claim anew what was given back for a copy that failed, and keep its source.

    :raises QuotaReached: StorageFull: it does not fit any more.
    """
    found = session.execute(
        text(
            "SELECT i.account_id, u.id, u.storage_id, u.size_bytes FROM image i JOIN volume u ON u.id = i.volume_id"
            " WHERE i.id = :id AND u.claimed_bytes = 0 FOR NO KEY UPDATE OF u"
        ),
        {"id": image_id},
    ).one()
    claim_quota(session, found.account_id, storage_mib=mib(found.size_bytes))
    claim_storage(session, found.storage_id, found.size_bytes)
    session.execute(
        text("UPDATE volume SET claimed_bytes = size_bytes, backing_id = :source, mode = 'copy' WHERE id = :id"),
        {"id": found.id, "source": source_id},
    )


# ------------------------------------------------------------------ moves


def insert_target(session: Session, source: Lies, room: Room, name: str) -> int:
    """
    The volume that a disk is going to move to, with its room claimed; what it is copied from stays until then.

    :raises StorageFull: it does not fit.
    """
    claim_storage(session, room.storage_id, room.size_bytes)
    return int(
        session.execute(
            text(
                "INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes)"
                " VALUES (:storage_id, :name, :format, 'copy', :source_id, :size, :size) RETURNING id"
            ),
            {
                "storage_id": room.storage_id,
                "name": name,
                "format": room.format,
                "source_id": source.id,
                "size": room.size_bytes,
            },
        ).scalar_one()
    )


def switch_volume(session: Session, disk_id: int, target_id: int) -> int:
    """
    The disk lies on its target from now on, and on nothing besides. What its entry says follows, and its owner's quota
    where sizes are rounded otherwise there.

    :return: the volume that it has left, which is nobody's.
    """
    finish_copy(session, target_id)
    row = session.execute(
        text("SELECT image_id, volume_id, account_id FROM disk WHERE id = :id FOR UPDATE"), {"id": disk_id}
    ).one()
    if row.image_id is None:
        session.execute(text("UPDATE disk SET volume_id = :v WHERE id = :id"), {"v": target_id, "id": disk_id})
    else:  # the disk's own column follows by its foreign key
        session.execute(text("UPDATE image SET volume_id = :v WHERE id = :id"), {"v": target_id, "id": row.image_id})
    before, after = find_volume(session, row.volume_id), find_volume(session, target_id)
    assert before is not None and after is not None
    more_mib = mib(after.claimed_bytes) - mib(before.claimed_bytes)
    if more_mib:
        count_quota(session, row.account_id, cpu=0, memory_mib=0, storage_mib=more_mib, vms=0, force=True)
    return int(row.volume_id)


def delete_volume(session: Session, volume_id: int) -> int | None:
    """
    The file of a volume that is nobody's is gone: its row goes, with its room.

    :return: its storage; None where it had gone before.
    :raises sqlalchemy.exc.IntegrityError: it is somebody's after all, or something is made from it.
    """
    found = session.execute(
        text("DELETE FROM volume WHERE id = :id RETURNING storage_id, claimed_bytes"), {"id": volume_id}
    ).first()
    if found is None:
        return None
    release_storage(session, found.storage_id, found.claimed_bytes)
    return int(found.storage_id)


def is_somebodys(session: Session, volume_id: int) -> bool:
    """Whether a disk or an image lies on a volume, what is in a bucket, a suspended VM's memory, or a seed."""
    return bool(
        session.scalar(
            text(
                "SELECT EXISTS (SELECT 1 FROM disk WHERE volume_id = :id)"
                " OR EXISTS (SELECT 1 FROM image WHERE volume_id = :id)"
                " OR EXISTS (SELECT 1 FROM stored_object WHERE volume_id = :id)"
                " OR EXISTS (SELECT 1 FROM suspension WHERE volume_id = :id)"
                " OR EXISTS (SELECT 1 FROM seed WHERE volume_id = :id)"
            ),
            {"id": volume_id},
        )
    )


def node_reaching_both(session: Session, storage_id: int, other_id: int, skip: int = 0) -> int | None:
    """A node that answers and has both storages attached, as ``node_reaching``."""
    found = list(
        session.scalars(
            text(
                "SELECT n.id FROM node n JOIN storage_attachment a ON a.node_id = n.id AND a.storage_id = :s"
                " JOIN storage_attachment b ON b.node_id = n.id AND b.storage_id = :o"
                " WHERE a.state = 'attached' AND b.state = 'attached' AND n.state = 'ok' AND n.deleted_at IS NULL"
                " ORDER BY n.locked, n.id"
            ),
            {"s": storage_id, "o": other_id},
        )
    )
    return int(found[skip % len(found)]) if found else None


def are_together(session: Session, storage_id: int, other_id: int) -> bool:
    """Whether a node of the cluster, which may not answer now, has both storages attached."""
    return has_row(
        session,
        "SELECT 1 FROM storage_attachment a JOIN storage_attachment b ON b.node_id = a.node_id"
        " WHERE a.storage_id = :s AND b.storage_id = :o AND a.state = 'attached' AND b.state = 'attached' LIMIT 1",
        {"s": storage_id, "o": other_id},
    )


def has_node(session: Session, storage_id: int) -> bool:
    """Whether a node of the cluster, which may not answer now, has the storage attached."""
    return has_row(
        session,
        "SELECT 1 FROM storage_attachment WHERE storage_id = :s AND state = 'attached' LIMIT 1",
        {"s": storage_id},
    )


# ------------------------------------------------------------------ kinds of entry


def become_image(session: Session, image_id: int, values: dict[str, Any]) -> None:
    """A storage image is a system image from now on, and no disk any more. It is attached to nothing."""
    session.execute(text("DELETE FROM disk WHERE image_id = :id"), {"id": image_id})
    session.execute(
        text(
            "UPDATE image SET kind = 'system', platform = :platform, disk_controller = :disk_controller,"
            " network_device = :network_device, video_device = :video_device, version = version + 1 WHERE id = :id"
        ),
        {"id": image_id, **values},
    )


def become_disk(session: Session, image_id: int) -> int:
    """
    A system image is a storage image, and a disk, from now on. Nothing is made from it; what sum its bytes had is
    forgotten, for guests write to it. :return: the disk.
    """
    return int(
        session.execute(
            text(
                "WITH kept AS (UPDATE image SET kind = 'storage', family = '', family_version = '',"
                " version = version + 1 WHERE id = :id RETURNING id, account_id, volume_id),"
                " lies AS (UPDATE volume SET sha256 = '' FROM kept WHERE volume.id = kept.volume_id)"
                " INSERT INTO disk (account_id, image_id, volume_id) SELECT account_id, id, volume_id FROM kept"
                " RETURNING id"
            ),
            {"id": image_id},
        ).scalar_one()
    )
