"""The memory of VMs that are suspended."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, No, Now


class Suspension(Base):
    """
    Where a VM's memory is being written to, or lies, and which node wrote it. It goes before the guest goes on: its
    disks are not as they were from then on. The volume is ``made`` once all of it is written.
    """

    __tablename__ = "suspension"
    __table_args__ = (UniqueConstraint("volume_id"),)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id"))
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"))
    greeted: Mapped[No]  # its guest had said hello
    created_at: Mapped[Now]
