"""Address pools, the NICs of VMs, and network leases: one row per address that NICs may get, each for one at most."""

from __future__ import annotations

import uuid as uuid_module
from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger, Uuid, text
from sqlalchemy.dialects.postgresql import CIDR, INET, MACADDR, ExcludeConstraint
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


class Nic(Base):
    """
    A network card of a VM, as long as the VM is. What the node and the guest see of it is written down when it is made:
    nobody works it out anew.
    """

    __tablename__ = "nic"
    __table_args__ = (Index("uq_nic_number", "vm_id", "number", unique=True), Index("uq_nic_mac", "mac", unique=True))
    id: Mapped[Key]
    uuid: Mapped[uuid_module.UUID] = mapped_column(Uuid, server_default=text("gen_random_uuid()"))
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    number: Mapped[int] = mapped_column(SmallInteger)  # 0: the VM's first
    pool_id: Mapped[int] = mapped_column(ForeignKey("address_pool.id"))
    mac: Mapped[str] = mapped_column(MACADDR)
    tap: Mapped[str]  # the interface's name on the node
    model: Mapped[str]  # virtio, e1000, ...


class NetworkLease(Base):
    __tablename__ = "network_lease"
    __table_args__ = (
        Index("uq_network_lease_address", "pool_id", "address", unique=True),
        Index("ix_network_lease_free", "pool_id", "address", postgresql_where=text("nic_id IS NULL")),
        Index("ix_network_lease_nic", "nic_id", postgresql_where=text("nic_id IS NOT NULL")),
    )
    id: Mapped[Key]
    pool_id: Mapped[int] = mapped_column(ForeignKey("address_pool.id"))
    address: Mapped[str] = mapped_column(INET)
    nic_id: Mapped[int | None] = mapped_column(ForeignKey("nic.id"))
