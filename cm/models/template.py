"""Templates: sizes that VMs are made in, CC1's word for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class Template(Base):
    __tablename__ = "template"
    __table_args__ = (
        Index("uq_template_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        CheckConstraint("cpu > 0 AND memory_mib > 0 AND disk_mib >= 0 AND points >= 0", "positive"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    description: Mapped[Empty]
    cpu: Mapped[int]
    memory_mib: Mapped[int]
    disk_mib: Mapped[Zero]  # of the root disk; 0: as large as the image
    local_disk: Mapped[No]  # whether root disks lie on the nodes' own storages
    traits: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # that nodes must have
    points: Mapped[Zero]  # an hour
    ec2name: Mapped[Empty]
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]
