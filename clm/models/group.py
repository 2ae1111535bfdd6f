"""Groups of people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from clm.models.base import Base, Empty, Key, NewUuid, Now, Zero


class Group(Base):
    __tablename__ = "user_group"
    __table_args__ = (
        Index("uq_group_name", text("lower(name)"), unique=True, postgresql_where=text("deleted_at IS NULL")),
    )
    id: Mapped[Key]  # never used again: what is shared with a deleted group is shared with nobody
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    description: Mapped[Empty]
    leader_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), index=True)
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class Membership(Base):
    __tablename__ = "membership"
    __table_args__ = (Index("ix_membership_user", "user_id"),)
    group_id: Mapped[int] = mapped_column(ForeignKey("user_group.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[str]  # waiting, member
    since: Mapped[Now]
