"""What people are told of work that ended while they were not looking."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Key, Now


class Message(Base):
    """A code with its parameters; each front words it for its readers."""

    __tablename__ = "message"
    __table_args__ = (Index("ix_message_account", "account_id", "id"),)
    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    level: Mapped[str]  # error, warn, info
    code: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Now] = mapped_column(index=True)
