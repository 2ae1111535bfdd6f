"""
An image of a VM's root disk, while the VM goes on.

What a running VM has written until one moment is copied: from then on it writes to a layer, which stands on that. When
the image is made, the layer is merged into what it stands on, live, and the guest is turned back to that: only what was
written meanwhile is moved, and the disk is the volume that it was.

**From the note that the guest is going to be turned** (``CHANGING``) until it is on record to which volume it writes,
its node alone can tell, so that this can be neither given up nor ended by a destroy. Before, both volumes read the same
by way of the layer, so whoever gives it up leaves the snapshot to ``snapshot_delete``. A guest that ends meanwhile is
no obstacle: a domain without a guest has the disk open then. A VM that is stopped is copied, and that is all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.block_job import BlockJobSeen, BlockJobState
from cm.interfaces.source import DiskSource, path_of
from cm.operations.base import Kind, Wait, Work, image_of, register, vm_of
from cm.operations.disk_copy import Copy, give_up_copy, made, sources
from cm.operations.snapshot_create import THAWS, prepare, taken
from cm.operations.snapshot_work import (
    FIRST_S,
    INTERNAL_ERROR,
    LOOK_S,
    TRIED,
    TRIES,
    dropped,
    forgotten,
    let_go,
    merging,
    opened,
    rows_of,
    running,
    take_away,
)
from cm.rpc.errors import (
    CloudError,
    DomainNotRunning,
    HypervisorError,
    NotAbandonable,
    WrongImageState,
    WrongVMState,
)
from cm.rpc.vocabulary import Consistency, ImageState
from cm.rules.operation import HOLDER, ObjectKind, OperationKind
from cm.services.evidence import rest_if_ended
from cm.services.vm_image import refuse_held, refuse_state, root_of, take_point
from cm.store.change import record_change
from cm.store.disk_bytes import claim_again, give_up_copy_of_image
from cm.store.image import find_image, get_image, set_state
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.saving import keep_saved
from cm.store.snapshot import SnapshotRow, consistency_of, write_taken, write_untaken, write_unturned
from cm.store.vm import get_vm
from cm.store.vm_template import ready_with

# Notes, beside those of every merge: how the disk was at the moment that the image is of; that the guest may have been
# told to write to its disk alone again.
CONSISTENCY: Final = "consistency"
CHANGING: Final = "changing"
MERGING: Final = "The image is made; what was written meanwhile is being merged with the disk."
TURNING: Final = "The image is made; its guest is being turned back to its disk."
UNTOLD_S: Final = 60.0
COPIED: Final = 60  # percent

# ------------------------------------------------------------------ steps


async def take(work: Work) -> None:
    """Have a running domain write to the layer, from one moment on."""
    rows = [row for row in await rows_of(work) if row.taken_at is None]
    if rows:
        await work.db(write_taken, [row.id for row in rows], await taken(work, rows))
    await work.progress(10)


async def copy(work: Work) -> None:
    """Copy what nobody writes to into the image."""
    facts: Copy | None = await work.db(_facts, work.op)
    if facts is not None:
        seen = await made(work, facts)
        await work.db(_kept, work.op, seen.capacity_bytes)
    await work.progress(COPIED)


def _facts(session: Session, op: OperationRow) -> Copy | None:
    """None: it is kept."""
    return sources(session, op) if get_image(session, image_of(op)).state is ImageState.ADDING else None


def _kept(session: Session, op: OperationRow, size_bytes: int) -> None:
    image_id = image_of(op)
    give_up_copy_of_image(session, image_id)  # it needs its source no more
    record_change(session, "image", image_id, keep_saved(session, image_id, size_bytes))
    for template_id, account_id in ready_with(session, image_id):
        record_change(session, "vm_template", template_id, account_id, "enter")


async def merge(work: Work) -> None:
    """Until the disk is again the volume that it was, and the snapshot the layer, which nobody needs."""
    for row in await rows_of(work):
        if CONSISTENCY not in work.arguments:
            note: dict[str, Any] = {CONSISTENCY: await work.read(consistency_of, row.id)}
            raise Wait(0.0, "", **note)
        if row.taken_at is not None:
            await work.db(write_untaken, [row.id])
        if row.volume.backing_id != row.current.id:
            await _merge(work, row)
    await let_go(work)
    if work.arguments.get(CHANGING):  # it is on record
        work.step = "forget"
        turned: dict[str, Any] = {CHANGING: False}
        raise Wait(0.0, "", **turned)


async def _merge(work: Work, row: SnapshotRow) -> None:
    """:raises Wait: it is under way."""
    place = await running(work)
    if place is None and work.arguments.get(CHANGING):
        await _ended_meanwhile(work, row)
        return
    node_id, domain, device = await opened(work, row, row.current, place)
    node = work.node(node_id)
    disk = await node.volumes.source(row.volume.pool, row.volume.name)
    layer = await node.volumes.source(row.current.pool, row.current.name)
    try:
        seen = await node.block_jobs.look(domain, device)
        if seen.state is BlockJobState.READY:
            if place is not None and not work.arguments.get(CHANGING):
                note: dict[str, Any] = {CHANGING: True}
                raise Wait(0.0, "", **note)
            await node.block_jobs.finish(domain, device)
            seen = await node.block_jobs.look(domain, device)
        if seen.path != path_of(disk):
            await _begin(work, seen, layer)
            await node.block_jobs.commit(domain, device, disk)
            raise _begun(work)
    except DomainNotRunning:
        raise Wait(FIRST_S, MERGING) from None  # it has ended in between
    await work.db(_unturned, row.id)


async def _begin(work: Work, seen: BlockJobSeen, layer: DiskSource) -> None:
    """
    :raises Wait: a merge is under way.
    :raises HypervisorError: it cannot be begun.
    """
    if seen.path != path_of(layer):
        raise HypervisorError(f"the disk is written to {seen.path}, not to {path_of(layer)}", INTERNAL_ERROR)
    if seen.state is not BlockJobState.NONE:
        await work.progress(COPIED + merging(seen) * (99 - COPIED) // 100)
        raise Wait(LOOK_S, TURNING if seen.state is BlockJobState.READY else MERGING)
    if work.arguments.get(CHANGING):
        # It is seen on the layer, without a merge: nothing was changed over, and that is noted before all else.
        note: dict[str, Any] = {CHANGING: False}
        raise Wait(0.0, "", **note)
    if int(work.arguments.get(TRIED, 0)) >= TRIES:
        raise HypervisorError("merging ended without effect", INTERNAL_ERROR)


def _begun(work: Work) -> Wait:
    note: dict[str, Any] = {TRIED: int(work.arguments.get(TRIED, 0)) + 1}
    return Wait(FIRST_S, MERGING, **note)


async def _ended_meanwhile(work: Work, row: SnapshotRow) -> None:
    """
    The guest is off: where it wrote to last its definition says, which follows when the guest is turned.

    :raises Wait: to the layer, so that it is merged without a guest; or nobody can tell.
    """
    vm = await work.read(get_vm, vm_of(work.op))
    told = None
    if vm.node_id is not None:
        node = work.node(vm.node_id)
        disk = await node.volumes.source(row.volume.pool, row.volume.name)
        described = await node.hypervisor.describe(vm.uuid)
        told = next((each for each in (described.disks if described else ()) if each.device == row.device), None)
    if told is None:
        raise Wait(UNTOLD_S, "Its guest is gone, and with it who knows which volume is the newer one.")
    if told.source != disk:
        note: dict[str, Any] = {CHANGING: False}
        raise Wait(0.0, "", **note)
    await work.db(_unturned, row.id)


def _unturned(session: Session, snapshot_id: int) -> None:
    write_unturned(session, snapshot_id)


async def forget(work: Work) -> None:
    """Delete the layer, and what is on record of it."""
    await dropped(work)
    consistency = work.arguments.get(CONSISTENCY, Consistency.OFF)
    result = {"image_id": image_of(work.op), "consistency": consistency}
    await work.complete(forgotten, work.op, result=result)


@register
class VMToImage(Kind):
    kind = OperationKind.VM_TO_IMAGE
    notes = (THAWS, HOLDER, TRIED, CONSISTENCY, CHANGING)
    steps = {"prepare": prepare, "take": take, "copy": copy, "merge": merge, "forget": forget}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """
        An image that was made stays; of another the reason can be read. Of a guest that may write to either volume both
        stay: a retry asks its node.
        """
        self._give_back(session, op, error.for_user(), keep=True)
        if op.arguments.get(CHANGING):
            rest_if_ended(session, op)
        else:
            take_away(session, op)

    def dropped(self, session: Session, op: OperationRow) -> None:
        if op.arguments.get(CHANGING):
            raise NotAbandonable(op.id, op.kind, "its guest is just changing over from one volume to the other")
        self._give_back(session, op, "given up", keep=False)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        take_away(session, op)

    def _give_back(self, session: Session, op: OperationRow, reason: str, *, keep: bool) -> None:
        row = find_image(session, image_of(op))
        if row is not None and row.state is ImageState.ADDING:
            give_up_copy(session, op, reason, keep=keep)

    def forgotten(self, op: OperationRow) -> Sequence[str]:
        """Of one that failed while its guest was changing over what its node is asked about stays."""
        return (THAWS, HOLDER, TRIED) if op.arguments.get(CHANGING) else self.notes

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """
        The image is claimed again, and a snapshot is to be taken of the VM as it is by now.

        :raises VMBusy: DiskHeld: another operation is under way.
        :raises WrongImageState: it was made, deleted, or what the failure left is still being removed.
        :raises WrongVMState: it cannot be saved now; or its guest may have written to either volume, and no node has
            it.
        """
        vm = get_vm(session, vm_of(op))
        if op.arguments.get(CHANGING):
            if vm.node_id is None:
                raise WrongVMState(vm.id, vm.state, "running, as its node tells which volume it writes to")
            return {}
        refuse_state(vm)
        image = find_image(session, image_of(op), lock=True)
        if image is None or image.state is not ImageState.FAILED or image.claimed_bytes:
            told = "gone" if image is None else image.state
            raise WrongImageState(image_of(op), told, "failed, with its remains removed")
        disk = root_of(session, vm.id)
        refuse_held(session, vm, disk)
        claim_again(session, image.id, disk.volume_id)
        set_state(session, image.id, ImageState.ADDING)
        record_change(session, "image", image.id, image.account_id)
        return {ObjectKind.DISK: [disk.id], ObjectKind.SNAPSHOT: take_point(session, vm, disk, image.name)}
