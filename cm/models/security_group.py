"""Security groups of accounts, their rules, and the NICs that are in them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import CIDR
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class SecurityGroup(Base):
    __tablename__ = "security_group"
    __table_args__ = (
        Index("uq_security_group_name", "account_id", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(
            "uq_security_group_default",
            "account_id",
            unique=True,
            postgresql_where=text("is_default AND deleted_at IS NULL"),
        ),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str]
    description: Mapped[Empty]
    is_default: Mapped[No]  # of its account: what NICs on users' networks are in from when they are made
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class SecurityRule(Base):
    """What is allowed; what no rule allows is not."""

    __tablename__ = "security_rule"
    __table_args__ = (
        CheckConstraint("direction IN ('in', 'out')", name="direction"),
        CheckConstraint("(remote IS NULL OR remote_group_id IS NULL)", name="one"),
        CheckConstraint(
            "(port_first IS NULL) = (port_last IS NULL) AND (port_first IS NULL OR protocol IN ('tcp', 'udp')"
            " AND port_first BETWEEN 1 AND port_last AND port_last <= 65535)",
            name="ports",
        ),
        Index("ix_security_rule_group_id", "group_id"),
        Index(
            "ix_security_rule_remote_group_id", "remote_group_id", postgresql_where=text("remote_group_id IS NOT NULL")
        ),
    )
    id: Mapped[Key]
    group_id: Mapped[int] = mapped_column(ForeignKey("security_group.id"))
    direction: Mapped[str]
    protocol: Mapped[str]  # "tcp", "udp", "icmp", "any", or a number
    port_first: Mapped[int | None]
    port_last: Mapped[int | None]
    remote: Mapped[str | None] = mapped_column(CIDR)  # the other side; NULL: a group's members, or everybody
    remote_group_id: Mapped[int | None] = mapped_column(ForeignKey("security_group.id"))
    created_at: Mapped[Now]
    description: Mapped[Empty]


class NicGroup(Base):
    __tablename__ = "nic_group"
    __table_args__ = (Index("ix_nic_group_group_id", "group_id"),)
    nic_id: Mapped[int] = mapped_column(ForeignKey("nic.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("security_group.id"), primary_key=True)
