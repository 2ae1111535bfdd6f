"""
Guests that their storage stopped. QEMU pauses a guest whose disk cannot be written: the file system is full, or its
server gave an error. Its owner is told, the storage is shown as full, and it is resumed when there is room again.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rpc.errors import CloudError
from cm.rpc.vocabulary import CauseKind, VMId
from cm.rules.cause import Cause
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.storage import is_full
from cm.rules.vm import is_stopped
from cm.runtime.database import notify
from cm.services.context import Services
from cm.services.message import tell
from cm.store.operation import open_operation
from cm.store.operation_change import may_resume
from cm.store.placement import storages_of
from cm.store.storage import record_room
from cm.store.vm import VMRow, find_vm, render_vm

log = Logger()


def tell_stopped(session: Session, row: VMRow) -> None:
    """A VM was just seen stopped: its owner is told, and its node is looked at again, which asks its storages."""
    tell(session, (row.account_id,), "error", "vm_storage_stopped", {"vm_id": row.id, "name": row.name})
    if row.node_id is not None:
        notify(session, "look", row.node_id)


async def look_after(services: Services, node_id: int, vm_ids: Sequence[VMId]) -> None:
    """
    Ask the storages of VMs that stand still on a node, and resume those whose storages all have room.

    :param vm_ids: of VMs for which ``is_stopped`` holds.
    """
    stopped = await services.database.read(_storages, vm_ids)
    room: dict[int, bool] = {}
    for storage_id in sorted({each for storages in stopped.values() for each in storages}):
        try:
            usage = await services.fleet.node(node_id).pools.usage(pool_name(storage_id))
        except CloudError as error:
            log.info("storage {id}: whether it has room is not known: {error}", id=storage_id, error=str(error))
            room[storage_id] = False
            continue
        await services.database.transact(record_room, storage_id, usage)
        room[storage_id] = not is_full(usage.available_bytes, usage.capacity_bytes)
    for vm_id, storages in stopped.items():
        if all(room[storage_id] for storage_id in storages):
            await services.database.transact(_resume, vm_id, node_id)


def _storages(session: Session, vm_ids: Sequence[VMId]) -> dict[VMId, frozenset[int]]:
    return {vm_id: frozenset(storages_of(session, vm_id)) for vm_id in vm_ids}


def _resume(session: Session, vm_id: VMId, node_id: int) -> None:
    row = find_vm(session, vm_id, lock=True)
    if row is None or row.closed_at is not None or row.operation_id is not None or row.node_id != node_id:
        return
    if not is_stopped(row.wanted, row.seen, row.seen_reason) or not may_resume(session, vm_id):
        return
    open_operation(
        session,
        OperationKind.VM_RESUME,
        account_id=row.account_id,
        objects={ObjectKind.VM: [vm_id]},
        node_id=node_id,
        cause=Cause(CauseKind.LOOK, str(node_id)),
    )
    render_vm(session, vm_id)
