"""What was seen and done: hook events, drift, unknown domains, audit, answered requests, changes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, Now
from cm.runtime.columns import AuditTable, LoginTable, RequestTable


class HookEvent(Base):
    """One call of a node's libvirt hook. The key makes a repeat do nothing."""

    __tablename__ = "hook_event"
    __table_args__ = (Index("ix_hook_event_domain", "domain_uuid"),)
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    domain_uuid: Mapped[uuid.UUID] = mapped_column(Uuid)
    domain_name: Mapped[str]
    operation: Mapped[str]
    sub_operation: Mapped[str]
    extra: Mapped[Empty]
    xml_sha256: Mapped[Empty]
    happened_at: Mapped[datetime]  # by the node's clock
    received_at: Mapped[Now] = mapped_column(index=True)
    effect: Mapped[Empty]  # what it led to


class Drift(Base):
    """A difference between intent and evidence that has no safe automatic answer."""

    __tablename__ = "drift"
    __table_args__ = (
        Index("ix_drift_closed", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),
        Index("uq_drift_open", "kind", "node_id", "subject", unique=True, postgresql_where=text("closed_at IS NULL")),
    )
    id: Mapped[Key]
    kind: Mapped[str]
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"))
    vm_id: Mapped[int | None] = mapped_column(ForeignKey("vm.id"))
    subject: Mapped[str]  # domain uuid, or "<storage>/<volume>"
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB)
    proposal: Mapped[Empty]
    approved_at: Mapped[datetime | None]  # an administrator wants what is proposed; the next pass that can does it
    first_seen_at: Mapped[Now]
    last_seen_at: Mapped[Now]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[Empty]


class UnknownDomain(Base):
    """
    A domain of a node that is no VM's of ours on that node, and what it holds; there while passes see it. What it holds
    is nobody else's: creation and placement leave it alone.
    """

    __tablename__ = "unknown_domain"
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True)
    uuid: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str]
    state: Mapped[str]
    addresses: Mapped[list[str]] = mapped_column(ARRAY(INET), server_default=text("'{}'"))  # that its MACs are made of
    ports: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))  # of its screens
    paths: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # of disks, bases, its console
    described_at: Mapped[datetime | None]  # None: its definition was not read yet
    first_seen_at: Mapped[Now]


class Audit(AuditTable, Base):
    """Of calls to the cluster; ``account_id`` is that of an account here."""


class Login(LoginTable, Base):
    """At the cluster."""


class Request(RequestTable, Base):
    """Of calls to the cluster."""


class Change(Base):
    """A change of an object that callers may see, in the order in which transactions began to change something."""

    __tablename__ = "change"
    __table_args__ = (Index("ix_change_order", "xid", "id"),)
    id: Mapped[Key]
    # Readers see a row only once all transactions before its own have ended: else one could be skipped.
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint"))
    at: Mapped[Now] = mapped_column(index=True)
    account_id: Mapped[int | None]
    kind: Mapped[str]  # vm, image, node, ...
    object_id: Mapped[int]
    event: Mapped[str]  # enter, change, exit
