"""
Shortening the chain that a guest reads its disk through: what the disk is written to takes in what its snapshots hold,
and stands on what they stand on, an image or nothing. The snapshots stay, beside it.

QEMU copies while the guest goes on; should that end meanwhile, a domain without a guest has the disk open. What is done
is read off the domain. A disk claims its whole size whatever it stands on, so that nothing more is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.block_job import BlockJobState
from cm.interfaces.source import path_of
from cm.operations.base import Kind, Wait, Work, register
from cm.operations.snapshot_work import (
    FIRST_S,
    HOLDER,
    INTERNAL_ERROR,
    LOOK_S,
    TRIED,
    TRIES,
    Place,
    let_go,
    merging,
    opened,
    running,
    settled,
)
from cm.rpc.errors import CloudError, DomainNotRunning, HypervisorError, NotAbandonable
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.evidence import rest_if_ended
from cm.store.chain import lowest_of
from cm.store.operation import OperationRow, open_operation
from cm.store.snapshot import Lying, SnapshotRow, lying, snapshots, write_pulled

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
    """Until the disk stands on none of its snapshots; or where it is to stop, until nothing is under way."""
    plan = await work.read(_plan, work.op)
    if plan is not None:
        place = await running(work)
        try:
            await _pull(work, plan, place)
        except DomainNotRunning:
            raise Wait(FIRST_S, FLATTENING) from None  # it has ended in between
    await let_go(work)
    await work.complete(settled, work.op)


async def _pull(work: Work, plan: _Plan, place: Place | None) -> None:
    """:raises Wait: it is under way."""
    row = plan.row
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
        return
    if seen.state is not BlockJobState.NONE:
        if work.arguments.get(STOP):
            await node.block_jobs.abort(domain, device)
        await work.progress(merging(seen))
        raise Wait(LOOK_S, FLATTENING)
    if work.arguments.get(STOP):
        return
    tried = int(work.arguments.get(TRIED, 0))
    if tried >= TRIES:
        raise HypervisorError("the disk was not flattened, and nobody tells why", INTERNAL_ERROR)
    if not work.arguments.get(BEGUN):
        note: dict[str, Any] = {BEGUN: True}
        raise Wait(0.0, "", **note)
    await node.block_jobs.pull(domain, device, base)
    again: dict[str, Any] = {TRIED: tried + 1}
    raise Wait(FIRST_S, FLATTENING, **again)


@register
class DiskFlatten(Kind):
    """Given up once its node was asked, another ends what that one does, and records how far it came."""

    kind = OperationKind.DISK_FLATTEN
    notes = (HOLDER, TRIED, BEGUN)
    steps = {"pull": pull}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        self._stop(session, op)

    def dropped(self, session: Session, op: OperationRow) -> None:
        """Ended by a destroy, the domain goes with it."""

    def abandoned(self, session: Session, op: OperationRow) -> None:
        if op.arguments.get(STOP):
            raise NotAbandonable(op.id, op.kind, "it ends what its node is doing to the disk")
        self._stop(session, op)

    def _stop(self, session: Session, op: OperationRow) -> None:
        if op.arguments.get(STOP) or not op.arguments.get(BEGUN):
            rest_if_ended(session, op)
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
