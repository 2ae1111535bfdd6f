"""Offers of ownership."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, Now, Zero


class Transfer(Base):
    """
    An account's offer of an object of its own to another. What is ``offered`` may have expired, or its object be gone:
    that is worked out as it is read.
    """

    __tablename__ = "transfer"
    __table_args__ = (
        Index("uq_transfer_object", "kind", "object_id", unique=True, postgresql_where=text("state = 'offered'")),
        Index("ix_transfer_account", "account_id", "id"),
        Index("ix_transfer_to_account", "to_account_id", "id"),
        Index("ix_transfer_created_at", "created_at"),
        CheckConstraint("account_id <> to_account_id", "to_another"),
        CheckConstraint("kind IN ('vm', 'image', 'vm_template')", "kind"),
        CheckConstraint(
            "state IN ('offered', 'accepted', 'declined', 'withdrawn', 'expired', 'void')", "state"
        ),
        CheckConstraint("(state = 'offered') = (closed_at IS NULL)", "closed"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    kind: Mapped[str]
    object_id: Mapped[int]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))  # whose it is, and who withdraws
    to_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))  # who accepts or declines
    name: Mapped[str]  # of the object, as it was offered: what it is called later is its new owner's
    note: Mapped[Empty]  # for whoever it is offered to
    state: Mapped[str] = mapped_column(server_default=text("'offered'"))
    version: Mapped[Zero]
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
