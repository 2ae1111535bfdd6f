"""Images: what VMs are made from, and what people brought: disks and ISOs of their own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class Image(Base):
    """
    An entry of the catalogue. VMs are made from a system image's volume; a storage image and an ISO are disks too,
    whose rows name their entry (``Disk.image_id``). One that is deleted has no volume.
    """

    __tablename__ = "image"
    __table_args__ = (
        Index("uq_image_volume", "volume_id", unique=True),
        Index("ix_image_family", "family", postgresql_where=text("deleted_at IS NULL AND family <> ''")),
        Index("ix_image_live", "account_id", "id", postgresql_where=text("deleted_at IS NULL")),
        UniqueConstraint("id", "volume_id", "account_id", name="uq_image_as_disk"),
        CheckConstraint("(deleted_at IS NULL) = (volume_id IS NOT NULL)", "live_has_volume"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    kind: Mapped[str]
    name: Mapped[str]
    description: Mapped[Empty]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    volume_id: Mapped[int | None] = mapped_column(ForeignKey("volume.id"))
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
    firmware: Mapped[str] = mapped_column(server_default=text("'bios'"))
    machine: Mapped[str] = mapped_column(server_default=text("'auto'"))
    # how guests of VMs that are made of it are told EC2's metadata
    metadata_source: Mapped[str] = mapped_column(server_default=text("'nocloud'"))
    imds_tokens: Mapped[str] = mapped_column(server_default=text("'optional'"))
    imds_hop_limit: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    imds_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    family: Mapped[Empty]
    family_version: Mapped[Empty]
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]
