"""Requests for what only an administrator gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, Now, Zero


class ChangeRequest(Base):
    """
    What an account asks administrators for.

    :ivar wanted: by the kind: a ``template_id``, a lease in words, or quotas by their columns.
    """

    __tablename__ = "change_request"
    __table_args__ = (
        Index(
            "uq_change_request_open",
            "account_id",
            "kind",
            text("coalesce(vm_id, 0)"),
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_change_request_account", "account_id", "id"),
        Index("ix_change_request_open", "id", postgresql_where=text("state = 'open'")),
        Index("ix_change_request_created_at", "created_at"),
        CheckConstraint("kind IN ('resize', 'expiry', 'quota')", "kind"),
        CheckConstraint("(kind = 'quota') = (vm_id IS NULL)", "about"),
        CheckConstraint("state IN ('open', 'accepted', 'declined', 'withdrawn')", "state"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", "closed"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))  # who asks
    kind: Mapped[str]
    vm_id: Mapped[int | None] = mapped_column(ForeignKey("vm.id"))
    wanted: Mapped[dict[str, Any]] = mapped_column(JSONB)
    note: Mapped[Empty]  # why
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    answer: Mapped[Empty]
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    version: Mapped[Zero]
    created_at: Mapped[Now]
    closed_at: Mapped[datetime | None]
