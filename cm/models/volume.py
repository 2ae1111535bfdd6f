"""Volumes: what lies on storages, and what erased VMs have left there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, No, Now, Zero


class Volume(Base):
    """
    One file or block device on a storage. Its row goes with it, and not before: the foreign keys that point here are a
    disk's and an image's, whose it is, and those of the volumes that it backs.
    """

    __tablename__ = "volume"
    __table_args__ = (
        UniqueConstraint("storage_id", "name"),
        Index("ix_volume_backing", "backing_id", postgresql_where=text("backing_id IS NOT NULL")),
        Index("ix_volume_lost", "id", postgresql_where=text("lost_at IS NOT NULL")),
        CheckConstraint("mode IN ('overlay', 'copy', 'whole')", "mode"),
        CheckConstraint("size_bytes >= 0 AND claimed_bytes >= 0", "sizes"),
        CheckConstraint("backing_id IS NULL OR mode = 'overlay' OR (mode = 'copy' AND NOT made)", "copy_stands_alone"),
        CheckConstraint("backing_id <> id", "backs_another"),
    )
    id: Mapped[Key]
    storage_id: Mapped[int] = mapped_column(ForeignKey("storage.id"))
    name: Mapped[str]  # by cm/rules/names.py
    format: Mapped[str]
    mode: Mapped[str] = mapped_column(server_default=text("'whole'"))  # overlay, copy; whole: of nothing else
    backing_id: Mapped[int | None] = mapped_column(ForeignKey("volume.id"))  # what it is, or is to be, made from
    size_bytes: Mapped[Zero]  # what a guest sees
    claimed_bytes: Mapped[Zero]  # what is claimed on its storage and of its owner's quota
    allocated_bytes: Mapped[int | None]  # what it took when its storage was last listed
    made: Mapped[No]  # it is finished; a copy without this mark is thrown away and made again
    sha256: Mapped[Empty]  # of its bytes as they lie there, where nobody is to write to it; empty: not known
    lost_at: Mapped[datetime | None]  # an administrator said that it will not be found again; None once it is
    created_at: Mapped[Now]


class LeftoverVolume(Base):
    """
    What an erased VM had, and may write to: whoever a volume is named after, this VM had it last. It goes when no node
    has that VM's domain any more (``node_ids``: those that were not seen without it yet), and the volume is gone, or is
    on record: another's, as it was before or is since.
    """

    __tablename__ = "leftover_volume"
    storage_id: Mapped[int] = mapped_column(ForeignKey("storage.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    node_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))  # that may run its domain
