"""Queries about tickets for downloads, and about what may change a volume while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import DiskFormat


@dataclass(frozen=True)
class DownloadRow:
    """Who may read which volume, by which of the two they asked for it, and as what it is handed out."""

    volume_id: int
    disk_id: int | None
    image_id: int | None
    account_id: int
    account_version: int
    issuer: str
    groups: tuple[int, ...]
    filename: str


@dataclass(frozen=True)
class VolumeFacts:
    """Where a volume is. ``backing_id``: what it is made from, and cannot be read without."""

    id: int
    storage_id: int
    name: str
    format: DiskFormat
    backing_id: int | None


def get_volume(session: Session, volume_id: int) -> VolumeFacts:
    found = session.execute(
        text("SELECT id, storage_id, name, format, backing_id FROM volume WHERE id = :id"), {"id": volume_id}
    ).one()
    return VolumeFacts(found.id, found.storage_id, found.name, DiskFormat(found.format), found.backing_id)


def volume_of_image(session: Session, image_id: int) -> int:
    return int(session.scalar(text("SELECT volume_id FROM image WHERE id = :id"), {"id": image_id}) or 0)


def count_downloads(session: Session, account_id: int) -> int:
    """Tickets of an account that can still be used. What has expired is removed, whoever's."""
    session.execute(text("DELETE FROM download_ticket WHERE expires_at < clock_timestamp()"))
    found: int = session.execute(
        text("SELECT count(*) FROM download_ticket WHERE account_id = :id"), {"id": account_id}
    ).scalar_one()
    return found


def insert_download(session: Session, digest: bytes, row: DownloadRow, valid_s: float) -> datetime:
    """:return: when it expires."""
    found: datetime = session.execute(
        text(
            "INSERT INTO download_ticket (digest, volume_id, disk_id, image_id, account_id, account_version, issuer,"
            " groups, filename, expires_at) VALUES (:digest, :volume_id, :disk_id, :image_id, :account_id,"
            " :account_version, :issuer, :groups, :filename, clock_timestamp() + make_interval(secs => :valid_s))"
            " RETURNING expires_at"
        ),
        {"digest": digest, "valid_s": valid_s, **vars(row), "groups": list(row.groups)},
    ).scalar_one()
    return found


def find_download(session: Session, digest: bytes) -> DownloadRow | None:
    """What a ticket is for; None: there is none, or no longer."""
    found = session.execute(
        text(
            "SELECT volume_id, disk_id, image_id, account_id, account_version, issuer, groups, filename"
            " FROM download_ticket WHERE digest = :digest AND expires_at >= clock_timestamp()"
        ),
        {"digest": digest},
    ).first()
    return None if found is None else DownloadRow(**{**found._mapping, "groups": tuple(found.groups)})


def writers_of(session: Session, volume_id: int) -> Sequence[tuple[int, int]]:
    """VMs that have a volume's disk attached for writing, each with how often it was launched."""
    found = session.execute(
        text(
            "SELECT v.id, v.launches FROM disk k JOIN attachment t ON t.disk_id = k.id JOIN vm v ON v.id = t.vm_id"
            " WHERE k.volume_id = :id AND NOT t.read_only ORDER BY v.id"
        ),
        {"id": volume_id},
    )
    return [(row.id, row.launches) for row in found]
