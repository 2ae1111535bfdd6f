"""What of a storage may go when it runs low: unused copies of images, and what lies in the trash, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True)
class Low:
    """
    A storage that runs low.

    :ivar new: it did not before.
    :ivar going_bytes: that what is being deleted there takes still.
    """

    name: str
    new: bool
    going_bytes: int


def write_low(session: Session, storage_id: int, low: bool) -> Low | None:
    """
    Record whether a storage runs low, its row locked until the transaction ends.

    :return: None where it does not, or is deleted.
    """
    row = session.execute(
        text("SELECT name, low_since FROM storage WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE"),
        {"id": storage_id},
    ).first()
    if row is None:
        return None
    if low is not (row.low_since is not None):
        session.execute(
            text("UPDATE storage SET low_since = CASE WHEN :low THEN clock_timestamp() END WHERE id = :id"),
            {"id": storage_id, "low": low},
        )
    if not low:
        return None
    going = session.scalar(
        text(
            "SELECT coalesce(sum(coalesce(u.allocated_bytes, 0)), 0)::bigint FROM volume u"
            " WHERE u.storage_id = :id AND (EXISTS (SELECT 1 FROM image i WHERE i.volume_id = u.id"
            "  AND i.state = 'deleted') OR EXISTS (SELECT 1 FROM cached_image c WHERE c.volume_id = u.id"
            "  AND c.state = 'evicting') OR EXISTS (SELECT 1 FROM free_volume f WHERE f.volume_id = u.id AND f.doomed)"
            " OR EXISTS (SELECT 1 FROM operation_object h JOIN operation o ON o.id = h.operation_id"
            "  WHERE h.kind = 'volume' AND h.object_id = u.id AND o.kind = 'volume_delete'))"
        ),
        {"id": storage_id},
    )
    return Low(row.name, row.low_since is None, int(going or 0))


def copies_on(session: Session, storage_id: int) -> Sequence[tuple[int, int]]:
    """Copies of images that nothing is made from, and what they take; those first that were used longest ago."""
    found = session.execute(
        text(
            "SELECT c.id, coalesce(u.allocated_bytes, 0) AS bytes FROM cached_image c JOIN volume u"
            " ON u.id = c.volume_id WHERE u.storage_id = :s AND c.state IN ('ok', 'failed')"
            " AND NOT EXISTS (SELECT 1 FROM volume b WHERE b.backing_id = u.id) AND NOT EXISTS (SELECT 1 FROM"
            "  operation_object h WHERE h.kind = 'cached_image' AND h.object_id = c.id) ORDER BY c.last_used_at, c.id"
            " LIMIT 1000"
        ),
        {"s": storage_id},
    )
    return [(row.id, row.bytes) for row in found]


@dataclass(frozen=True)
class Trashed:
    """A disk in the trash that nobody holds. ``bytes``: what its volume was seen to take."""

    image_id: int
    disk_id: int
    account_id: int
    name: str
    bytes: int


def trashed_on(session: Session, storage_id: int) -> Sequence[Trashed]:
    """Oldest first. What is attached, stood on, or worked on is left out."""
    found = session.execute(
        text(
            "SELECT i.id AS image_id, k.id AS disk_id, k.account_id, coalesce(nullif(k.name, ''), i.name) AS name,"
            " coalesce(u.allocated_bytes, 0) AS bytes FROM disk k JOIN image i ON i.id = k.image_id"
            " JOIN volume u ON u.id = k.volume_id WHERE k.trashed_at IS NOT NULL AND i.state = 'trashed'"
            " AND u.storage_id = :s AND NOT EXISTS (SELECT 1 FROM attachment t WHERE t.disk_id = k.id)"
            " AND NOT EXISTS (SELECT 1 FROM volume b WHERE b.backing_id = u.id)"
            " AND NOT EXISTS (SELECT 1 FROM operation_object h WHERE h.kind = 'disk' AND h.object_id = k.id"
            "  OR h.kind = 'image' AND h.object_id = i.id) ORDER BY k.trashed_at, k.id LIMIT 1000"
        ),
        {"s": storage_id},
    )
    return [Trashed(**row._mapping) for row in found]


def administrators(session: Session) -> Sequence[int]:
    """The accounts of this cluster's own administrators, and of a cloud's people who administer it."""
    return list(
        session.scalars(text("SELECT id FROM account WHERE is_admin AND active AND deleted_at IS NULL ORDER BY id"))
    )
