"""Expiry leases: for how long VMs run and stay when nobody renews them, and when those of each VM end."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero

LIVE = text("deleted_at IS NULL")


class Expiry(Base):
    """An administrator's; whoever is granted the level user on it may choose it for VMs, all if it is ``for_all``."""

    __tablename__ = "expiry"
    __table_args__ = (
        Index("uq_expiry_name", "name", unique=True, postgresql_where=LIVE),
        Index(
            "uq_expiry_default", "is_default", unique=True, postgresql_where=text("is_default AND deleted_at IS NULL")
        ),
        CheckConstraint("suspend_s > 0 AND delete_s > 0 AND suspend_s < delete_s", "intervals"),  # null: never
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    description: Mapped[Empty]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    suspend_s: Mapped[int | None] = mapped_column(BigInteger)
    delete_s: Mapped[int | None] = mapped_column(BigInteger)
    for_all: Mapped[No]
    is_default: Mapped[No]  # of VMs that are made without another
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class VmExpiry(Base):
    """
    A live VM's, which goes with it. The intervals are as the lease had them when it was last renewed, so that a lease
    that is changed ends nothing earlier.
    """

    __tablename__ = "vm_expiry"
    __table_args__ = (
        Index("ix_vm_expiry_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_vm_expiry_expiry_id", "expiry_id"),
    )
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
    expiry_id: Mapped[int] = mapped_column(ForeignKey("expiry.id"))
    renewed_at: Mapped[Now]
    suspend_s: Mapped[int | None] = mapped_column(BigInteger)
    suspend_at: Mapped[datetime | None]
    suspend_told_at: Mapped[datetime | None]  # when people were told
    delete_s: Mapped[int | None] = mapped_column(BigInteger)
    delete_at: Mapped[datetime | None]
    delete_told_at: Mapped[datetime | None]
    found_at: Mapped[datetime | None]  # when its deletion was first found due
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))  # at its suspension
    waits: Mapped[Empty]  # why what is due is not done
    reason: Mapped[Empty]  # and what was refused then
    look_at: Mapped[datetime | None]  # when it has to be looked at next
