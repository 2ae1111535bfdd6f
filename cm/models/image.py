"""Images of every kind, and what of them is attached to VMs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class Image(Base):
    __tablename__ = "image"
    __table_args__ = (
        Index("uq_image_volume", "storage_id", "volume", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_image_family", "family", postgresql_where=text("deleted_at IS NULL AND family <> ''")),
        Index("ix_image_live", "account_id", "id", postgresql_where=text("deleted_at IS NULL")),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    kind: Mapped[str]
    name: Mapped[str]
    description: Mapped[Empty]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    storage_id: Mapped[int] = mapped_column(ForeignKey("storage.id"))
    volume: Mapped[str]
    format: Mapped[str]
    size_bytes: Mapped[Zero]  # what a guest sees
    claimed_bytes: Mapped[Zero]  # what is claimed on its storage and of its owner's quota
    sha256: Mapped[Empty]
    state: Mapped[str]
    progress: Mapped[Zero]
    error: Mapped[Empty]
    access: Mapped[str] = mapped_column(server_default=text("'private'"))
    platform: Mapped[str] = mapped_column(server_default=text("'linux'"))
    disk_controller: Mapped[str] = mapped_column(server_default=text("'virtio'"))
    network_device: Mapped[str] = mapped_column(server_default=text("'virtio'"))
    video_device: Mapped[str] = mapped_column(server_default=text("'vga'"))
    system: Mapped[Empty]  # what it holds, for people
    architecture: Mapped[str] = mapped_column(server_default=text("'x86_64'"))
    least_memory_mib: Mapped[Zero]
    least_disk_bytes: Mapped[Zero]
    default_user: Mapped[Empty]
    agent: Mapped[No]  # the QEMU guest agent
    family: Mapped[Empty]
    family_version: Mapped[Empty]
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class ImageAttachment(Base):
    """A storage image (one VM at a time) or an ISO (any number) attached to a VM."""

    __tablename__ = "image_attachment"
    __table_args__ = (
        UniqueConstraint("vm_id", "device"),
        Index("uq_image_attachment_writer", "image_id", unique=True, postgresql_where=text("NOT read_only")),
    )
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True, index=True)
    device: Mapped[str]
    read_only: Mapped[No]
