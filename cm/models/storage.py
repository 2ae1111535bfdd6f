"""Storages, and on which nodes they are attached."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Identity, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero

LIVE: Final = "deleted_at IS NULL"
# What may be promised in all. Where others fill a storage as well there is less than its capacity for us: what ours
# take, and what is available. PostgreSQL's bigint ends at 9.2e18.
LIMIT: Final = (
    "greatest(floor(least(least(capacity_bytes, coalesce(allocated_bytes + available_bytes, capacity_bytes))"
    " * overcommit, 9e18))::bigint - reserve_bytes, 0)"
)


class Storage(Base):
    __tablename__ = "storage"
    __table_args__ = (
        Index("uq_storage_name", "name", unique=True, postgresql_where=text(LIVE)),
        Index("uq_storage_default", text("(true)"), unique=True, postgresql_where=text(f"is_default AND {LIVE}")),
        Index("ix_storage_node", "node_id", postgresql_where=text(f"node_id IS NOT NULL AND {LIVE}")),
        CheckConstraint("claimed_bytes >= 0", "claimed"),
        CheckConstraint("reserve_bytes >= 0", "reserve"),
        CheckConstraint("freed IN ('none', 'discard', 'wipe')", "freed"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    kind: Mapped[str]
    path: Mapped[str]
    address: Mapped[Empty]
    source: Mapped[Empty]
    devices: Mapped[Empty]  # that a volume group is made of where there is none, apart by blanks
    nfs_version: Mapped[Empty]
    mount_options: Mapped[Empty]  # apart by commas
    # Whose own it is: no other node attaches it. None: a storage of all that do. It never changes.
    node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    locked: Mapped[No]
    draining: Mapped[No]  # no new volumes
    offered: Mapped[No]  # users may choose it
    is_default: Mapped[No]
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    capacity_bytes: Mapped[int]
    capacity_follows: Mapped[No]  # what its pool says; nobody told another
    claimed_bytes: Mapped[Zero]  # virtual sizes of everything live on it
    reserve_bytes: Mapped[Zero]  # promised to nobody
    overcommit: Mapped[float]
    allocated_bytes: Mapped[int | None]  # what volumes of ours took when it was last looked at
    available_bytes: Mapped[int | None]  # what it had left then
    looked_at: Mapped[datetime | None]
    full_since: Mapped[datetime | None]
    low_since: Mapped[datetime | None]  # less is free than ``cluster.storage_low_percent``; administrators were told
    limit_bytes: Mapped[int] = mapped_column(BigInteger, Computed(LIMIT, persisted=True))
    hardware_pool: Mapped[Empty]  # VMs' new disks lie where their root disks do
    keep_freed: Mapped[No]  # volumes of deleted disks are free for others instead of deleted
    freed: Mapped[str] = mapped_column(server_default=text("'none'"))  # what is done to the content of freed volumes
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
