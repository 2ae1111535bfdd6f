"""Addresses of the outside world that guests are reached by: whole ones of accounts', and ports of shared ones."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class PublicAddress(Base):
    """
    An address that an administrator added.

    :ivar account_id: whose it is; NULL: free, or shared.
    :ivar nic_id: the NIC that has it, which is reached by it; the NIC's own address of that family is behind it.
    :ivar shared: single ports of it are given away.
    :ivar uplink: the interface of nodes that it is announced on; empty: their way out.
    """

    __tablename__ = "public_address"
    __table_args__ = (
        Index("uq_public_address_address", "address", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(
            "uq_public_address_nic",
            "nic_id",
            text("family(address)"),
            unique=True,
            postgresql_where=text("nic_id IS NOT NULL"),
        ),
        Index("ix_public_address_account_id", "account_id", postgresql_where=text("account_id IS NOT NULL")),
        CheckConstraint("NOT shared OR account_id IS NULL", name="shared"),
        CheckConstraint("nic_id IS NULL OR account_id IS NOT NULL", name="owner"),
        CheckConstraint("deleted_at IS NULL OR account_id IS NULL", name="deleted"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    address: Mapped[str] = mapped_column(INET)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    nic_id: Mapped[int | None] = mapped_column(ForeignKey("nic.id", ondelete="SET NULL"))
    shared: Mapped[No]
    uplink: Mapped[Empty]
    description: Mapped[Empty]
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class PublicPort(Base):
    """A port of a shared address that leads to one of a NIC's. It ends with the NIC."""

    __tablename__ = "public_port"
    __table_args__ = (
        Index("uq_public_port_port", "address_id", "protocol", "port", unique=True),
        Index("uq_public_port_guest", "nic_id", "protocol", "guest_port", unique=True),
        CheckConstraint("protocol IN ('tcp', 'udp')", name="protocol"),
        CheckConstraint("port BETWEEN 1 AND 65535 AND guest_port BETWEEN 1 AND 65535", name="ports"),
    )
    id: Mapped[Key]
    address_id: Mapped[int] = mapped_column(ForeignKey("public_address.id"))
    protocol: Mapped[str]
    port: Mapped[int]
    nic_id: Mapped[int] = mapped_column(ForeignKey("nic.id", ondelete="CASCADE"))
    guest_port: Mapped[int]
    created_at: Mapped[Now]
