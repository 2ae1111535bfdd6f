"""Resource pools: what VMs may use together, and who makes VMs in them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, Now, Zero


class ResourcePool(Base):
    """Null in a quota: as the pool says that it is in."""

    __tablename__ = "resource_pool"
    __table_args__ = (
        Index("uq_resource_pool_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_resource_pool_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    description: Mapped[Empty]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("resource_pool.id"))
    hardware_pool: Mapped[str | None]  # whose storages its VMs' disks are on
    quota_cpu: Mapped[int | None]
    quota_memory_mib: Mapped[int | None]
    quota_storage_mib: Mapped[int | None]
    quota_vms: Mapped[int | None]
    quota_nics: Mapped[int | None]
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class ResourcePoolGrant(Base):
    """A privilege on a pool, for an account or for a group of a cloud manager; it holds in the pools within, too."""

    __tablename__ = "resource_pool_grant"
    __table_args__ = (
        UniqueConstraint("pool_id", "privilege", "account_id"),
        UniqueConstraint("pool_id", "privilege", "issuer", "group_id"),
        Index("ix_resource_pool_grant_account", "account_id"),
        Index("ix_resource_pool_grant_group", "issuer", "group_id"),
        CheckConstraint(
            "num_nonnulls(account_id, group_id) = 1 AND (group_id IS NULL) = (issuer IS NULL) AND issuer <> ''",
            "subject",
        ),
        CheckConstraint("privilege IN ('cloud_create', 'cloud_view')", "privilege"),
    )
    id: Mapped[Key]
    pool_id: Mapped[int] = mapped_column(ForeignKey("resource_pool.id"))
    privilege: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    issuer: Mapped[str | None]
    group_id: Mapped[int | None]
    created_at: Mapped[Now]
