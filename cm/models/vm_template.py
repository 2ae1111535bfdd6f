"""VM templates: what is installed on VMs, apart from their size."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, Now, Yes, Zero


class VMTemplate(Base):
    """Null in what says what is installed: as the parent says."""

    __tablename__ = "vm_template"
    __table_args__ = (
        Index("ix_vm_template_account", "account_id", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_vm_template_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_vm_template_coming", "image_id", postgresql_where=text("NOT ready")),
        CheckConstraint("parent_id <> id", "own_parent"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("vm_template.id"))
    name: Mapped[str]
    description: Mapped[Empty]
    ready: Mapped[Yes]  # false: its image is being made of a VM, and nobody sees it yet
    system: Mapped[str | None]
    image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id"))
    iso_list: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    new_disks: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))  # MiB
    networks: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    access_method: Mapped[str | None]
    has_agent: Mapped[bool | None]
    firmware: Mapped[str | None]
    machine: Mapped[str | None]
    boot_menu_s: Mapped[int | None] = mapped_column(Integer)
    cpu_model: Mapped[str | None]
    traits: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    tags: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]
