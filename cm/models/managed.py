"""What libvirt has on nodes, as it was seen last, and domains that were saved to files there."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, Now


class ManagedObject(Base):
    """A node's facts, a domain, a pool or a volume of a pool, whoever made it; gone with the look that misses it."""

    __tablename__ = "managed_object"
    __table_args__ = (
        Index("uq_managed_object_key", "node_id", "kind", "key", unique=True),
        Index("ix_managed_object_name", "kind", "name"),
    )
    id: Mapped[Key]
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"))
    kind: Mapped[str]  # node, domain, pool, volume
    key: Mapped[str]  # "", a uuid, a pool's uuid and a volume's name
    name: Mapped[Empty]
    properties: Mapped[dict[str, Any]] = mapped_column(JSONB)
    since: Mapped[Now]


class ManagedLook(Base):
    """A node's turns to be looked at, and how the last ones went."""

    __tablename__ = "managed_look"
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True)
    turn_at: Mapped[datetime | None]
    domains_stale: Mapped[bool] = mapped_column(server_default=text("true"))
    storage_stale: Mapped[bool] = mapped_column(server_default=text("true"))
    domains_at: Mapped[datetime | None]  # when the last look that was recorded began
    storage_at: Mapped[datetime | None]
    domains_digest: Mapped[bytes | None]  # of what that look found
    storage_digest: Mapped[bytes | None]
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))  # by uuid: KiB, nanoseconds


class SavedDomain(Base):
    """A domain's memory in a file of a node. It is restored once: its disk goes on from there."""

    __tablename__ = "saved_domain"
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    uuid: Mapped[uuid.UUID] = mapped_column(Uuid)
    saved_at: Mapped[Now]
    restored_at: Mapped[datetime | None]
