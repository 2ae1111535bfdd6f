"""
Taking disks back to a snapshot: each gets a new volume on the snapshot's, and what it was written to goes. Later
snapshots stay; the disk can be taken back to them likewise.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.operations.base import Kind, Work, register
from cm.operations.snapshot_work import ids_of, make_spares, remove, rows_of, running, settled, tidy, told
from cm.rpc.errors import WrongVMState
from cm.rpc.vocabulary import VMState
from cm.rules.operation import OperationKind
from cm.store.operation import OperationRow
from cm.store.snapshot import drop_spare, insert_fresh, snap_disks, snapshots, write_back
from cm.store.worker import record_step

DROP = "drop"


async def clear(work: Work) -> None:
    await tidy(work)


async def turn(work: Work) -> None:
    """Make the new volumes and have them be the disks'. What comes next is on record with that."""
    await _refuse_running(work)
    await work.db(_fresh, ids_of(work.op))
    await make_spares(work, await rows_of(work))
    await work.db(_turned, work.op)


async def _refuse_running(work: Work) -> None:
    """:raises WrongVMState: the VM has the disks open, be it that somebody started it by hand."""
    place = await running(work)
    if place is not None and work.op.vm_id is not None:
        raise WrongVMState(work.op.vm_id, VMState.RUNNING, VMState.STOPPED)


def _fresh(session: Session, ids: list[int]) -> None:
    for row in snapshots(session, ids):
        if row.spare is None:
            (disk,) = snap_disks(session, [row.disk_id])
            insert_fresh(session, row, disk.layer)


def _turned(session: Session, op: OperationRow) -> None:
    rows = snapshots(session, ids_of(op))
    for row in rows:
        write_back(session, row)
    told(session, rows)
    record_step(session, op.id, DROP, 50)


async def drop(work: Work) -> None:
    """Delete what the disks were written to before."""
    for row in await rows_of(work):
        if row.spare is not None:
            await remove(work, row.spare)
            await work.db(drop_spare, row.id)
    await work.complete(settled, work.op)


@register
class SnapshotRevert(Kind):
    """One that is given up half-way leaves a volume that the next operation on its disk deletes."""

    kind = OperationKind.SNAPSHOT_REVERT
    steps = {"clear": clear, "turn": turn, DROP: drop}
