"""What VMs cost: when each held CPUs and memory of a node, at which price."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Key

_UNDER_WAY: Final = text("ended_at IS NULL")


class VmRun(Base):
    """
    From a claim of a node's share to the end of it, of a VM whose size has a price. Triggers on ``vm`` write these, so
    that no statement that claims or gives back can forget to.
    """

    __tablename__ = "vm_run"
    __table_args__ = (
        CheckConstraint("points > 0", "priced"),
        Index("uq_vm_run_under_way", "vm_id", unique=True, postgresql_where=_UNDER_WAY),
        Index("ix_vm_run_account", "account_id", "ended_at"),
        Index("ix_vm_run_ended", "ended_at"),
    )
    id: Mapped[Key]
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    points: Mapped[int]  # an hour
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
