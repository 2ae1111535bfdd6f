"""Clusters, who administers them, and what each has been told of people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Double, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from clm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class Cluster(Base):
    __tablename__ = "cluster"
    __table_args__ = (Index("uq_cluster_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),)
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]  # a DNS label; the audience of caller tokens, so it is the cluster's own name too
    url: Mapped[str]
    ca: Mapped[Empty]  # PEM of the authority that signed its certificate; "": the system's
    locked: Mapped[No]  # nothing is forwarded to it
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]
    # What was seen of it.
    state: Mapped[Empty]  # "": not looked at yet; ok, unreachable, refused, incompatible
    error: Mapped[Empty]
    release: Mapped[Empty]  # its version of the program
    latency_ms: Mapped[float | None] = mapped_column(Double)
    seen_at: Mapped[datetime | None]  # when it answered last
    checked_at: Mapped[datetime | None]
    synced_at: Mapped[datetime | None]  # when its accounts last were all as they should be
    feed_cursor: Mapped[Empty]  # as far as its changes were taken over


class ClusterAdmin(Base):
    __tablename__ = "cluster_admin"
    cluster_id: Mapped[int] = mapped_column(ForeignKey("cluster.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    since: Mapped[Now]


class ClusterAccount(Base):
    """A user as one cluster should know them. A quota that is none is the cluster's own affair, -1 its default."""

    __tablename__ = "cluster_account"
    __table_args__ = (
        Index("ix_cluster_account_due", "cluster_id", postgresql_where=text("synced_version < version")),
        Index("ix_cluster_account_user", "user_id"),
    )
    cluster_id: Mapped[int] = mapped_column(ForeignKey("cluster.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True)
    quota_cpu: Mapped[int | None]
    quota_memory_mib: Mapped[int | None]
    quota_storage_mib: Mapped[int | None]
    quota_vms: Mapped[int | None]
    quota_networks: Mapped[int | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))  # grows with what the cluster should hear of
    synced_version: Mapped[Zero]


class DroppedGroup(Base):
    """A deleted group that a cluster has still to forget."""

    __tablename__ = "dropped_group"
    cluster_id: Mapped[int] = mapped_column(ForeignKey("cluster.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(primary_key=True)
