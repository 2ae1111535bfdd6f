"""
Making a disk larger: by QEMU while its guest runs, which sees it at once; otherwise by its storage.

The node is asked once it is noted that it was (``ASKED``): should its answer never come, the disk may have grown, and
what was claimed for that stays claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from cm.operations.base import Kind, Wait, Work, register, storage_reached
from cm.operations.left_job import end_left_job
from cm.rpc.errors import (
    CloudError,
    DeadlineExceeded,
    DomainNotRunning,
    Incident,
    ObjectNotFound,
    StorageFull,
    Unavailable,
)
from cm.rpc.vocabulary import VMState
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.disk import refuse_unsettled
from cm.services.evidence import rest_if_ended
from cm.store.change import record_change
from cm.store.disk import DiskFacts, find_disk, get_disk, touch_disk
from cm.store.disk_bytes import claim_growth, release_growth, write_growth
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.storage import node_reaching
from cm.store.vm import VMRow, get_vm

ASKED: Final = "asked"


@dataclass(frozen=True)
class At:
    """
    A disk, and where it is worked on.

    :ivar vm: that has it; None: none, or one that is placed nowhere.
    """

    disk: DiskFacts
    vm: VMRow | None
    node_id: int


def disk_at(session: Session, op: OperationRow) -> At:
    """
    :raises Wait: no node that answers has its storage.
    """
    disk = get_disk(session, op.get(ObjectKind.DISK))
    vm = None if op.vm_id is None else get_vm(session, op.vm_id)
    if vm is not None and vm.node_id is not None:
        return At(disk, vm, vm.node_id)
    node_id = node_reaching(session, disk.storage_id, op.attempts)
    if node_id is None:
        raise storage_reached(disk.storage_id)
    return At(disk, None, node_id)


async def grow(work: Work) -> None:
    at: At = await work.db(disk_at, work.op)
    if not work.arguments.get(ASKED):
        raise Wait(0.0, "", asked=True)
    disk, size_bytes, node = at.disk, work.arguments["size_bytes"], work.node(at.node_id)
    try:
        grown = False
        if at.vm is not None:
            try:
                await end_left_job(node, at.vm.uuid, work.arguments["device"])
                await node.block_jobs.grow(at.vm.uuid, work.arguments["device"], size_bytes)
                grown = True
            except DomainNotRunning:
                pass  # its node says so, and the VM is held: nobody starts it now
        if not grown:
            await node.volumes.resize(pool_name(disk.storage_id), disk.volume, disk.format, size_bytes)
    except StorageFull:
        raise StorageFull(disk.storage_id, 0, size_bytes - disk.size_bytes) from None
    await work.complete(_grown, work.op, disk)


def _grown(session: Session, op: OperationRow, disk: DiskFacts) -> None:
    write_growth(session, disk.volume_id, op.arguments["size_bytes"])
    changed(session, disk)
    rest_if_ended(session, op)


def changed(session: Session, disk: DiskFacts) -> None:
    """What is shown of a disk and of its entry is another now."""
    if disk.image_id is not None:
        record_change(session, "image", disk.image_id, disk.account_id)
    touch_disk(session, disk.id)


@register
class DiskGrow(Kind):
    kind = OperationKind.DISK_GROW
    notes = (ASKED,)
    steps = {"grow": grow}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """What a node refused has not happened; of what it did not answer nobody knows."""
        unknown = isinstance(error, (Unavailable, DeadlineExceeded, Incident))
        self._give_back(session, op, unknown and bool(op.arguments.get(ASKED)))
        rest_if_ended(session, op)

    def dropped(self, session: Session, op: OperationRow) -> None:
        self._give_back(session, op, bool(op.arguments.get(ASKED)))

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_if_ended(session, op)

    def _give_back(self, session: Session, op: OperationRow, unknown: bool) -> None:
        disk = find_disk(session, op.get(ObjectKind.DISK))
        if disk is None:
            return
        if not unknown:
            release_growth(session, disk.volume_id, disk.account_id)
        changed(session, disk)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        disk = find_disk(session, op.get(ObjectKind.DISK), lock=True)
        if disk is None:
            raise ObjectNotFound("disk", op.get(ObjectKind.DISK))
        if op.vm_id is not None and get_vm(session, op.vm_id).state is not VMState.STOPPED:
            refuse_unsettled(session, disk.id)
        claim_growth(session, disk.volume_id, disk.account_id, op.arguments["size_bytes"])
        return {}
