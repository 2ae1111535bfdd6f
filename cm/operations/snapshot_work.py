"""What work on snapshots has in common: where its VM runs, through which node files are reached, what is left over."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.block_job import BlockJobSeen
from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.hypervisor import DiskSpec, DomainSpec
from cm.interfaces.node import INode
from cm.interfaces.source import path_of
from cm.operations.base import Wait, Work, others_stopped, storage_reached
from cm.rpc.errors import HypervisorError
from cm.rpc.vocabulary import CauseKind, DiskFormat, FreedPolicy
from cm.rules.cause import Cause
from cm.rules.names import holder_name
from cm.rules.operation import HOLDER, ObjectKind, OperationKind
from cm.rules.vm import GONE
from cm.services.evidence import rest_by_evidence, rest_if_ended
from cm.store.change import record_change
from cm.store.operation import OperationRow, open_operation
from cm.store.operation_object import others_at_work
from cm.store.snapshot import (
    Lying,
    SnapshotRow,
    drop_spare,
    forget_snapshots,
    remains,
    snapshots,
    spares,
    write_going,
)
from cm.store.storage import freed_policy, node_reaching
from cm.store.vm import VMRow, find_vm

FIRST_S: Final = 0.1  # until a merge is looked at: most have little to do
LOOK_S: Final = 0.5  # between looks after that
TRIES: Final = 3  # merges that may end without effect
HELD_MIB: Final = 32  # of a domain that runs nothing
HELD_S: Final = 1.0  # in which the pass over a node ends one that holds a disk for nobody any more
HELD: Final = "The disk is open elsewhere."
INTERNAL_ERROR: Final = 1  # virErrorNumber
_HOLDERS: Final = uuid.UUID("0d9f1f0e-52f7-4a5e-9b1f-6b7d3c0a7e21")
# What merging notes, beside the node where the disks are held: how often it has begun.
TRIED: Final = "tried"


@dataclass(frozen=True)
class Place:
    """Where a VM's domain is on."""

    node_id: int
    uuid: str


def ids_of(op: OperationRow) -> list[int]:
    """The snapshots of an operation."""
    return list(op.objects.get(ObjectKind.SNAPSHOT, ()))


async def rows_of(work: Work) -> list[SnapshotRow]:
    return await work.read(snapshots, ids_of(work.op))


def _vm(session: Session, op: OperationRow) -> VMRow | None:
    """
    The VM that has the disks attached.

    :raises Wait: another worker has not stopped at them yet.
    """
    for noun, numbers in op.about.items():
        for number in numbers:
            if others_at_work(session, noun, number, op.id):
                raise others_stopped(ObjectKind(noun), number)
    return None if op.vm_id is None else find_vm(session, op.vm_id)


async def running(work: Work) -> Place | None:
    """Where the VM that has the disks attached runs, as its node says now; None: nobody has them open."""
    vm = await work.db(_vm, work.op)
    if vm is None or vm.node_id is None:
        return None
    seen = await work.node(vm.node_id).hypervisor.look(vm.uuid)
    return None if seen.state in GONE else Place(vm.node_id, vm.uuid)


async def reaching(work: Work, storage_id: int) -> int:
    """
    A node that files of a storage can be worked on through.

    :raises Wait: there is none now.
    """
    node_id = await work.read(node_reaching, storage_id, work.op.attempts)
    if node_id is None:
        raise storage_reached(storage_id)
    return node_id


@job(Pace.SLOW, DEADLINE_S)
def make_layers(node: INode, layers: Sequence[tuple[Lying, str, DiskFormat]]) -> None:
    """On the node's threads. :param layers: what is to be made, on which volume, of which format."""
    for layer, base, format in layers:
        node.volumes.create_overlay(layer.pool, layer.name, base, format, layer.size_bytes)


async def make_spares(work: Work, rows: Sequence[SnapshotRow], place: Place | None = None) -> None:
    """Make the snapshots' spare volumes, where the VM runs or through nodes that reach their storages."""
    for storage_id in sorted({row.volume.storage_id for row in rows}):
        layers = [
            (row.spare, row.volume.name, row.volume.format)
            for row in rows
            if row.spare is not None and row.volume.storage_id == storage_id
        ]
        node_id = await reaching(work, storage_id) if place is None else place.node_id
        await work.node(node_id).run(make_layers, layers)


async def remove(work: Work, volume: Lying) -> None:
    """Delete a volume that nothing stands on; an absent one is as good. What was on it goes as its storage says."""
    volumes = work.node(await reaching(work, volume.storage_id)).volumes
    policy, _ = await work.read(freed_policy, volume.storage_id)
    if policy is not FreedPolicy.NONE:
        await volumes.wipe(volume.pool, volume.name, volume.format, volume.size_bytes, policy is FreedPolicy.WIPE)
    await volumes.delete(volume.pool, volume.name)


async def tidy(work: Work, but: Sequence[int] = ()) -> None:
    """Delete what operations that were given up have left of the disks. :param but: snapshots whose spares are not."""
    for snapshot_id, spare in await work.read(spares, work.op.objects[ObjectKind.DISK], list(but)):
        await remove(work, spare)
        await work.db(drop_spare, snapshot_id)


def told(session: Session, rows: Sequence[SnapshotRow]) -> None:
    """Disks' volumes have changed: so have their entries in the catalogue."""
    for row in rows:
        if row.image_id is not None:
            record_change(session, "image", row.image_id, row.account_id)


def settled(session: Session, op: OperationRow) -> None:
    """The work is over, and the VM may have ended meanwhile: that waited for it."""
    vm = None if op.vm_id is None else find_vm(session, op.vm_id, lock=True)
    if vm is not None and vm.closed_at is None and vm.node_id is not None and vm.seen in GONE:
        rest_by_evidence(session, op, by_policy=True)


# ------------------------------------------------------------------ merging


def merging(seen: BlockJobSeen) -> int:
    """How far a job is, in percent."""
    return 100 * seen.done_bytes // seen.total_bytes if seen.total_bytes else 0


def holder_of(operation_id: int) -> str:
    """The uuid of the domain without a guest that has disks open for an operation."""
    return str(uuid.uuid5(_HOLDERS, str(operation_id)))


async def opened(work: Work, row: SnapshotRow, leaf: Lying, place: Place | None) -> tuple[int, str, str]:
    """
    Node, domain and device that have a volume open: its VM's, or one without a guest.

    :param place: where the VM runs.
    :raises Wait: it cannot be opened: what was given up just now has it open until its node is looked at.
    :raises HypervisorError: nor later.
    """
    if place is not None and leaf.id == row.current.id and row.device is not None:
        return place.node_id, place.uuid, row.device
    if HOLDER not in work.arguments:
        note: dict[str, Any] = {HOLDER: await reaching(work, row.volume.storage_id)}
        raise Wait(0.0, "", **note)
    node_id, domain, device = work.arguments[HOLDER], holder_of(work.op.id), "vda"
    node = work.node(node_id)
    source = await node.volumes.source(leaf.pool, leaf.name)
    told_of = await node.hypervisor.describe(domain)
    if told_of is not None and [disk.path for disk in told_of.disks] != [path_of(source)]:
        await node.hypervisor.destroy(domain)  # it held the disk of the snapshot before
    spec = DomainSpec(
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
    try:
        await node.snapshots.hold(spec)
    except HypervisorError:
        tried = int(work.arguments.get(TRIED, 0))
        if tried >= TRIES:
            raise
        again: dict[str, Any] = {TRIED: tried + 1}
        raise Wait(HELD_S, HELD, **again) from None
    return node_id, domain, device


async def let_go(work: Work) -> None:
    """End the domain without a guest, where there was need of one."""
    if HOLDER in work.arguments:
        await work.node(work.arguments[HOLDER]).hypervisor.destroy(holder_of(work.op.id))


# ------------------------------------------------------------------ their end


async def dropped(work: Work) -> None:
    """
    Delete the volumes of the operation's snapshots, on which nothing stands any more. That they go is on record before:
    by whoever gives it up meanwhile the snapshots are left, and nobody takes them for whole.
    """
    await work.db(write_going, ids_of(work.op))
    for row in await rows_of(work):
        if row.volume.id != row.current.id:
            await remove(work, row.volume)


def forgotten(session: Session, op: OperationRow) -> None:
    """The snapshots of an operation, which is over, are no more."""
    told(session, snapshots(session, ids_of(op)))
    for snapshot_id, account_id in forget_snapshots(session, ids_of(op)):
        record_change(session, "snapshot", snapshot_id, account_id, "exit")
    settled(session, op)


def take_away(session: Session, op: OperationRow) -> None:
    """
    Have the snapshots of an operation that came to nothing deleted. Whether a domain writes to the new volumes may not
    be known: who takes the snapshots away looks. With them goes what is left of others of their disks, whose deletion
    was given up when it had all but ended: it may stand on their volumes.
    """
    ids = [row.id for row in snapshots(session, ids_of(op))]
    if not ids:
        rest_if_ended(session, op)
        return
    ids += remains(session, ids)
    open_operation(
        session,
        OperationKind.SNAPSHOT_DELETE,
        account_id=op.account_id,
        objects={
            ObjectKind.VM: [] if op.vm_id is None else [op.vm_id],
            ObjectKind.DISK: op.objects[ObjectKind.DISK],
            ObjectKind.SNAPSHOT: ids,
        },
        node_id=op.node_id,
        cause=Cause(CauseKind.OPERATION, str(op.id)),
    )
