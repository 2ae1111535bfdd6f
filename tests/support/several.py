"""A VM with several NICs and disks, written as ``user.vm.create`` writes one: no caller can ask for that yet."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.cause import Cause, CauseKind
from cm.rules.names import root_volume
from cm.runtime.database import Database
from cm.store.booking import Booking, Share, book
from cm.store.claim import mib
from cm.store.creation import DiskRow, Inserted, NicRow, VMRows, insert_vm
from cm.store.vm import render_vm


def vm_rows(
    *nics: NicRow,
    account_id: int,
    image_id: int,
    template_id: int,
    storage_id: int,
    node_id: int,
    size_bytes: int,
    disks: int = 1,
    **changes: Any,
) -> VMRows:
    """:param size_bytes: of each disk; the first one is of the image."""
    key = uuid.uuid4()
    volumes = [root_volume(key), *(f"vm-{key}-disk-{n}.qcow2" for n in range(1, disks))]
    rows = VMRows(
        uuid=key, name="several", description="", account_id=account_id, image_id=image_id, template_id=template_id,
        reservation_id=uuid.uuid4(), cpu=1, memory_mib=128, user_data="", ssh_key="", ssh_username="",
        on_poweroff="stop", vnc=False, node_id=node_id, nics=nics, verdicts="[]", others="{}", seconds=300,
        cause=Cause(CauseKind.CALL, "test"), disks=tuple(
            DiskRow(storage_id, None, name, f"vd{'abc'[n]}", "virtio", "whole" if n else "overlay", size_bytes)
            for n, name in enumerate(volumes)
        ),
    )  # fmt: skip
    return replace(rows, **changes)


def insert_rows(database: Database, wanted: VMRows) -> Inserted:
    """As ``cm.services.vm.create`` does it, with what the VM holds booked."""
    storages: dict[int, int] = {}
    for disk in wanted.disks:
        storages[disk.storage_id] = storages.get(disk.storage_id, 0) + disk.size_bytes
    cpu, memory_mib = wanted.cpu, wanted.memory_mib
    node = {wanted.node_id: Share(cpu, memory_mib, 1)}
    booking = Booking(wanted.account_id, cpu, memory_mib, mib(sum(storages.values())), 1, storages, node)

    def go(session: Session) -> Inserted:
        base = session.scalar(text("SELECT volume_id FROM image WHERE id = :id"), {"id": wanted.image_id})
        disks = (replace(wanted.disks[0], backing_id=base), *wanted.disks[1:])
        made = insert_vm(session, replace(wanted, disks=disks))
        render_vm(session, made.vm_id, "enter")
        book(session, booking)
        return made

    return database.transact_now(go)
