"""Farms. Which VMs are in one, and as what, they say themselves: number 0 is the head."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class Farm(Base):
    __tablename__ = "farm"
    __table_args__ = (Index("ix_farm_account", "account_id", "id"),)
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str]
    description: Mapped[Empty]
    host: Mapped[str]  # what its VMs' names begin with, however it is called later
    public_key: Mapped[str]  # of its pair; the private part is derived, and kept nowhere
    shared_key: Mapped[No]  # workers have the private part, too
    worker_template_id: Mapped[int] = mapped_column(ForeignKey("template.id"))
    version: Mapped[Zero]
    created_at: Mapped[Now]
