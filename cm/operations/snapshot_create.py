"""
Taking snapshots of disks, of one or of all of a VM, at one moment.

The rows are turned to the new volumes before the hypervisor is asked, and the order is what makes it safe: a new volume
is empty and stands on the one before, so a domain that goes on with that one loses nothing by being started from the
other. The other way round, what a guest has written since could be left behind.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from cm.interfaces.snapshot import NewTop
from cm.operations.base import Kind, Work, register
from cm.operations.left_job import end_left_job
from cm.operations.snapshot_work import ids_of, make_spares, rows_of, running, settled, take_away, told
from cm.rpc.errors import CloudError, DomainNotRunning, WrongOperationState
from cm.rpc.vocabulary import Consistency, Freeze
from cm.rules.operation import OperationKind
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.snapshot import SnapshotRow, snapshots, write_layers, write_taken

FREEZE = "freeze"  # in the arguments: what was asked for


async def prepare(work: Work) -> None:
    """Make the new volumes, and have them be the disks'."""
    rows = [row for row in await rows_of(work) if row.spare is not None and row.taken_at is None]
    if not rows:
        return
    place = await running(work)
    await make_spares(work, rows, place)
    await work.db(_layered, ids_of(work.op))


def _layered(session: Session, ids: list[int]) -> None:
    write_layers(session, ids)
    told(session, snapshots(session, ids))


async def take(work: Work) -> None:
    """Have a running domain write to them, all from one moment on."""
    consistency = await taken(work, [row for row in await rows_of(work) if row.taken_at is None])
    await work.complete(_taken, work.op, consistency, result={"consistency": consistency})


async def taken(work: Work, rows: Sequence[SnapshotRow]) -> Consistency:
    """
    Have a running domain write to the new volumes of snapshots.

    :return: what they are as good as.
    :raises Wait: a job is under way on one of the disks.
    """
    place = await running(work)
    # Of one that has ended since an earlier attempt it is not known whether that came before or after it.
    consistency = Consistency.CRASH if work.op.attempts else Consistency.OFF
    if rows and place is not None:
        node = work.node(place.node_id)
        tops = [
            NewTop(row.device, await node.volumes.source(row.current.pool, row.current.name))
            for row in rows
            if row.device is not None
        ]
        try:
            for top in tops:
                await end_left_job(node, place.uuid, top.device)
            consistency = await node.snapshots.take(place.uuid, tops, Freeze(work.arguments.get(FREEZE, "auto")))
        except DomainNotRunning:
            consistency = Consistency.CRASH
    return consistency


def _taken(session: Session, op: OperationRow, consistency: Consistency) -> None:
    write_taken(session, ids_of(op), consistency)
    settled(session, op)


@register
class SnapshotCreate(Kind):
    kind = OperationKind.SNAPSHOT_CREATE
    steps = {"prepare": prepare, "take": take}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        take_away(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        take_away(session, op)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        raise WrongOperationState(op.id, "of a snapshot that is gone", "one that is there; ask for another")
