"""Volumes that lie on storages and are on no record, and those that are taken into it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import DiskFormat, ImageKind


def known_names(session: Session, storage_id: int) -> frozenset[str]:
    """Of the volumes on record, and those that were free."""
    return frozenset(session.scalars(text("SELECT name FROM volume WHERE storage_id = :s"), {"s": storage_id}))


def known_uuids(session: Session, uuids: Sequence[str]) -> frozenset[str]:
    """Those of VMs and images that are or were: what is named after them is theirs, or is being deleted."""
    found = session.scalars(
        text(
            "SELECT uuid::text FROM vm WHERE uuid = ANY(CAST(:u AS uuid[]))"
            " UNION ALL SELECT uuid::text FROM image WHERE uuid = ANY(CAST(:u AS uuid[]))"
        ),
        {"u": list(uuids)},
    )
    return frozenset(found)


class Backing(NamedTuple):
    volume_id: int
    format: DiskFormat


def backing_of(session: Session, storage_id: int, name: str) -> Backing | None:
    """The volume of a system image that is ready, held until the transaction ends; None: it is none."""
    found = session.execute(
        text(
            "SELECT u.id, u.format FROM volume u JOIN image i ON i.volume_id = u.id WHERE u.storage_id = :s"
            " AND u.name = :name AND i.kind = 'system' AND i.state = 'ok' AND u.made AND u.lost_at IS NULL"
            " FOR KEY SHARE OF u, i"
        ),
        {"s": storage_id, "name": name},
    ).first()
    return None if found is None else Backing(found.id, DiskFormat(found.format))


@dataclass(frozen=True)
class FoundVolume:
    """``backing_id``: the volume that it stands on."""

    storage_id: int
    volume: str
    format: DiskFormat
    size_bytes: int
    allocated_bytes: int
    backing_id: int | None
    account_id: int
    kind: ImageKind
    name: str
    description: str


_INSERT = text(
    """
WITH lies AS (
    INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes, allocated_bytes, made)
    VALUES (:storage_id, :volume, :format, CASE WHEN CAST(:backing_id AS bigint) IS NULL THEN 'whole' ELSE 'overlay'
            END, :backing_id, :size_bytes, :size_bytes, :allocated_bytes, true) RETURNING id
), made AS (
    INSERT INTO image (uuid, kind, name, description, account_id, volume_id, state, access, disk_controller, progress)
    SELECT :uuid, :kind, :name, :description, :account_id, id, 'ok', 'private', 'virtio', 100 FROM lies
    RETURNING id, account_id, volume_id, kind
), disked AS (
    INSERT INTO disk (account_id, image_id, volume_id) SELECT account_id, id, volume_id FROM made
     WHERE kind <> 'system' RETURNING id
)
SELECT made.id AS image_id, (SELECT id FROM disked) AS disk_id FROM made
"""
)


def insert_found(session: Session, row: FoundVolume) -> tuple[int, int | None]:
    """
    An entry of the catalogue that is ready, and the disk that it is, if it is one. Quota and room are counted already.

    :return: its id, and the disk's.
    :raises sqlalchemy.exc.IntegrityError: by ``uq_volume_storage_id_name``, where the volume is on record.
    """
    found = session.execute(_INSERT, {**asdict(row), "uuid": uuid.uuid4()}).one()
    return int(found.image_id), None if found.disk_id is None else int(found.disk_id)
