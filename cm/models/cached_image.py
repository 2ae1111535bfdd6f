"""Copies of images on nodes' own storages, which VMs' disks there are made from."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, Now


class CachedImage(Base):
    """One image on one storage. It goes with its volume, which stays as long as a disk is made from it."""

    __tablename__ = "cached_image"
    __table_args__ = (
        Index("uq_cached_image_volume", "volume_id", unique=True),
        Index("ix_cached_image_image", "image_id"),
        CheckConstraint("state IN ('waiting', 'copying', 'ok', 'failed', 'evicting')", "state"),
    )
    id: Mapped[Key]  # by which operations name it
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id"))
    state: Mapped[str]
    error: Mapped[Empty]
    last_used_at: Mapped[Now]  # about when a VM was made from it last
    created_at: Mapped[Now]
