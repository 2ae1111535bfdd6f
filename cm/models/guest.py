"""Our own agents within guests, and what they are asked to do."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, Now


class GuestAgent(Base):
    """The agent that spoke first since a VM's launch ``launch``, and so the one that is heard until the next."""

    __tablename__ = "guest_agent"
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
    launch: Mapped[int]
    key_hash: Mapped[str]  # SHA-256 of what it says each time, hexadecimal
    version: Mapped[str]
    actions: Mapped[list[str]] = mapped_column(JSONB)  # what it can do
    seen_at: Mapped[Now]


class GuestCommand(Base):
    """
    Something that a guest's agent is to do. It begins before ``expires_at`` or never, and only in that launch.
    """

    __tablename__ = "guest_command"
    __table_args__ = (
        Index("ix_guest_command_open", "vm_id", "id", postgresql_where=text("state IN ('pending', 'executing')")),
        Index("ix_guest_command_vm", "vm_id", "id"),
        CheckConstraint(
            "state IN ('pending', 'executing', 'finished', 'failed', 'timed_out', 'expired')", "state"
        ),
    )
    id: Mapped[Key]
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    launch: Mapped[int]
    action: Mapped[str]
    arguments: Mapped[Empty]  # sealed; "" once the agent has them, or is not to have them any more
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    result: Mapped[Empty]  # sealed; "" once whoever asked has it
    error: Mapped[Empty]  # why it failed: the guest's own word
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
