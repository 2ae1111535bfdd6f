"""
Taking snapshots of disks, of one or of all of a VM, at one moment.

The rows are turned to the new volumes before the hypervisor is asked, and the order is what makes it safe: a new volume
is empty and stands on the one before, so a domain that goes on with that one loses nothing by being started from the
other. The other way round, what a guest has written since could be left behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import NodeCalls
from cm.interfaces.snapshot import NewTop
from cm.operations.base import Kind, Wait, Work, register
from cm.operations.left_job import end_left_job
from cm.operations.snapshot_work import ids_of, make_spares, rows_of, running, settled, take_away, told
from cm.rpc.errors import CloudError, DomainNotRunning, GuestNotFrozen, WrongOperationState
from cm.rpc.vocabulary import Consistency, Freeze
from cm.rules.operation import OperationKind
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.snapshot import SnapshotRow, snapshots, write_layers, write_taken

FREEZE: Final = "freeze"  # in the arguments: what was asked for
# Note: how often a guest was to be thawed that may stand still, since its agent was told to freeze it and was silent.
THAWS: Final = "thaws"
THAWS_MAX: Final = 40  # some minutes of them
THAW_S: Final = 1.0
THAWING: Final = "Its guest's agent was told to freeze the file systems and does not answer; it is asked to thaw them."


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

    A guest whose agent was late, for which nobody waited any more, freezes all the same, and writes nothing until it is
    told to thaw. So that comes before all else, and what is taken then is as it would be without an agent.

    :return: what they are as good as.
    :raises Wait: a job is under way on one of the disks; or the guest may be frozen.
    :raises GuestNotFrozen: it had to be.
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
            freeze = await _thawed(work, node, place.uuid)
            for top in tops:
                await end_left_job(node, place.uuid, top.device)
            told = await node.snapshots.take(place.uuid, tops, freeze)
            if told is None:
                raise _thaw(work)
            consistency = told
        except DomainNotRunning:
            consistency = Consistency.CRASH
    return consistency


async def _thawed(work: Work, node: NodeCalls, uuid: str) -> Freeze:
    """
    Have a guest thaw that may be frozen.

    :return: whether to freeze it.
    :raises Wait: its agent does not answer; this has an end.
    :raises GuestNotFrozen: it is thawed, and had to be frozen in time.
    """
    freeze, thaws = Freeze(work.arguments.get(FREEZE, "auto")), int(work.arguments.get(THAWS, 0))
    if not thaws:
        return freeze
    if not await node.snapshots.thaw(uuid) and thaws < THAWS_MAX:
        raise _thaw(work)
    if freeze is Freeze.YES:
        raise GuestNotFrozen("its agent did not answer in time")
    return Freeze.NO


def _thaw(work: Work) -> Wait:
    thaws = int(work.arguments.get(THAWS, 0))
    note: dict[str, Any] = {THAWS: thaws + 1}
    return Wait(THAW_S if thaws else 0.0, THAWING, **note)


def _taken(session: Session, op: OperationRow, consistency: Consistency) -> None:
    write_taken(session, ids_of(op), consistency)
    settled(session, op)


@register
class SnapshotCreate(Kind):
    kind = OperationKind.SNAPSHOT_CREATE
    notes = (THAWS,)
    steps = {"prepare": prepare, "take": take}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        take_away(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        take_away(session, op)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        raise WrongOperationState(op.id, "of a snapshot that is gone", "one that is there; ask for another")
