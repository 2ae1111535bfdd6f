"""What was done: audit, answered requests, changes. The executor and the feed of both managers know these tables."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clm.models.base import Base, Empty, Key, No, Now


class Audit(Base):
    """One accepted changing call."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"), Index("ix_audit_account", "account_id", "id"))
    id: Mapped[Key]
    at: Mapped[Now]
    account_id: Mapped[int | None]  # the user
    login: Mapped[str]
    method: Mapped[str]
    call_id: Mapped[str]
    request_id: Mapped[str | None]
    remote: Mapped[Empty]
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)  # ids and names; never secrets


class Login(Base):
    """Logins that were alike: who was claimed, from where, how, and what came of it; ``cm/runtime/logins.py``."""

    __tablename__ = "login"
    __table_args__ = (Index("ix_login_login", "login", "id"), Index("ix_login_account", "account_id", "id"))
    id: Mapped[Key]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int]
    login: Mapped[str]
    account_id: Mapped[int | None]  # of those let in
    remote: Mapped[str]
    how: Mapped[str]
    outcome: Mapped[str]


class Request(Base):
    """A call that carried a ``request_id``, with its answer, which a repeat gets again."""

    __tablename__ = "request"
    account_id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]  # of method and arguments
    answer: Mapped[str | None]
    at: Mapped[Now] = mapped_column(index=True)


class Change(Base):
    """A change that callers may see: the cloud's own, and those of clusters as they came in."""

    __tablename__ = "change"
    __table_args__ = (Index("ix_change_order", "xid", "id"),)
    id: Mapped[Key]
    # Readers see a row only once all transactions before its own have ended: else one could be passed over.
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint"))
    at: Mapped[Now] = mapped_column(index=True)
    cluster_id: Mapped[int | None] = mapped_column(ForeignKey("cluster.id", ondelete="CASCADE"))
    kind: Mapped[str]
    object_id: Mapped[int]
    uuid: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    event: Mapped[str]  # enter, change, exit
    object: Mapped[str | None]  # JSON, as it was rendered
    users: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))  # who may see it
    groups: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    public: Mapped[No]
    personal: Mapped[No]  # these lost sight of what is still there: nobody else's business
    happened_at: Mapped[datetime | None]  # by the cluster's clock
