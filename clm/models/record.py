"""What was done: audit, answered requests, changes. The executor and the feed of both managers know these tables."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from clm.models.base import Base, Key, No, Now
from cm.runtime.columns import AuditTable, LoginTable, RequestTable


class Audit(AuditTable, Base):
    """Of calls to the cloud; ``account_id`` is a user's."""


class Login(LoginTable, Base):
    """At the cloud."""


class Request(RequestTable, Base):
    """Of calls to the cloud."""


class Change(Base):
    """A change that callers may see: the cloud's own, and those of clusters as they came in."""

    __tablename__ = "change"
    __table_args__ = (Index("ix_change_order", "xid", "id"),)
    id: Mapped[Key]
    # Readers see a row only once all transactions before its own have ended: else one could be skipped.
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
