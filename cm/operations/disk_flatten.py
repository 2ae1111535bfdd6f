"""
Shortening the chain that a guest reads its disk through: what the disk is written to takes in what its snapshots hold,
and stands on what they stand on, an image or nothing. The snapshots stay, beside it.

QEMU copies while the guest goes on, and what it has copied stays: whatever else is to have the VM or the disk comes
first, and so does the guest's end. What is done is read off the domain; after the guest's end off one without a guest,
for the job may have come to its own. A disk claims its whole size whatever it stands on, so nothing more is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.block_job import BlockJobState
from cm.interfaces.source import path_of
from cm.operations.base import Kind, Wait, Work, register, vm_of
from cm.operations.snapshot_work import (
    FIRST_S,
    INTERNAL_ERROR,
    LOOK_S,
    TRIED,
    TRIES,
    Place,
    let_go,
    merging,
    opened,
    running,
)
from cm.rpc.errors import CloudError, DomainNotRunning, HypervisorError, NotAbandonable, VMBusy
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.operation import GIVE_WAY, HOLDER, ObjectKind, OperationKind
from cm.services.disk import refuse_unsettled
from cm.store.chain import lowest_of
from cm.store.operation import OperationRow, open_operation
from cm.store.operation_object import Objects, find_holder
from cm.store.snapshot import Lying, SnapshotRow, lying, snapshots, write_pulled
from cm.store.waking import OPERATION, wake

BEGUN: Final = "begun"  # a note: the node may be copying
STOP: Final = "stop"  # in the arguments: what another has begun is to end, as far as it is
FLATTENING: Final = "The disk takes in what its snapshots hold, so that its guest reads fewer files."


@dataclass(frozen=True)
class _Plan:
    """
    :ivar row: the lowest of its snapshots that the disk stands on.
    :ivar base: what that one stands on.
    """

    row: SnapshotRow
    base: Lying | None


def _plan(session: Session, op: OperationRow) -> _Plan | None:
    """None: it stands on none of its snapshots."""
    snapshot_id = lowest_of(session, op.get(ObjectKind.DISK))
    if snapshot_id is None:
        return None
    (row,) = snapshots(session, [snapshot_id])
    base = row.volume.backing_id
    return _Plan(row, None if base is None else lying(session, base))


async def pull(work: Work) -> None:
    """Until the disk stands on none of its snapshots; or where it is to end before, until nothing is under way."""
    if work.arguments.get(GIVE_WAY) and not work.arguments.get(BEGUN):
        await work.give_way()
        return
    plan = await work.read(_plan, work.op)
    if plan is None:
        await work.complete(_over, work.op)
        return
    place = await running(work)
    if place is None and not work.arguments.keys() & {BEGUN, STOP}:
        await work.give_way()
        return
    try:
        whole = await _pull(work, plan, place)
    except DomainNotRunning:
        raise Wait(FIRST_S, FLATTENING) from None  # it has ended in between
    await let_go(work)
    if whole or work.arguments.get(STOP):
        await work.complete(_over, work.op)
    else:
        await work.give_way()


async def _pull(work: Work, plan: _Plan, place: Place | None) -> bool:
    """
    :param place: where the guest is; None: it has ended, and the job with it.
    :return: whether the disk stands on none of its snapshots; False: it is to end before, and has.
    :raises Wait: it is under way.
    """
    row = plan.row
    ending = place is None or bool(work.arguments.keys() & {STOP, GIVE_WAY})
    node_id, domain, device = await opened(work, row, row.current, place)
    node = work.node(node_id)
    path, below, base = [
        None if each is None else await node.volumes.source(each.pool, each.name)
        for each in (row.current, row.volume, plan.base)
    ]
    seen = await node.block_jobs.look(domain, device)
    if seen.path != path_of(path):
        raise HypervisorError(f"disk {device} is written to {seen.path}, not to {row.current.name}", INTERNAL_ERROR)
    if path_of(below) not in seen.bases:
        await work.db(write_pulled, row, row.current.id)
        return await work.read(_plan, work.op) is None
    if seen.state is not BlockJobState.NONE:
        if ending:
            await node.block_jobs.abort(domain, device)
        await work.progress(merging(seen))
        raise Wait(FIRST_S if ending else LOOK_S, FLATTENING)
    if ending:
        return False
    tried = int(work.arguments.get(TRIED, 0))
    if tried >= TRIES:
        raise HypervisorError("the disk was not flattened, and nobody tells why", INTERNAL_ERROR)
    if not work.arguments.get(BEGUN):
        note: dict[str, Any] = {BEGUN: True}
        raise Wait(0.0, "", **note)
    await node.block_jobs.pull(domain, device, base)
    again: dict[str, Any] = {TRIED: tried + 1}
    raise Wait(FIRST_S, FLATTENING, **again)


def _over(session: Session, op: OperationRow) -> None:
    wake(session, OPERATION, op.id)


@register
class DiskFlatten(Kind):
    """Given up once its node was asked, another ends what that one does, and records how far it came."""

    kind = OperationKind.DISK_FLATTEN
    notes = (HOLDER, TRIED, BEGUN, GIVE_WAY)
    steps = {"pull": pull}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        _over(session, op)
        self._stop(session, op)

    def dropped(self, session: Session, op: OperationRow) -> None:
        """Ended by a destroy, the domain goes with it."""
        _over(session, op)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """
        :raises VMBusy: something is under way that it would have to give way to.
        :raises InUse: the guest may write to another volume than is on record.
        """
        for noun, numbers in op.about.items():
            for number in numbers:
                holder = find_holder(session, noun, number)
                if holder is not None:
                    raise VMBusy(vm_of(op), holder.id, holder.kind)
        if not op.arguments.get(STOP):
            refuse_unsettled(session, op.get(ObjectKind.DISK))
        return {}

    def abandoned(self, session: Session, op: OperationRow) -> None:
        if op.arguments.keys() & {STOP, GIVE_WAY}:
            raise NotAbandonable(op.id, op.kind, "it ends what its node is doing to the disk")
        self._stop(session, op)

    def _stop(self, session: Session, op: OperationRow) -> None:
        if op.arguments.keys() & {STOP, GIVE_WAY} or not op.arguments.get(BEGUN):
            return
        open_operation(
            session,
            OperationKind.DISK_FLATTEN,
            account_id=None,
            objects=op.about,
            node_id=op.node_id,
            arguments={STOP: True},
            cause=Cause(CauseKind.OPERATION, str(op.id)),
        )
