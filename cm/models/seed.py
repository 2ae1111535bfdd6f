"""What guests are seeded by as they boot for the first time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Now


class Seed(Base):
    """A VM's CD with its metadata. The volume is ``made`` once it is written; both go after the first boot."""

    __tablename__ = "seed"
    __table_args__ = (UniqueConstraint("volume_id"),)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id"))
    read_at: Mapped[datetime | None]  # when its guest said hello
    created_at: Mapped[Now]
