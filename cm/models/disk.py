"""
Disks, and what joins them to VMs. Rows tell of what is there alone: what is deleted has none, so no index grows by it.
"""

from __future__ import annotations

import uuid as uuid_module
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, SmallInteger, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, No, Now, Zero


class Disk(Base):
    """What VMs attach. It stays the same disk whichever volume holds it; a volume holds one disk."""

    __tablename__ = "disk"
    __table_args__ = (
        Index("uq_disk_uuid", "uuid", unique=True),
        Index("uq_disk_volume", "volume_id", unique=True),
        Index("ix_disk_account", "account_id", "id"),
        Index("ix_disk_trashed", "trashed_at", postgresql_where=text("trashed_at IS NOT NULL")),
        Index("uq_disk_image", "image_id", unique=True, postgresql_where=text("image_id IS NOT NULL")),
        # What a disk and its entry in the catalogue both say they say alike, whoever writes it.
        ForeignKeyConstraint(
            ["image_id", "volume_id", "account_id"],
            ["image.id", "image.volume_id", "image.account_id"],
            onupdate="CASCADE",
        ),
    )
    id: Mapped[Key]
    uuid: Mapped[uuid_module.UUID] = mapped_column(Uuid, server_default=text("gen_random_uuid()"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    name: Mapped[Empty]  # "": that of the image that it is, or of its VM
    description: Mapped[Empty]
    image_id: Mapped[int | None]  # the storage image or ISO that it is; None: it is in no catalogue
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id"))
    version: Mapped[Zero]  # what is shown adds its entry's
    trashed_at: Mapped[datetime | None]  # since when it lies in the trash; its entry is in the state "trashed" then
    created_at: Mapped[Now]


class Attachment(Base):
    """A place of a VM for a disk, and what is in it. Many may read a disk, one may write it."""

    __tablename__ = "attachment"
    __table_args__ = (
        Index("uq_attachment_device", "vm_id", "device", unique=True),
        Index("uq_attachment_disk", "disk_id", "vm_id", unique=True),
        Index("ix_attachment_leaving", "vm_id", postgresql_where=text("leaving")),
        Index("uq_attachment_writer", "disk_id", unique=True, postgresql_where=text("NOT read_only")),
        CheckConstraint("disk_id IS NOT NULL OR cdrom", "drive_may_be_empty"),
        CheckConstraint("read_only OR NOT cdrom", "cdrom_is_read"),
        CheckConstraint("number > 0 OR NOT read_only", "root_is_written"),
    )
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)  # 0: the VM's root disk
    disk_id: Mapped[int | None] = mapped_column(ForeignKey("disk.id"))
    device: Mapped[str]  # vda, sdw, ...
    bus: Mapped[str]
    boot_order: Mapped[int | None] = mapped_column(SmallInteger)  # 1 first; None: after those that have one
    read_only: Mapped[No]
    cdrom: Mapped[No]
    delete_with_vm: Mapped[No]
    leaving: Mapped[No]  # the guest was asked to let go of it, and may do so at any time
    created_at: Mapped[Now]
