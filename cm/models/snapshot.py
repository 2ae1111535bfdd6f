"""Snapshots: points in time of disks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, Now


class Snapshot(Base):
    """
    A volume that nobody writes to any more; the disk is written to one that stands on it. It is there as long as
    the snapshot, and as long as anything stands on it.
    """

    __tablename__ = "snapshot"
    __table_args__ = (
        # Volumes change places when one is merged into another, in one statement.
        UniqueConstraint("volume_id", name="uq_snapshot_volume", deferrable=True, initially="IMMEDIATE"),
        Index("ix_snapshot_disk", "disk_id"),
        Index("ix_snapshot_group", "group_id", postgresql_where=text("group_id IS NOT NULL")),
        Index("uq_snapshot_spare", "spare_id", unique=True, postgresql_where=text("spare_id IS NOT NULL")),
        CheckConstraint("spare_id <> volume_id", "spare_is_another"),
        CheckConstraint("(taken_at IS NULL) = (consistency IS NULL)", "taken_somehow"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    disk_id: Mapped[int] = mapped_column(ForeignKey("disk.id"))
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id"))
    spare_id: Mapped[int | None] = mapped_column(ForeignKey("volume.id"))  # one that is to come, or to go, meanwhile
    group_id: Mapped[int | None]  # the first of those that were taken at the same moment; None: it was taken alone
    name: Mapped[str]
    description: Mapped[Empty]
    consistency: Mapped[str | None]  # None: it is not taken yet
    taken_at: Mapped[datetime | None]
    created_at: Mapped[Now]
