"""Launch templates: what EC2's clients keep to make VMs of, in versions that never change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clm.models.base import Base, Empty, Key, NewUuid, Now


class LaunchTemplate(Base):
    __tablename__ = "launch_template"
    __table_args__ = (UniqueConstraint("user_id", "cluster_id", "name"),)
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    cluster_id: Mapped[int] = mapped_column(ForeignKey("cluster.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    default_version: Mapped[int] = mapped_column(server_default=text("1"))
    latest_version: Mapped[int] = mapped_column(server_default=text("1"))  # that was made; numbers are given once
    tags: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Now]


class LaunchTemplateVersion(Base):
    __tablename__ = "launch_template_version"
    launch_template_id: Mapped[int] = mapped_column(
        ForeignKey("launch_template.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    description: Mapped[Empty]
    data: Mapped[str]  # JSON; user data are in it
    created_at: Mapped[Now]
