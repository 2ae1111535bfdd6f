"""Storages, and on which nodes they are attached."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class Storage(Base):
    __tablename__ = "storage"
    __table_args__ = (
        Index("uq_storage_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        CheckConstraint("claimed_bytes >= 0", "claimed"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    kind: Mapped[str]
    path: Mapped[str]
    address: Mapped[Empty]
    source: Mapped[Empty]
    locked: Mapped[No]
    capacity_bytes: Mapped[int]
    claimed_bytes: Mapped[Zero]  # virtual sizes of everything live on it
    overcommit: Mapped[float]
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class StorageAttachment(Base):
    __tablename__ = "storage_attachment"
    __table_args__ = (Index("uq_storage_attachment_id", "id", unique=True),)
    id: Mapped[int] = mapped_column(Identity())  # by which operations name it
    storage_id: Mapped[int] = mapped_column(ForeignKey("storage.id"), primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True, index=True)
    state: Mapped[str] = mapped_column(server_default=text("'attaching'"))  # attaching, attached, failed
    last_error: Mapped[Empty]
    attached_at: Mapped[datetime | None]
