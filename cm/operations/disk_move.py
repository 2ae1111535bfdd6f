"""
Moving a disk to another storage. Its bytes are copied into a volume that was claimed for it, and then one transaction
says that the disk lies there; what it has left is deleted by an operation of its own.

**Live** QEMU copies, and goes on copying what the guest writes, until it is told to write to the copy alone. From the
note that it is going to be told (``CHANGING``) until it is on record which volume the disk lies on, the node alone can
tell, so the move can be neither given up nor ended by a destroy. **Cold**, the node that has both storages copies. A
guest that ends meanwhile ends its copying, and the rest goes cold. Where no node has both, the bytes go through this
process as they are: a disk that stands on something is copied to a ``stage`` where it lies before, which is its volume
from then on. What UEFI keeps of its VM goes along with its root disk where that goes cold: libvirt cannot turn a guest
from one such file to another, so of one that runs it stays.

Where volumes do not grow in their place a disk grows by this, too, cold: to a larger volume of the same storage. And
since QEMU copies between volumes of one size alone, a disk grows under its guest to what sizes are rounded up to where
it goes, before it is copied. Either way what it is going to have is claimed of the volume that it leaves, so that quota
and storage are right whichever it lies on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.block_job import BlockJobSeen, BlockJobState
from cm.interfaces.calls import NodeCalls
from cm.interfaces.source import DiskSource
from cm.operations.anew import make_anew
from cm.operations.base import Kind, Wait, Work, register, vm_of
from cm.operations.carrying import End, carry, ways
from cm.operations.disk_grow import changed
from cm.operations.left_job import end_left_job
from cm.operations.variables import TRIED, bring, tried
from cm.rpc.errors import (
    CloudError,
    DiskBusy,
    DomainNotRunning,
    HypervisorError,
    NotAbandonable,
    ObjectNotFound,
    StorageFull,
    WrongVMState,
)
from cm.rpc.vocabulary import CauseKind, DiskKind
from cm.rules.cause import Cause
from cm.rules.names import domain_name, pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.storage import capabilities
from cm.services.disk_bytes import insert_targets, open_volume_delete
from cm.services.evidence import rest_if_ended
from cm.services.seed import have_seed_follow
from cm.store.disk import DiskFacts, find_disk, get_disk
from cm.store.disk_bytes import (
    Lies,
    Room,
    claim_growth,
    find_volume,
    release_growth,
    require_volume,
    switch_volume,
    write_growth,
)
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.saving import root_disk_id
from cm.store.storage import get_storage
from cm.store.variables import Variables, find_variables, switch_variables
from cm.store.vm import VMRow, find_vm, get_vm

# Notes: by which way the volume was begun; that the guest's disk may have grown; that a copy by QEMU has begun; that it
# may have been told to change over; and those of what UEFI keeps (``variables.py``).
WAY: Final = "way"
GROWING: Final = "growing"
BEGUN: Final = "begun"
CHANGING: Final = "changing"
LIVE, COLD = "live", "cold"
SIZE: Final = "size_bytes"  # in the arguments: what it grows to
LOOK_S: Final = 0.5  # between looks at a copy under way
UNTOLD_S: Final = 60.0
OPERATION_FAILED: Final = 9  # virErrorNumber
COPIED: Final = 90  # percent
ATTEMPTS_MAX: Final = 200  # some hours of them


@dataclass(frozen=True)
class Moving:
    """
    :ivar target: what it is copied to now.
    :ivar vm: that has the disk, on the node that it is placed on; None: none runs.
    :ivar node_id: that the disk is worked on through.
    :ivar to_node_id: that has the target's storage, where that one has not.
    :ivar staged: the target lies where the disk does, on its way to where no node reaches both.
    """

    disk: DiskFacts
    target: Lies
    vm: VMRow | None
    node_id: int
    to_node_id: int | None = None
    staged: bool = False

    @property
    def pool(self) -> str:
        return pool_name(self.target.storage_id)


def _moving(session: Session, op: OperationRow) -> Moving:
    """
    :raises Wait: no node that answers has both storages, and the disk cannot go through this process; or one of the
        storages is reached by none.
    """
    disk = get_disk(session, op.get(ObjectKind.DISK))
    target, staged = _next(session, op)
    vm = None if op.vm_id is None else get_vm(session, op.vm_id)
    if vm is not None and vm.node_id is not None:
        return Moving(disk, target, vm, vm.node_id)
    way = ways(session, require_volume(session, disk.volume_id), target, op.attempts)
    return Moving(disk, target, None, way.node_id, way.to_node_id, staged)


def _next(session: Session, op: OperationRow) -> tuple[Lies, bool]:
    """What the disk is copied to next, and whether that is only on its way."""
    volumes = [require_volume(session, each) for each in op.objects[ObjectKind.VOLUME]]
    there = op.get(ObjectKind.STORAGE)
    stage = next((each for each in volumes if each.storage_id != there and not each.made), None)
    if stage is not None:
        return stage, True
    return next(each for each in volumes if each.storage_id == there), False


def _anew(session: Session, op: OperationRow) -> Moving:
    make_anew(session, op, _next(session, op)[0].id, device=op.arguments.get("device", ""))
    return _moving(session, op)


async def _look(work: Work, moving: Moving) -> BlockJobSeen | None:
    """What QEMU says of the disk; None where no guest has it, and none will: its VM is held."""
    if moving.vm is None:
        return None
    try:
        return await work.node(moving.node_id).block_jobs.look(moving.vm.uuid, work.arguments["device"])
    except DomainNotRunning:
        return None


def _ended_early() -> CloudError:
    """QEMU does not tell why: of a full target it says as much."""
    return HypervisorError(
        "the copy of the disk ended early; the storage that it moves to may be full", OPERATION_FAILED
    )


# ------------------------------------------------------------------ steps


async def copy(work: Work) -> None:
    """Have the target hold what the disk does: for the moment that it changes over live, for good cold."""
    if work.arguments.get(CHANGING):
        return  # retried: the target may be the newer one
    moving: Moving = await work.db(_moving, work.op)
    node = work.node(moving.node_id)
    seen = await _look(work, moving)
    way = COLD if seen is None else LIVE
    if work.arguments.get(WAY) != way:
        # What was begun the other way is no beginning of this one.
        if way == LIVE:
            await work.db(_anew, work.op)
        raise Wait(0.0, "", way=way, begun=False)
    if seen is None:
        moving = await work.db(_anew, work.op)
        await (_copy_cold(node, moving) if moving.to_node_id is None else _carry(work, moving, moving.to_node_id))
    else:
        await _copy_live(work, node, moving, seen)
    await work.progress(COPIED)


async def _copy_cold(node: NodeCalls, moving: Moving) -> None:
    disk, target = moving.disk, moving.target
    try:
        await node.volumes.create_copy(
            moving.pool,
            target.name,
            disk.volume,
            disk.format,
            target.size_bytes,
            source_storage=pool_name(disk.storage_id),
            format=target.format,
        )
    except StorageFull:
        raise StorageFull(target.storage_id, 0, target.size_bytes) from None


async def _carry(work: Work, moving: Moving, to_node_id: int) -> None:
    disk, target = moving.disk, moving.target
    there, here = End(moving.node_id, disk.storage_id, disk.volume), End(to_node_id, target.storage_id, target.name)
    await carry(work, there, here, "disk", disk.id, size_bytes=target.size_bytes, format=target.format)


async def _copy_live(work: Work, node: NodeCalls, moving: Moving, seen: BlockJobSeen) -> None:
    """:raises Wait: it is under way."""
    assert moving.vm is not None
    target, device = moving.target, work.arguments["device"]
    source = await node.volumes.source(moving.pool, target.name)
    if seen.source == source:
        return
    if seen.state is BlockJobState.NONE:
        if work.arguments.get(BEGUN):
            raise _ended_early()
        await _grow(work, node, moving)
        try:
            await node.volumes.create_empty(moving.pool, target.name, target.format, target.size_bytes)
            await node.block_jobs.copy(moving.vm.uuid, device, source, target.format)
        except DomainNotRunning:
            raise Wait(0.0, "") from None
        except StorageFull:
            raise StorageFull(target.storage_id, 0, target.size_bytes) from None
        raise Wait(LOOK_S, "Its bytes are being copied.", begun=True)
    if seen.target != source and not work.arguments.get(BEGUN):
        await end_left_job(node, moving.vm.uuid, device)
    _check_job(moving, seen, source, device)
    if seen.state is not BlockJobState.READY:
        await work.progress(COPIED * seen.done_bytes // max(seen.total_bytes, 1))
        raise Wait(LOOK_S, "Its bytes are being copied.")


async def _grow(work: Work, node: NodeCalls, moving: Moving) -> None:
    """
    Have what is copied be as large as what it is copied to.

    :raises Wait: that it is asked for is noted before.
    """
    if moving.disk.size_bytes >= moving.target.size_bytes:
        return
    if not work.arguments.get(GROWING):
        raise Wait(0.0, "", growing=True)
    assert moving.vm is not None
    try:
        await node.block_jobs.grow(moving.vm.uuid, work.arguments["device"], moving.target.size_bytes)
    except DomainNotRunning:
        raise Wait(0.0, "") from None
    await work.db(_grown, moving)


def _grown(session: Session, moving: Moving) -> None:
    write_growth(session, moving.disk.volume_id, moving.target.size_bytes)
    changed(session, moving.disk)


def _check_job(moving: Moving, seen: BlockJobSeen, source: DiskSource, device: str) -> None:
    """:raises DiskBusy: it is not ours."""
    if seen.target != source:
        raise DiskBusy(domain_name(moving.vm.id if moving.vm else 0), device, f"a job ({seen.kind}) is under way")


async def take_variables(work: Work) -> None:
    """Have what UEFI keeps of the VM be beside the target too, of its root disk that goes cold."""
    moving: Moving = await work.db(_moving, work.op)
    was: Variables | None = await work.db(_variables_of, work.op)
    if was is None or moving.staged or work.arguments[WAY] == LIVE:
        return
    await bring(work, was, moving.target.storage_id, moving.to_node_id or moving.node_id, moving.disk.id)


def _variables_of(session: Session, op: OperationRow) -> Variables | None:
    """Those that are to go with the disk; devices have no place for any."""
    if op.vm_id is None or root_disk_id(session, op.vm_id) != op.get(ObjectKind.DISK):
        return None
    there = op.get(ObjectKind.STORAGE)
    found = find_variables(session, op.vm_id)
    if found is None or found.storage_id == there or not capabilities(get_storage(session, there)["kind"]).files:
        return None
    return found


async def change_over(work: Work) -> None:
    """Have the guest write to the target alone, and say that the disk lies there."""
    moving: Moving = await work.db(_moving, work.op)
    if work.arguments[WAY] == LIVE:
        await _change_over_live(work, moving)
    if moving.staged:
        await work.db(_moved, work.op)
        work.step = "copy"
        raise Wait(0.0, "")
    await work.complete(_arrived, work.op)


async def _change_over_live(work: Work, moving: Moving) -> None:
    """:raises Wait: not yet."""
    assert moving.vm is not None
    node, device = work.node(moving.node_id), work.arguments["device"]
    source = await node.volumes.source(moving.pool, moving.target.name)
    seen = await _look(work, moving)
    if seen is None:
        await _ended_meanwhile(work, node, moving, source)
        return
    if seen.source == source:
        return
    if seen.state is BlockJobState.NONE:
        _undecided(work)
        if not work.arguments.get(BEGUN):  # retried
            work.step = "copy"
            raise Wait(0.0, "", way="")
        raise _ended_early()
    _check_job(moving, seen, source, device)
    if seen.state is BlockJobState.READY:
        if not work.arguments.get(CHANGING):
            raise Wait(0.0, "", changing=True)
        try:
            await node.block_jobs.finish(moving.vm.uuid, device)
        except DomainNotRunning:
            raise Wait(0.0, "") from None
        seen = await _look(work, moving)
        if seen is not None and seen.source == source:
            return
    raise Wait(LOOK_S, "Its guest is being turned to the copy.")


def _undecided(work: Work) -> None:
    """:raises Wait: the guest was seen on the old volume without a copy, and that is to be noted first."""
    if work.arguments.get(CHANGING):
        raise Wait(0.0, "", changing=False)


async def _ended_meanwhile(work: Work, node: NodeCalls, moving: Moving, source: DiskSource) -> None:
    """
    The guest is off: where it wrote to last its definition says, which follows when the guest changes over.

    :raises Wait: to the old one, so that the copy is made anew; or nobody can tell.
    """
    assert moving.vm is not None
    if work.arguments.get(CHANGING):
        told = await node.hypervisor.describe(moving.vm.uuid)
        disks = [disk for disk in told.disks if disk.device == work.arguments["device"]] if told is not None else []
        if not disks:
            raise Wait(UNTOLD_S, "Its guest is gone, and with it who knows which volume is the newer one.")
        if disks[0].source == source:
            return
        _undecided(work)
    work.step = "copy"
    raise Wait(0.0, "")


def _moved(session: Session, op: OperationRow, variables: Sequence[Variables] = ()) -> None:
    """:param variables: that are left with it."""
    disk = get_disk(session, op.get(ObjectKind.DISK), lock=True)
    left = switch_volume(session, disk.id, _next(session, op)[0].id)
    _delete(session, left, op, variables)
    changed(session, disk)


def _arrived(session: Session, op: OperationRow) -> None:
    """:raises StorageFull: what goes with it does not fit there; then the disk stays where it was."""
    was = _variables_of(session, op) if op.arguments[WAY] == COLD else None
    brought = _brought(session, op)
    _moved(session, op, [was, *brought[:-1]] if was is not None and brought else brought)
    if was is not None and brought:
        switch_variables(session, vm_of(op), brought[-1].storage_id, brought[-1].directory)
    if op.vm_id is not None and root_disk_id(session, op.vm_id) == op.get(ObjectKind.DISK):
        cause = Cause(CauseKind.OPERATION, str(op.id))
        have_seed_follow(session, op.vm_id, op.get(ObjectKind.STORAGE), cause)
    rest_if_ended(session, op)


def _brought(session: Session, op: OperationRow) -> list[Variables]:
    """What it may have written of what UEFI keeps of the VM, the last of it at the end."""
    vm = None if op.vm_id is None else find_vm(session, op.vm_id)
    return [] if vm is None else tried(op, vm.uuid, op.get(ObjectKind.STORAGE))


def _delete(session: Session, volume_id: int, op: OperationRow, variables: Sequence[Variables] = ()) -> None:
    cause, device = Cause(CauseKind.OPERATION, str(op.id)), op.arguments.get("device", "")
    open_volume_delete(session, volume_id, cause, vm_id=op.vm_id, device=device, variables=variables)


@register
class DiskMove(Kind):
    kind = OperationKind.DISK_MOVE
    notes = (WAY, GROWING, BEGUN, CHANGING, TRIED)
    steps = {"copy": copy, "take_variables": take_variables, "change_over": change_over}

    def tried(self, op: OperationRow, error: CloudError) -> dict[str, Any]:
        """While its node has to be asked where the disk is, as often as it takes; else a day's worth of attempts."""
        if op.attempts >= ATTEMPTS_MAX and not op.arguments.get(CHANGING):
            raise error
        return {}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """The disk stays where it was. Of a guest that may write to either volume both stay: a retry asks its node."""
        if not op.arguments.get(CHANGING):
            self._give_back(session, op)
        rest_if_ended(session, op)

    def dropped(self, session: Session, op: OperationRow) -> None:
        if op.arguments.get(CHANGING):
            raise NotAbandonable(op.id, op.kind, "its guest is just changing over from one volume to the other")
        self._give_back(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_if_ended(session, op)

    def _give_back(self, session: Session, op: OperationRow) -> None:
        disk = find_disk(session, op.get(ObjectKind.DISK))
        for volume_id in op.objects[ObjectKind.VOLUME]:
            if disk is None or volume_id != disk.volume_id:
                _delete(session, volume_id, op, _brought(session, op))
        if disk is not None:
            if SIZE in op.arguments and not op.arguments.get(GROWING):
                release_growth(session, disk.volume_id, disk.account_id)
            changed(session, disk)

    def forgotten(self, op: OperationRow) -> Sequence[str]:
        """Of one that failed while its guest was changing over what its node is asked about stays."""
        return (BEGUN, GROWING) if op.arguments.get(CHANGING) else self.notes

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """
        The target that it had is being deleted: another is claimed. Of one that failed while its guest was changing
        over it is still there, and what was noted then holds.

        :raises ObjectNotFound: the disk is gone.
        :raises StorageFull: it does not fit any more.
        :raises WrongVMState: its guest may have written to either volume, and no node has the guest to be asked.
        """
        disk = find_disk(session, op.get(ObjectKind.DISK), lock=True)
        source = None if disk is None else find_volume(session, disk.volume_id)
        if disk is None or source is None:
            raise ObjectNotFound("disk", op.get(ObjectKind.DISK))
        if op.arguments.get(CHANGING):
            vm = get_vm(session, vm_of(op))
            if vm.node_id is None:
                raise WrongVMState(vm.id, vm.state, "running, as its node tells which volume it writes to")
            return {}
        if SIZE in op.arguments:
            claim_growth(session, disk.volume_id, disk.account_id, op.arguments[SIZE])
            source = find_volume(session, disk.volume_id)
            assert source is not None
        can = capabilities(get_storage(session, op.get(ObjectKind.STORAGE))["kind"])
        size_bytes = can.whole(max(source.size_bytes, source.claimed_bytes))
        format = (can.kept if disk.kind is DiskKind.ISO else can.best)(source.format)
        room = Room(op.get(ObjectKind.STORAGE), format, size_bytes)
        return {ObjectKind.VOLUME: insert_targets(session, disk, source, room)}
