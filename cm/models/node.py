"""Nodes, their VNC ports and the one-time tokens that enrol their agents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero


class Node(Base):
    __tablename__ = "node"
    __table_args__ = (
        Index("uq_node_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_node_uri", "uri", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(
            "uq_node_host", "host_uuid", "host_label", unique=True,
            postgresql_where=text("deleted_at IS NULL AND host_uuid <> ''"),
        ),
        Index(
            "uq_node_machine", "machine_id", "machine_label", unique=True,
            postgresql_where=text("deleted_at IS NULL AND machine_id <> ''"),
        ),
        CheckConstraint("cpu_used >= 0 AND memory_mib_used >= 0 AND vms_used >= 0", "used"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    address: Mapped[str]  # where its VNC servers listen
    uri: Mapped[str]  # libvirt's
    locked: Mapped[No]
    locked_for: Mapped[Empty]  # its mode while it is locked; "": it is passive
    locked_reason: Mapped[Empty]
    locked_by: Mapped[Empty]  # a login
    locked_at: Mapped[datetime | None]
    comment: Mapped[Empty]
    priority: Mapped[Zero]
    cpu_total: Mapped[int]
    memory_mib_total: Mapped[int]
    cpu_overcommit: Mapped[float]
    memory_overcommit: Mapped[float]
    cpu_used: Mapped[Zero]
    memory_mib_used: Mapped[Zero]
    vms_used: Mapped[Zero]
    state: Mapped[str] = mapped_column(server_default=text("'new'"))
    state_reason: Mapped[Empty]
    seen_at: Mapped[datetime | None]  # last answer
    passed_at: Mapped[datetime | None]  # last full pass of reconciliation
    info: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    hooks: Mapped[No]  # whether libvirt calls hook scripts there, and an agent delivers them
    host_uuid: Mapped[Empty]  # with its label: the machine that the node is
    host_label: Mapped[Empty]
    seen_host_uuid: Mapped[Empty]  # and the one that its address led to last
    seen_host_label: Mapped[Empty]
    machine_id: Mapped[Empty]  # a digest of the machine's own id; with the label: where its agent was enrolled
    machine_label: Mapped[Empty]
    credential_key: Mapped[bytes | None] = mapped_column(LargeBinary)  # SHA-256 of the agent's credential
    agent_seen_at: Mapped[datetime | None]
    agent_silent_since: Mapped[datetime | None]  # its last word, once that is too long ago
    hooked_at: Mapped[datetime | None]  # when the last word of a hook came in
    hooks_since: Mapped[datetime | None]  # launches from then on must have a hook's word
    unhooked_since: Mapped[datetime | None]  # the first launch that has none, once that is too long ago
    agent_boot_id: Mapped[Empty]
    agent_version: Mapped[Empty]
    agent_protocol: Mapped[Zero]  # what it speaks: 1 asks and tells nothing, 2 reports; 0: not known yet
    troubles: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))  # that it reported
    unfit: Mapped[Empty]  # the one of them that keeps VMs away
    hook_version: Mapped[Empty]
    tunnel_address: Mapped[Empty]  # where its tunnels end, if that is not its address
    migration_uri: Mapped[Empty]  # where other nodes reach its libvirt, if its URI does not say
    makes_links: Mapped[No]  # its agent makes the bridges of users' networks
    uplinks: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # its own, as its agent says
    traits: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # as an administrator says
    offers: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # of machines
    answers_public: Mapped[No]  # its agent answers for public addresses
    version: Mapped[Zero]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class NodeReport(Base):
    """The last report of a node's agent."""

    __tablename__ = "node_report"
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True, autoincrement=False)
    run: Mapped[Empty]  # of the agent; its reports are counted by ``sequence``
    sequence: Mapped[Zero]
    signed_at: Mapped[Zero]  # unix seconds, by the node's clock
    received_at: Mapped[Now]
    content: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    behind_since: Mapped[datetime | None]  # when some of what is wanted was first seen not to be applied
    links: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # bridges that are there
    public: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # addresses it answers for
    drifted: Mapped[No]  # whether rows of the drift ledger follow from it


class EnrolmentToken(Base):
    __tablename__ = "enrolment_token"
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)  # SHA-256
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class VncPort(Base):
    """One row per port of a node; a port belongs to at most one VM."""

    __tablename__ = "vnc_port"
    __table_args__ = (
        Index("ix_vnc_port_free", "node_id", "port", postgresql_where=text("vm_id IS NULL AND reserved_for IS NULL")),
        Index(
            "uq_vnc_port_reserved_for", "reserved_for", unique=True, postgresql_where=text("reserved_for IS NOT NULL")
        ),
        Index("uq_vnc_port_vm_id", "vm_id", unique=True, postgresql_where=text("vm_id IS NOT NULL")),
    )
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True)
    port: Mapped[int] = mapped_column(primary_key=True)
    vm_id: Mapped[int | None] = mapped_column(ForeignKey("vm.id"))
    reserved_for: Mapped[int | None] = mapped_column(ForeignKey("vm.id"))  # which is going to move to this node


class FencedVM(Base):
    """A VM that was taken from a node that did not answer: when that is seen again, its domain there is ended."""

    __tablename__ = "fenced_vm"
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"), primary_key=True)
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
