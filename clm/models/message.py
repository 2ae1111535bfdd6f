"""What people are told: messages to one of them, news to all, mail on its way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clm.models.base import Base, Empty, Key, No, Now, Zero


class Message(Base):
    """A code with its parameters; each front words it for its readers. One from a cluster is taken over once."""

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_user", "user_id", "id"),
        UniqueConstraint("cluster_id", "cluster_message_id"),
    )
    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    level: Mapped[str]  # error, warn, info
    code: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Now]
    read_at: Mapped[datetime | None]
    cluster_id: Mapped[int | None] = mapped_column(ForeignKey("cluster.id", ondelete="CASCADE"))
    cluster_message_id: Mapped[int | None]
    deleted_at: Mapped[datetime | None]  # a cluster's, deleted by its reader: it is not to be taken over again


class News(Base):
    __tablename__ = "news"
    id: Mapped[Key]
    topic: Mapped[str]
    content: Mapped[Empty]
    sticky: Mapped[No]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id", ondelete="SET NULL"))
    version: Mapped[Zero]
    created_at: Mapped[Now]
    modified_at: Mapped[Now]


class Mail(Base):
    """A mail to be sent, written by the transaction that is its reason."""

    __tablename__ = "mail"
    __table_args__ = (Index("ix_mail_due", "due_at", postgresql_where=text("sent_at IS NULL AND failed_at IS NULL")),)
    id: Mapped[Key]
    recipient: Mapped[str]
    template: Mapped[str]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)  # sealed subject and body, until it is sent
    reply_to: Mapped[Empty]
    created_at: Mapped[Now]
    due_at: Mapped[Now]
    attempts: Mapped[Zero]
    error: Mapped[Empty]
    trouble: Mapped[Empty]  # a ``Trouble``
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
