"""Address pools and network leases: one row per address that guests may get; a lease belongs to at most one VM."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import CIDR, INET, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class AddressPool(Base):
    __tablename__ = "address_pool"
    __table_args__ = (
        ExcludeConstraint(
            ("network", "&&"),
            name="ex_address_pool_network",
            using="gist",
            where=text("deleted_at IS NULL"),
            ops={"network": "inet_ops"},
        ),
        Index("uq_address_pool_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_address_pool_bridge", "bridge", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    network: Mapped[str] = mapped_column(CIDR)
    gateway: Mapped[str] = mapped_column(INET)
    bridge: Mapped[str]
    dns: Mapped[Empty]  # addresses, separated by blanks
    locked: Mapped[No]
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class NetworkLease(Base):
    __tablename__ = "network_lease"
    __table_args__ = (
        Index("uq_network_lease_address", "pool_id", "address", unique=True),
        Index("ix_network_lease_free", "pool_id", "address", postgresql_where=text("vm_id IS NULL")),
        Index("uq_network_lease_vm", "vm_id", "nic", unique=True, postgresql_where=text("vm_id IS NOT NULL")),
    )
    id: Mapped[Key]
    pool_id: Mapped[int] = mapped_column(ForeignKey("address_pool.id"))
    address: Mapped[str] = mapped_column(INET)
    vm_id: Mapped[int | None] = mapped_column(ForeignKey("vm.id"))
    nic: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
