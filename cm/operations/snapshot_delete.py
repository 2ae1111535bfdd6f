"""
Snapshots go: what stands on their volumes takes their content, or is merged into them, while the guest goes on.

Whatever is merged, what a disk is written to stays the same volume, so that its content is what that volume reads as at
every moment, and after any crash. Where nobody has the disk open, a domain without a guest holds it
(``ISnapshots.hold``): QEMU is what knows how to merge. What is done is read off the domain, never off what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.block_job import BlockJobKind, BlockJobState
from cm.interfaces.source import path_of
from cm.operations.base import Kind, Wait, Work, register
from cm.operations.snapshot_work import (
    FIRST_S,
    INTERNAL_ERROR,
    LOOK_S,
    TRIED,
    TRIES,
    dropped,
    forgotten,
    ids_of,
    let_go,
    merging,
    opened,
    running,
    tidy,
)
from cm.rpc.errors import CloudError, HypervisorError, InUse
from cm.rules.operation import HOLDER, OperationKind
from cm.rules.snapshot import Removal, Step, removal
from cm.services.evidence import rest_if_ended
from cm.services.snapshot import refuse_unmerged
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.snapshot import (
    Lying,
    SnapshotRow,
    lying,
    snapshots,
    tree_of,
    write_merged,
    write_pulled,
    write_untaken,
    write_unturned,
)

MERGING: Final = "The snapshot is being merged."


@dataclass(frozen=True)
class _Plan:
    """
    :ivar upper: what stands on the snapshot's volume; ``lower``: what that stands on.
    :ivar leaf: what is to be open meanwhile.
    """

    row: SnapshotRow
    step: Step
    upper: Lying | None = None
    leaf: Lying | None = None
    lower: Lying | None = None


def _plan(session: Session, snapshot_id: int, ids: Sequence[int]) -> _Plan | None:
    """:param ids: of those that go together."""
    together = snapshots(session, ids)
    row = next((each for each in together if each.id == snapshot_id), None)
    if row is None:
        return None
    beside = [each.volume.id for each in together if each is not row]
    step = removal(tree_of(session, row.disk_id).without(beside), row.volume.id)
    if step is None:
        raise InUse("snapshot", row.id, "later ones")
    if not step.upper:
        return _Plan(row, step)
    lower = None if row.volume.backing_id is None else lying(session, row.volume.backing_id)
    return _Plan(row, step, lying(session, step.upper), lying(session, step.leaf), lower)


async def clear(work: Work) -> None:
    await tidy(work)


async def merge(work: Work) -> None:
    """Until nothing stands on the volumes of these snapshots."""
    ids = ids_of(work.op)
    for snapshot_id in ids:
        while (plan := await work.read(_plan, snapshot_id, ids)) is not None and plan.upper is not None:
            await _merge(work, plan)
    await let_go(work)


async def _merge(work: Work, plan: _Plan) -> None:
    """:raises Wait: it is under way."""
    row, upper, leaf, lower = plan.row, plan.upper, plan.leaf, plan.lower
    assert upper is not None and leaf is not None
    node_id, domain, device = await opened(work, row, leaf, await running(work))
    node = work.node(node_id)
    path, above, below = [
        None if each is None else await node.volumes.source(each.pool, each.name) for each in (leaf, upper, row.volume)
    ]
    seen = await node.block_jobs.look(domain, device)
    if seen.path == path_of(below) and upper.id == row.current.id:
        await work.db(write_unturned, row.id)  # a snapshot that was not taken after all: its layer is empty
        return
    if seen.path != path_of(path):
        raise HypervisorError(f"disk {device} is written to {seen.path}, not to {leaf.name}", INTERNAL_ERROR)
    if seen.kind is BlockJobKind.ACTIVE_COMMIT:  # what was given up has left it (``vm_to_image``): it does not end
        await node.block_jobs.abort(domain, device)
        raise Wait(FIRST_S, MERGING)
    if seen.state is not BlockJobState.NONE:
        await work.progress(90 * merging(seen) // 100)
        raise Wait(LOOK_S, MERGING)
    if plan.step.how is Removal.PULL and path_of(below) not in seen.bases:
        await work.db(write_pulled, row, upper.id)
        return
    if plan.step.how is Removal.COMMIT and path_of(above) not in seen.bases:
        await work.db(write_merged, row, upper.id)
        return
    tried = int(work.arguments.get(TRIED, 0))
    if tried >= TRIES * len(ids_of(work.op)):
        raise HypervisorError("merging ended without effect", INTERNAL_ERROR)
    if plan.step.how is Removal.PULL:
        base = None if lower is None else await node.volumes.source(lower.pool, lower.name)
        await node.block_jobs.pull(domain, device, base)
    else:
        assert above is not None and below is not None
        await work.db(write_untaken, [row.id])  # from now on it has some of the later one's
        await node.block_jobs.commit(domain, device, below, above)
    note: dict[str, Any] = {TRIED: tried + 1}
    raise Wait(FIRST_S, MERGING, **note)


async def forget(work: Work) -> None:
    """Delete the volumes, and all that is on record of them."""
    await dropped(work)
    await work.complete(forgotten, work.op)


@register
class SnapshotDelete(Kind):
    """
    Given up, it leaves the snapshots there: what was merged of them stays merged. Those that have not what they had any
    more, or whose volumes may be gone, are not taken any more, and can but be deleted.
    """

    kind = OperationKind.SNAPSHOT_DELETE
    notes = (HOLDER, TRIED)
    steps = {"clear": clear, "merge": merge, "forget": forget}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        rest_if_ended(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_if_ended(session, op)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """:raises InUse: a later one has come to nothing since, and its removal was given up: that is to be settled."""
        refuse_unmerged(session, snapshots(session, ids_of(op)))
        return {}
