"""
Copying what nobody writes to, a disk or an image, to a new disk or image: flat, whatever it stands on, and by the node
itself that has both storages.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from cm.interfaces.volume import VolumeSeen
from cm.operations.anew import make_anew
from cm.operations.base import Kind, Work, image_of, register
from cm.operations.carrying import End, carry, ways
from cm.rpc.errors import CloudError, ObjectNotFound, StorageFull, WrongImageState, WrongVMState
from cm.rpc.vocabulary import CauseKind, DiskFormat, DiskState, ImageKind, ImageState, VMState
from cm.rules.cause import Cause
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.evidence import rest_if_ended
from cm.services.image import open_delete
from cm.store.change import record_change
from cm.store.disk import DiskFacts, find_disk, find_disk_of_image, get_disk, touch_disk
from cm.store.disk_bytes import (
    claim_again,
    finish_copy_of_image,
    give_up_copy_of_image,
    places_of,
    require_volume,
    volume_of_image,
)
from cm.store.image import ImageRow, find_image, get_image, set_progress, set_state
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.snapshot import snapshots
from cm.store.vm import get_vm

# In the arguments: what is copied instead of what the disk holds now.
SNAPSHOT: Final = "snapshot_id"
IMAGE: Final = "image_id"  # there is no disk then


class Source(NamedTuple):
    """A volume that nobody writes to, a disk's, a snapshot's or an image's."""

    id: int
    storage_id: int
    volume: str
    format: DiskFormat


class Copy(NamedTuple):
    """
    :ivar node_id: that has the source; ``to_node_id`` has the target, where that one has not.
    """

    source: Source
    target: ImageRow
    node_id: int
    to_node_id: int | None = None


def sources(session: Session, op: OperationRow) -> Copy:
    """
    What an operation copies from, what to, and through which node. For one attempt: the next copies to something else.

    :raises Wait: none that answers has both storages, and what is copied cannot go through this process; or one of the
        storages is reached by none.
    """
    source = _source(session, op)
    target = get_image(session, image_of(op))
    made = volume_of_image(session, target.id)
    way = ways(session, require_volume(session, source.id), made, op.attempts)
    make_anew(session, op, made.id)
    return Copy(source, get_image(session, target.id), *way)


def _source(session: Session, op: OperationRow) -> Source:
    """
    :raises ObjectNotFound: it is gone.
    :raises WrongVMState: WrongImageState: a guest may write to it.
    """
    if IMAGE in op.arguments:
        return _image_source(session, op.arguments[IMAGE])
    snapshot_id = next(iter(op.objects.get(ObjectKind.SNAPSHOT, ())), op.arguments.get(SNAPSHOT))
    if snapshot_id is None:
        disk = get_disk(session, op.get(ObjectKind.DISK))
        _refuse_running(session, disk)
        return Source(disk.volume_id, disk.storage_id, disk.volume, disk.format)
    found = snapshots(session, [snapshot_id])
    if not found:
        raise ObjectNotFound("snapshot", snapshot_id)
    volume = found[0].volume
    return Source(volume.id, volume.storage_id, volume.name, volume.format)


def _image_source(session: Session, image_id: int) -> Source:
    """While something is made from it, it is neither moved, nor deleted, nor turned into what guests write to."""
    row = get_image(session, image_id)
    if row.kind is ImageKind.STORAGE or row.state is not ImageState.OK:
        raise WrongImageState(image_id, row.state, "a system image or an ISO that is ok")
    volume = volume_of_image(session, image_id)
    return Source(volume.id, volume.storage_id, volume.name, volume.format)


def _refuse_running(session: Session, source: DiskFacts) -> None:
    """:raises WrongVMState: a guest may write to it."""
    for place in places_of(session, source.id):
        vm = get_vm(session, place.vm_id)
        if vm.node_claimed:
            raise WrongVMState(vm.id, vm.state, VMState.STOPPED)


async def copy(work: Work) -> None:
    facts: Copy = await work.db(sources, work.op)
    await made(work, facts)
    await work.complete(_copied, work.op, result={"image_id": facts.target.id})


async def made(work: Work, facts: Copy) -> VolumeSeen:
    """Make a copy."""
    source, target = facts.source, facts.target
    try:
        if facts.to_node_id is not None:
            there = End(facts.node_id, source.storage_id, source.volume)
            here = End(facts.to_node_id, target.storage_id, target.volume)
            size_bytes, format = target.size_bytes, target.format
            return await carry(work, there, here, "image", target.id, size_bytes=size_bytes, format=format)
        return await work.node(facts.node_id).volumes.create_copy(
            pool_name(target.storage_id),
            target.volume,
            source.volume,
            source.format,
            target.size_bytes,
            source_storage=pool_name(source.storage_id),
            format=target.format,
        )
    except StorageFull:
        raise StorageFull(target.storage_id, 0, target.size_bytes) from None


def _copied(session: Session, op: OperationRow) -> None:
    row = get_image(session, image_of(op), lock=True)
    if row.state is not ImageState.ADDING:
        raise WrongImageState(row.id, row.state, ImageState.ADDING)
    finish_copy_of_image(session, row.id)
    set_state(session, row.id, ImageState.OK)
    set_progress(session, row.id, 100)
    _tell(session, row)
    rest_if_ended(session, op)  # a snapshot is copied while its VM goes on


def _tell(session: Session, row: ImageRow) -> None:
    record_change(session, "image", row.id, row.account_id)
    disk_id = find_disk_of_image(session, row.id)
    if disk_id is not None:
        touch_disk(session, disk_id)


def give_up_copy(session: Session, op: OperationRow, reason: str, *, keep: bool) -> None:
    """
    What was to be made is not going to be: its volume is deleted, and then what it claims goes back.

    :param keep: its entry stays, failed, with the reason.
    """
    row = find_image(session, image_of(op), lock=True)
    if row is None:
        return
    set_state(session, row.id, ImageState.FAILED if keep else ImageState.DELETED, reason)
    give_up_copy_of_image(session, row.id)
    cause = Cause(CauseKind.OPERATION, str(op.id))
    open_delete(session, row, account_id=op.account_id, cause=cause, keep=keep)
    _tell(session, row)


@register
class DiskCopy(Kind):
    kind = OperationKind.DISK_COPY
    steps = {"copy": copy}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """The copy stays, failed, with the reason. What it claims goes back once its volume is surely gone."""
        give_up_copy(session, op, error.for_user(), keep=True)
        rest_if_ended(session, op)

    def dropped(self, session: Session, op: OperationRow) -> None:
        give_up_copy(session, op, "given up", keep=False)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_if_ended(session, op)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """
        :raises WrongImageState: it was deleted, or what the failure left is still being removed; or what was copied
            is another kind of image by now.
        :raises WrongVMState: the disk's VM runs by now.
        """
        row = find_image(session, image_of(op), lock=True)
        if row is None:
            raise ObjectNotFound("image", image_of(op))
        vm_ids = _held_again(session, op)
        if row.state is not ImageState.FAILED or row.claimed_bytes:
            raise WrongImageState(row.id, row.state, "failed, with its remains removed")
        claim_again(session, row.id, _source(session, op).id)
        set_state(session, row.id, ImageState.ADDING)
        _tell(session, row)
        return {ObjectKind.VM: vm_ids}


def _held_again(session: Session, op: OperationRow) -> list[int]:
    """
    What was to be copied, under lock.

    :return: the VM that has it, as a disk.
    :raises ObjectNotFound: it is gone.
    """
    if IMAGE in op.arguments:
        get_image(session, op.arguments[IMAGE], lock=True)
        return []
    source = find_disk(session, op.get(ObjectKind.DISK), lock=True)
    if source is None or source.state is not DiskState.OK:
        raise ObjectNotFound("disk", op.get(ObjectKind.DISK))
    return [place.vm_id for place in places_of(session, source.id)][:1]
