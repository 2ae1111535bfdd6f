"""
VMs. Intent, evidence and claims stand in separate columns and are never mixed.

Intent (views write it): ``wanted on_poweroff on_crash on_hang on_host_failure guarded save_name save_description
vnc_enabled cpu_shares``.
Evidence (hooks, looks and passes write it): ``seen seen_reason seen_at released_at contextualized_at boot_s``. Claims
(claim and release write them): ``node_id node_claimed moves_to closed_at``. ``summary`` is the rendered body that lists
join, written by one function (``store/vm.py``).
"""

from __future__ import annotations

import uuid as uuid_module
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, No, Now, Zero

LIVE = text("closed_at IS NULL")
CLOSED = text("closed_at IS NOT NULL")


class VM(Base):
    __tablename__ = "vm"
    __table_args__ = (
        Index("ix_vm_live_account", "account_id", "id", postgresql_where=LIVE),
        Index("ix_vm_live", "id", postgresql_where=LIVE),
        Index("ix_vm_live_node", "node_id", "id", postgresql_where=LIVE),
        Index("ix_vm_live_image", "image_id", postgresql_where=LIVE),
        Index(
            "ix_vm_affinity_group_id", "affinity_group_id",
            postgresql_where=text("affinity_group_id IS NOT NULL AND closed_at IS NULL"),
        ),
        Index(
            "ix_vm_resource_pool_id", "resource_pool_id",
            postgresql_where=text("resource_pool_id IS NOT NULL AND closed_at IS NULL"),
        ),
        Index(
            "ix_vm_nvram_storage_id", "nvram_storage_id",
            postgresql_where=text("nvram_storage_id IS NOT NULL AND closed_at IS NULL"),
        ),
        Index("uq_vm_farm", "farm_id", "farm_number", unique=True, postgresql_where=text("farm_id IS NOT NULL")),
        Index("ix_vm_closed_account", "account_id", "id", postgresql_where=CLOSED),
        Index("ix_vm_closed_node", "node_id", "id", postgresql_where=CLOSED),
        CheckConstraint("closed_at IS NULL OR NOT node_claimed", "closed_holds_nothing"),
        CheckConstraint("closed_at IS NULL OR moves_to IS NULL", "closed_moves_nowhere"),
        CheckConstraint("NOT node_claimed OR node_id IS NOT NULL", "claim_has_node"),
        CheckConstraint("(farm_id IS NULL) = (farm_number IS NULL)", "farm_has_number"),
        CheckConstraint("cpu_shares BETWEEN 2 AND 10000", "cpu_shares"),
        CheckConstraint("on_host_failure IN ('restart', 'stop')", "on_host_failure"),
        CheckConstraint("on_crash IN ('restart', 'stop')", "on_crash"),
        CheckConstraint("on_hang IN ('ignore', 'restart', 'stop')", "on_hang"),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    name: Mapped[str]
    description: Mapped[Empty]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    template_id: Mapped[int] = mapped_column(ForeignKey("template.id"))
    reservation_id: Mapped[uuid_module.UUID] = mapped_column(Uuid)
    cpu: Mapped[int]
    memory_mib: Mapped[int]
    max_cpu: Mapped[Zero]  # that it may have while it runs, from its next start on; 0: what it has then
    max_memory_mib: Mapped[Zero]  # likewise
    traits: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # that its node must have
    affinity_group_id: Mapped[int | None] = mapped_column(ForeignKey("affinity_group.id"))
    vm_template_id: Mapped[int | None] = mapped_column(ForeignKey("vm_template.id"))  # that it was made by
    resource_pool_id: Mapped[int | None] = mapped_column(ForeignKey("resource_pool.id"))  # that it counts in
    # its machine, from its next start on
    firmware: Mapped[str] = mapped_column(server_default=text("'bios'"))
    machine: Mapped[str] = mapped_column(server_default=text("'auto'"))
    boot_menu_s: Mapped[Zero] = mapped_column(Integer)  # 0: none
    cpu_model: Mapped[str] = mapped_column(server_default=text("'host'"))
    raw_data: Mapped[Empty]  # XML of an administrator's, for its domain
    nvram_storage_id: Mapped[int | None] = mapped_column(ForeignKey("storage.id"))  # of UEFI's variables
    nvram_directory: Mapped[Empty]  # that they are in there, below that of all; empty: in that itself
    farm_id: Mapped[int | None] = mapped_column(ForeignKey("farm.id"))
    farm_number: Mapped[int | None] = mapped_column(SmallInteger)  # 0: its head; workers count on, and none anew
    user_data: Mapped[Empty]
    user_data_encoding: Mapped[str] = mapped_column(server_default=text("'auto'"))
    metadata_source: Mapped[str] = mapped_column(server_default=text("'nocloud'"))
    imds_tokens: Mapped[str] = mapped_column(server_default=text("'optional'"))
    imds_hop_limit: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    imds_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    imds_ipv6: Mapped[bool] = mapped_column(server_default=text("true"))
    imds_tags: Mapped[No]
    ssh_key: Mapped[Empty]
    ssh_username: Mapped[Empty]
    dns: Mapped[Empty]  # servers that it asks in place of its networks', separated by blanks
    secret: Mapped[str]  # in the metadata address of VMs that an older version launched
    # intent
    wanted: Mapped[str] = mapped_column(server_default=text("'running'"))
    on_poweroff: Mapped[str] = mapped_column(server_default=text("'stop'"))
    on_crash: Mapped[str] = mapped_column(server_default=text("'restart'"))
    on_hang: Mapped[str] = mapped_column(server_default=text("'ignore'"))
    on_host_failure: Mapped[str] = mapped_column(server_default=text("'restart'"))
    guarded: Mapped[No]  # no call of users' destroys it
    save_name: Mapped[Empty]
    save_description: Mapped[Empty]
    save_image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id"))
    cpu_shares: Mapped[int | None]  # its weight among the VMs of its node; None: as the hypervisor has it
    password_sealed: Mapped[Empty]  # that CIRCLE's front gave a login of its guest last
    vnc_enabled: Mapped[No]
    vnc_generation: Mapped[Zero]  # grows with each attach: one password each
    # evidence
    seen: Mapped[str] = mapped_column(server_default=text("'unknown'"))
    seen_reason: Mapped[Empty]
    seen_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]  # when a hook told last of an end that nobody of ours had asked for
    doubt: Mapped[Empty]  # why what was seen may not be so any more, and since when
    doubt_since: Mapped[datetime | None]
    contextualized_at: Mapped[datetime | None]  # the guest's hello since its last launch
    boot_s: Mapped[float | None]  # from its last start, or reset, to that hello
    launched_at: Mapped[datetime | None]  # just before the last start was asked of the hypervisor
    launches: Mapped[Zero]
    migrated_at: Mapped[datetime | None]  # just before its node was last asked to send it elsewhere
    # Who has the log of its serial console; None of one that was launched: it lies beside its root disk, as of old
    console_node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    # claims
    node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    node_claimed: Mapped[No]
    points: Mapped[Zero]  # its size's price an hour, when it was made of that size
    moves_to: Mapped[int | None] = mapped_column(ForeignKey("node.id"))  # holds a share there too, until it is there
    error: Mapped[Empty]  # of the last operation that failed, in words for the user; empty after a good one
    created_at: Mapped[Now]
    closed_at: Mapped[datetime | None]
    version: Mapped[Zero]
    summary: Mapped[Empty]
    # As its summary was written: the state that is in it, since when, and when anything in it changed last.
    shown: Mapped[Empty]
    shown_since: Mapped[Now]
    changed_at: Mapped[Now]


class VMEvent(Base):
    """
    What was done to a VM at once, without an operation. It is numbered with operations, so that both are one history.
    """

    __tablename__ = "vm_event"
    __table_args__ = (Index("ix_vm_event_vm", "vm_id", "id"), Index("ix_vm_event_at", "at", postgresql_using="brin"))
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, server_default=text("nextval('operation_id_seq'::regclass)")
    )
    vm_id: Mapped[int] = mapped_column(ForeignKey("vm.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))  # whose doing; None: the cluster's own
    code: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    at: Mapped[Now]
