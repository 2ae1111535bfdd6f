"""VM profiles: a size and a VM template under one name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Key, NewUuid, Now, Zero


class VMProfile(Base):
    __tablename__ = "vm_profile"
    __table_args__ = (
        Index("uq_vm_profile_name", "account_id", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_vm_profile_vm_template", "vm_template_id", postgresql_where=text("deleted_at IS NULL")),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str]
    vm_template_id: Mapped[int] = mapped_column(ForeignKey("vm_template.id"))
    template_id: Mapped[int] = mapped_column(ForeignKey("template.id"))
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]
