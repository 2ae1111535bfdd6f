"""
Making the disks that were reserved for a VM by size: a new volume on the storage that has room for it, or on the next
one where that is full after all; a free volume wiped, where others wrote to it. A step of each VM's creation too.

A worker that takes over finds what is still reserved. What nobody comes back for is swept away
(``services/free_volume.py``).
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.interfaces.calls import NodeCalls
from cm.interfaces.volume import StorageUsage
from cm.operations.base import Work, others_stopped, storage_reached, vm_of
from cm.rpc.errors import CloudError, DeadlineExceeded, NodeUnreachable, NoStorage, StorageFull
from cm.rpc.vocabulary import FreedPolicy
from cm.rules.operation import ObjectKind, wiping
from cm.services.attach_or_create import DISKS, asked_in, fits_here, next_place, reserve, seat_of
from cm.store.change import record_change
from cm.store.operation import OperationRow
from cm.store.operation_object import others_at_work
from cm.store.reservation import (
    ReservationRow,
    Seat,
    attach_reserved,
    drop_reservation,
    give_up_reservations,
    reservations_of,
)
from cm.store.storage import node_reaching, record_usage
from cm.store.vm import VMRow, render_vm
from cm.store.worker import note_begun, note_ended


async def provide(work: Work) -> None:
    """Have each disk that is reserved for the operation be made, or wiped, and be the VM's. Mostly there is none."""
    if not work.arguments.get(DISKS):
        return
    while True:
        row, seat = await work.db_vm(_next, work.op)
        if row is None:
            return
        await _make(work, row, seat)


def _next(session: Session, vm: VMRow, op: OperationRow) -> tuple[ReservationRow | None, Seat]:
    if others_at_work(session, ObjectKind.VM, vm.id, op.id):
        raise others_stopped(ObjectKind.VM, vm.id)
    rows = [row for row in reservations_of(session, vm.id) if row.operation_id == op.id]
    return (rows[0] if rows else None), seat_of(session, vm)


async def _make(work: Work, row: ReservationRow, seat: Seat) -> None:
    node_id = seat.node_id or await work.read(node_reaching, row.storage_id, work.op.attempts)
    if node_id is None:
        raise storage_reached(row.storage_id)
    node = work.node(node_id)
    if row.reused and row.wipe:
        if not await work.db_vm(_begin_wipe, work.op, row, seat):
            return
        await _wipe(work, row, node)
    elif row.reused:
        if await node.volumes.find(row.pool, row.volume) is None:
            await work.db_vm(_is_gone, work.op, row, seat)
            return
    else:
        usage = await node.pools.usage(row.pool)
        if not await work.db(_seen, row, seat, usage):
            await work.db_vm(_elsewhere, work.op, row, seat)
            return
        try:
            await node.volumes.create_empty(row.pool, row.volume, row.format, row.size_bytes)
        except StorageFull:
            await node.volumes.delete(row.pool, row.volume)  # what it came to
            await work.db_vm(_elsewhere, work.op, row, seat)
            return
    await work.db_vm(_attached, row.id)


async def _wipe(work: Work, row: ReservationRow, node: NodeCalls) -> None:
    try:
        overwrite = row.policy is FreedPolicy.WIPE
        await node.volumes.wipe(row.pool, row.volume, row.format, row.size_bytes, overwrite)
    except (NodeUnreachable, DeadlineExceeded):
        raise  # it may be at it still
    except CloudError:
        await work.services.database.transact(note_ended, work.op.id, wiping(row.volume_id))
        raise
    await work.services.database.transact(note_ended, work.op.id, wiping(row.volume_id))


def _seen(session: Session, row: ReservationRow, seat: Seat, usage: StorageUsage) -> bool:
    """What was seen of a storage's room just now is recorded. Whether it still takes what is reserved of it."""
    record_usage(session, row.storage_id, usage)
    return fits_here(session, row, seat)


def _begin_wipe(session: Session, vm: VMRow, op: OperationRow, row: ReservationRow, seat: Seat) -> bool:
    """
    False: another attempt has begun it, and what became of that nobody knows: the node may be wiping still. The VM gets
    a new volume then, and nobody that one.
    """
    if note_begun(session, op.id, wiping(row.volume_id)):
        return True
    drop_reservation(session, row, made=True)
    asked = asked_in(op.arguments)[row.number]
    reserve(session, asked, seat, vm=vm, number=row.number, operation_id=op.id, anew=True)
    return False


def _is_gone(session: Session, vm: VMRow, op: OperationRow, row: ReservationRow, seat: Seat) -> None:
    """Somebody has taken the file of a free volume away: it is none, and the disk comes from elsewhere."""
    drop_reservation(session, row, made=False)
    asked = asked_in(op.arguments)[row.number]
    reserve(session, asked, seat, vm=vm, number=row.number, operation_id=op.id)


def _elsewhere(session: Session, vm: VMRow, op: OperationRow, row: ReservationRow, seat: Seat) -> None:
    record_change(session, "storage", row.storage_id, None)
    moved = next_place(session, row, asked_in(op.arguments)[row.number], seat)
    record_change(session, "storage", moved.storage_id, None)


def _attached(session: Session, vm: VMRow, reservation_id: int) -> None:
    attach_reserved(session, reservation_id)
    render_vm(session, vm.id)


def forget_unmade(session: Session, op: OperationRow, error: CloudError) -> None:
    """
    An operation that made disks has failed. Where no storage has room nothing was made, and nothing stays reserved;
    else nodes are asked first what there is, a moment later.
    """
    vm_id = vm_of(op)
    if isinstance(error, NoStorage):
        for row in reservations_of(session, vm_id):
            if row.operation_id == op.id:
                drop_reservation(session, row, made=None)
    else:
        give_up_reservations(session, vm_id, op.id)
