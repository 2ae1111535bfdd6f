"""
Snapshots go: what stands on their volumes takes their content, or is merged into them, while the guest goes on.

Whatever is merged, what a disk is written to stays the same volume, so that its content is what that volume reads as at
every moment, and after any crash. Where nobody has the disk open, a domain without a guest holds it
(``ISnapshots.hold``): QEMU is what knows how to merge. What is done is read off the domain, never off what was asked.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.block_job import BlockJobSeen, BlockJobState
from cm.interfaces.hypervisor import DiskSpec, DomainSpec
from cm.interfaces.source import path_of
from cm.operations.base import Kind, Wait, Work, register
from cm.operations.snapshot_work import ids_of, reaching, remove, rows_of, running, settled, tidy, told
from cm.rpc.errors import HypervisorError, InUse
from cm.rules.names import holder_name
from cm.rules.operation import OperationKind
from cm.rules.snapshot import Removal, Step, removal
from cm.store.change import record_change
from cm.store.operation import OperationRow
from cm.store.snapshot import (
    Lying,
    SnapshotRow,
    forget_snapshots,
    lying,
    snapshots,
    tree_of,
    write_merged,
    write_pulled,
    write_unturned,
)

MERGING: Final = "The snapshot is being merged."
FIRST_S: Final = 0.1  # until a merge is looked at: most have little to do
LOOK_S: Final = 0.5  # between looks after that
TRIES: Final = 3  # merges that may end without effect
HELD_MIB: Final = 32  # of a domain that runs nothing
_HOLDERS: Final = uuid.UUID("0d9f1f0e-52f7-4a5e-9b1f-6b7d3c0a7e21")
_INTERNAL_ERROR: Final = 1  # virErrorNumber
# What ``merge`` notes: the node where the disks are held, and how often it has begun.
HOLDER: Final = "holder"
TRIED: Final = "tried"


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


def _plan(session: Session, snapshot_id: int) -> _Plan | None:
    found = snapshots(session, [snapshot_id])
    if not found:
        return None
    row = found[0]
    step = removal(tree_of(session, row.disk_id), row.volume.id)
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
    for snapshot_id in ids_of(work.op):
        while (plan := await work.read(_plan, snapshot_id)) is not None and plan.upper is not None:
            await _merge(work, plan)
    if HOLDER in work.arguments:
        await work.node(work.arguments[HOLDER]).hypervisor.destroy(_holder(work.op))


async def _merge(work: Work, plan: _Plan) -> None:
    """:raises Wait: it is under way."""
    row, upper, leaf, lower = plan.row, plan.upper, plan.leaf, plan.lower
    assert upper is not None and leaf is not None
    node_id, domain, device = await _opened(work, row, leaf)
    node = work.node(node_id)
    path, above, below = [
        None if each is None else await node.volumes.source(each.pool, each.name) for each in (leaf, upper, row.volume)
    ]
    seen = await node.block_jobs.look(domain, device)
    if seen.path == path_of(below) and upper.id == row.current.id:
        await work.db(write_unturned, row.id)  # a snapshot that was not taken after all: its layer is empty
        return
    if seen.path != path_of(path):
        raise HypervisorError(f"disk {device} is written to {seen.path}, not to {leaf.name}", _INTERNAL_ERROR)
    if seen.state is not BlockJobState.NONE:
        await work.progress(_percent(seen))
        raise Wait(LOOK_S, MERGING)
    if plan.step.how is Removal.PULL and path_of(below) not in seen.bases:
        await work.db(write_pulled, row, upper.id)
        return
    if plan.step.how is Removal.COMMIT and path_of(above) not in seen.bases:
        await work.db(write_merged, row, upper.id)
        return
    tried = int(work.arguments.get(TRIED, 0))
    if tried >= TRIES * len(ids_of(work.op)):
        raise HypervisorError("merging ended without effect", _INTERNAL_ERROR)
    if plan.step.how is Removal.PULL:
        base = None if lower is None else await node.volumes.source(lower.pool, lower.name)
        await node.block_jobs.pull(domain, device, base)
    else:
        assert above is not None and below is not None
        await node.block_jobs.commit(domain, device, below, above)
    note: dict[str, Any] = {TRIED: tried + 1}
    raise Wait(FIRST_S, MERGING, **note)


def _percent(seen: BlockJobSeen) -> int:
    return 90 * seen.done_bytes // seen.total_bytes if seen.total_bytes else 0


def _holder(op: OperationRow) -> str:
    return str(uuid.uuid5(_HOLDERS, str(op.id)))


async def _opened(work: Work, row: SnapshotRow, leaf: Lying) -> tuple[int, str, str]:
    """Node, domain and device that have a volume open: its VM's, or one without a guest."""
    place = await running(work)
    if place is not None and leaf.id == row.current.id and row.device is not None:
        return place.node_id, place.uuid, row.device
    if HOLDER not in work.arguments:
        note: dict[str, Any] = {HOLDER: await reaching(work, row.volume.storage_id)}
        raise Wait(0.0, "", **note)
    node_id, domain, device = work.arguments[HOLDER], _holder(work.op), "vda"
    node = work.node(node_id)
    source = await node.volumes.source(leaf.pool, leaf.name)
    told_of = await node.hypervisor.describe(domain)
    if told_of is not None and [disk.path for disk in told_of.disks] != [path_of(source)]:
        await node.hypervisor.destroy(domain)  # it held the disk of the snapshot before
    await node.snapshots.hold(
        DomainSpec(
            name=holder_name(work.op.id),
            uuid=domain,
            title="",
            vcpus=1,
            memory_mib=HELD_MIB,
            disks=(DiskSpec(source, leaf.format, device),),
            nics=(),
            vnc=None,
            console_log=None,
        )
    )
    return node_id, domain, device


async def forget(work: Work) -> None:
    """Delete the volumes, and all that is on record of them."""
    for row in await rows_of(work):
        if row.volume.id != row.current.id:
            await remove(work, row.volume)
    await work.complete(_forgotten, work.op)


def _forgotten(session: Session, op: OperationRow) -> None:
    told(session, snapshots(session, ids_of(op)))
    for snapshot_id, account_id in forget_snapshots(session, ids_of(op)):
        record_change(session, "snapshot", snapshot_id, account_id, "exit")
    settled(session, op)


@register
class SnapshotDelete(Kind):
    """Given up, it leaves the snapshots there: what was merged of them stays merged."""

    kind = OperationKind.SNAPSHOT_DELETE
    notes = (HOLDER, TRIED)
    steps = {"clear": clear, "merge": merge, "forget": forget}
