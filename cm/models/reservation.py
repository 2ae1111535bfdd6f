"""Volumes that are nobody's and may be used again, and what is reserved for VMs' new disks until they are made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Key, No, Now


class FreeVolume(Base):
    """A volume that is no disk's and no image's; its storage counts it, no account does. One that is reserved is free
    until a disk is on it."""

    __tablename__ = "free_volume"
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))  # whose alone it may become
    writer_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))  # who had it last
    clean: Mapped[No]  # it reads as zeros
    doomed: Mapped[No]  # it is to be deleted
    created_at: Mapped[Now]


class Reservation(Base):
    """
    A VM's disk to be, by its number. Its volume has a row from the start, so that one sum tells what is promised of a
    storage; the account counts it already. It goes when the disk is there.
    """

    __tablename__ = "reservation"
    __table_args__ = (
        UniqueConstraint("vm_id", "number"),
        # Of two who want one free volume the second takes another.
        UniqueConstraint("volume_id"),
        Index("ix_reservation_expires_at", "expires_at"),
    )
    id: Mapped[Key]
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    number: Mapped[int] = mapped_column(SmallInteger)  # of the attachment to be
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id", ondelete="CASCADE"))
    operation_id: Mapped[int] = mapped_column(index=True)  # that makes it, or did
    tried: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))  # storages that could not
    reused: Mapped[No]  # the volume was there before
    wipe: Mapped[No]  # it must not be attached before it is wiped
    expires_at: Mapped[datetime] = mapped_column(server_default=text("now() + interval '1 hour'"))
    created_at: Mapped[Now]
