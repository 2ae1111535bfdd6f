"""
Use cases of what a disk lies on: larger, copied; on another storage (``disk_moving.py``). Each claims what it needs and
opens an operation.

A disk is worked on while it is attached to one VM at the most, which is at rest: running, paused or stopped. The VM is
busy with it meanwhile, so that nothing starts or ends it but a destroy and its guest.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.results.disk import DiskCopyWork, DiskWork
from cm.rpc.errors import (
    CloudError,
    InvalidParameter,
    NotAuthenticated,
    StoragesApart,
    StorageUnreached,
    refuse,
)
from cm.rpc.vocabulary import DiskFormat, ImageKind, VMState
from cm.rules import disk as rules
from cm.rules.access import Action
from cm.rules.cause import Cause
from cm.rules.disk import DiskStanding
from cm.rules.names import image_volume, moved_volume
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.storage import capabilities
from cm.services.access import Who, authorized_disk
from cm.services.context import ClusterCall
from cm.services.image_making import DEFAULTS
from cm.services.storage import chosen_storage, refuse_new
from cm.store.change import record_change
from cm.store.claim import MIB
from cm.store.disk import DiskFacts, touch_disk
from cm.store.disk_bytes import (
    Lies,
    Place,
    Room,
    are_together,
    claim_growth,
    find_volume,
    give_up_copy,
    has_node,
    insert_copy,
    insert_target,
    node_reaching_both,
    places_of,
    require_volume,
    stands_on_nothing,
)
from cm.store.operation import open_operation
from cm.store.operation_object import Objects
from cm.store.standing import disk_standing
from cm.store.storage import get_storage, node_reaching
from cm.store.variables import Variables
from cm.store.vm import VMRow, get_vm, render_vm

VARIABLES: Final = "variables"  # in the arguments of a volume's deletion: which go with it
_DEVICES: Final = ("platform", "disk_controller", "network_device", "video_device")


@dataclass(frozen=True)
class Subject:
    """
    A disk to be worked on, under lock, with what it lies on.

    :ivar place: where it is attached, and ``vm``, which has it there and is at rest; None: nowhere.
    """

    disk: DiskFacts
    volume: Lies
    place: Place | None
    vm: VMRow | None

    @property
    def running(self) -> bool:
        return self.vm is not None and self.vm.state is not VMState.STOPPED

    @property
    def objects(self) -> dict[str, Sequence[int]]:
        image_id = self.disk.image_id
        return {
            ObjectKind.VM: [] if self.vm is None else [self.vm.id],
            ObjectKind.IMAGE: [] if image_id is None else [image_id],
            ObjectKind.DISK: [self.disk.id],
        }


def subject_of(
    caller: ClusterCall,
    disk_id: int,
    who: Who,
    rule: Callable[[DiskStanding], CloudError | None],
    parameter: str = "disk_id",
    *,
    versioned: bool = True,
) -> Subject:
    """
    :param rule: what refuses it, ``rules.work`` at the least.
    :param parameter: of the call, that says what is done with the disk.
    :param versioned: the version that the caller wants to see is the disk's.
    :raises ObjectNotFound: AccessNeeded: it is not the caller's to change.
    :raises CloudError: as the rule.
    """
    session = caller.session
    action = Action.SEE if who is None else caller.action(parameter)
    version = caller.if_version if versioned else None
    disk = authorized_disk(session, who, disk_id, action, lock=True, version=version)
    places = places_of(session, disk_id)
    vms = [get_vm(session, place.vm_id, lock=True) for place in places[:2]]
    refuse(rule(disk_standing(session, disk_id)))
    volume = find_volume(session, disk.volume_id)
    assert volume is not None
    return Subject(disk, volume, places[0] if places else None, vms[0] if vms else None)


def open_work(
    caller: ClusterCall,
    kind: OperationKind,
    subject: Subject,
    objects: Objects,
    **arguments: Any,
) -> int:
    session, vm = caller.session, subject.vm
    operation_id = open_operation(
        session,
        kind,
        account_id=caller.account_id or None,
        objects=objects,
        node_id=None if vm is None else vm.node_id,
        arguments=arguments,
        cause=caller.cause,
    )
    if vm is not None:
        render_vm(session, vm.id)
    touch_disk(session, subject.disk.id)
    if subject.disk.image_id is not None:
        record_change(session, "image", subject.disk.image_id, subject.disk.account_id)
    return operation_id


# ------------------------------------------------------------------ larger


def grow(caller: ClusterCall, disk_id: int, size_mib: int, who: Who) -> DiskWork:
    """
    Make a disk larger, for its guest at once if it runs. What lies on it, partitions and file systems, stays as it is.

    :raises InvalidParameter: it is not larger, which would cut it off; or it is an ISO.
    :raises QuotaReached: StorageFull: it does not fit its owner's quota, or its storage.
    :raises InUse: its guest may write to another volume, after a snapshot that came to nothing.
    :raises WrongVMState: its guest runs, and volumes of its storage do not grow where they lie: it is copied into a
        larger one.
    :raises StorageUnreached: likewise, and no node that has the storage answers.
    """
    subject = subject_of(caller, disk_id, who, rules.growing)
    disk, size_bytes = subject.disk, size_mib * MIB
    if size_bytes <= disk.size_bytes:
        raise InvalidParameter("size_mib", f"it is {disk.size_bytes // MIB} MiB large already, and disks do not shrink")
    can = capabilities(get_storage(caller.session, disk.storage_id)["kind"])
    if not can.resizes:
        claim_growth(caller.session, disk.volume_id, disk.account_id, can.whole(size_bytes))
        volume = find_volume(caller.session, disk.volume_id)
        assert volume is not None
        larger = replace(subject, volume=volume)
        return begin_move(caller, larger, target(caller, volume, None, who), size_bytes=can.whole(size_bytes))
    operation_id = open_work(
        caller, OperationKind.DISK_GROW, subject, subject.objects, size_bytes=size_bytes, device=device_of(subject)
    )
    caller.note("claim", storage_id=disk.storage_id, bytes=size_bytes - disk.claimed_bytes, user_id=disk.account_id)
    caller.note("operation", kind=OperationKind.DISK_GROW, disk_id=disk_id, size_bytes=size_bytes, live=subject.running)
    claim_growth(caller.session, disk.volume_id, disk.account_id, size_bytes)
    return {"disk_id": disk_id, "operation_id": operation_id}


def device_of(subject: Subject) -> str:
    return "" if subject.place is None else subject.place.device


# ------------------------------------------------------------------ copies


def copy(
    caller: ClusterCall,
    disk_id: int,
    name: str,
    description: str,
    storage_id: int | None,
    who: Who,
    *,
    kind: ImageKind = ImageKind.STORAGE,
    devices: dict[str, Any] | None = None,
) -> DiskCopyWork:
    """
    A new disk, the caller's own, with an entry in the catalogue; or a system image. The disk is not being written
    meanwhile: its VM is stopped, and stays so until it is copied.

    :param storage_id: where it is to lie; None: where the disk does.
    :raises WrongVMState: its VM runs.
    :raises StoragesApart: StorageUnreached: no node has both storages, or none that has answers.
    """
    subject = subject_of(caller, disk_id, who, rules.copying)
    return copy_of(caller, subject, name, description, storage_id, who, kind, devices)


def copy_of(
    caller: ClusterCall,
    subject: Subject,
    name: str,
    description: str,
    storage_id: int | None,
    who: Who,
    kind: ImageKind,
    devices: dict[str, Any] | None,
    *,
    account_id: int | None = None,
    **arguments: Any,
) -> DiskCopyWork:
    """
    ``copy`` of what nobody writes to; of a snapshot ``arguments`` name it.

    :param account_id: whose the copy is to be; None: the caller's.
    """
    account_id = account_id or caller.account_id
    if not account_id:
        raise NotAuthenticated()  # what is made has an owner
    values = {"name": name, "description": description, **(devices or {})}
    image_id, made = make_copy(caller, subject.volume, storage_id, who, kind, account_id, values)
    objects = {**subject.objects, ObjectKind.IMAGE: [image_id]}
    operation_id = open_work(caller, OperationKind.DISK_COPY, subject, objects, **arguments)
    caller.note("operation", kind=OperationKind.DISK_COPY, disk_id=subject.disk.id, image=name)
    return {"disk_id": made, "image_id": image_id, "operation_id": operation_id}


def make_copy(
    caller: ClusterCall,
    source: Lies,
    storage_id: int | None,
    who: Who,
    kind: ImageKind,
    account_id: int,
    values: dict[str, Any],
) -> tuple[int, int | None]:
    """
    What a volume is going to be copied to, claimed of its owner and its storage.

    :param values: name and description; devices, where they are not the usual ones.
    :return: ids of the entry, and of the disk unless it is a system image.
    :raises QuotaReached: StorageFull: it does not fit.
    """
    session, key = caller.session, uuid.uuid4()
    room = target(caller, source, storage_id, who, keeps=kind is ImageKind.ISO)
    refuse_apart(session, source, room)
    image_id, made = insert_copy(
        session,
        source,
        uuid=key,
        volume=image_volume(key, str(room.format)),
        room=room,
        kind=kind,
        account_id=account_id,
        values={field: DEFAULTS[field] for field in _DEVICES} | values,
    )
    record_change(session, "image", image_id, account_id, "enter")
    if made is not None:
        touch_disk(session, made, "enter")
    caller.note("claim", storage_id=room.storage_id, bytes=room.size_bytes, user_id=account_id)
    return image_id, made


def target(
    caller: ClusterCall, source: Lies, storage_id: int | None, who: Who, *, keeps: bool = False, own: bool = False
) -> Room:
    """
    Where a volume's bytes are to go, and what they are there.

    :param storage_id: None: where it lies.
    :param keeps: it is and will be an ISO, which guests only read.
    :param own: it may be a node's own storage, if an administrator says so.
    :raises ObjectNotFound: it is not offered to the caller.
    :raises StorageLocked: StorageDraining: it takes nothing new.
    :raises StorageFull: they do not fit.
    :raises StoragesApart: no node has one of them attached.
    :raises StorageUnreached: none of those that have it answers.
    """
    session = caller.session
    size_bytes = max(source.size_bytes, source.claimed_bytes)  # what is claimed beyond it may have grown
    if storage_id is None:
        storage_id = source.storage_id
        refuse_new(get_storage(session, storage_id))
    else:
        chosen_storage(caller, size_bytes, storage_id, administrator=who is None, own=own and who is None)
    ends = (source.storage_id, storage_id)
    if node_reaching_both(session, *ends) is None:
        if storage_id == source.storage_id or are_together(session, *ends):
            raise StorageUnreached(storage_id)
        if not all(has_node(session, each) for each in ends):
            raise StoragesApart(*ends)
        for each in ends:
            if node_reaching(session, each) is None:
                raise StorageUnreached(each)
    can = capabilities(get_storage(session, storage_id)["kind"])
    format = (can.kept if keeps else can.best)(source.format)
    return Room(storage_id, format, can.whole(size_bytes))


def refuse_apart(session: Session, source: Lies, room: Room, *, staged: bool = False) -> bool:
    """
    Whether the bytes are to go through this process, as no node has both storages.

    :param staged: they are made to stand on nothing, and of the format, before.
    :raises StoragesApart: they cannot go as they are.
    """
    if room.storage_id == source.storage_id or are_together(session, source.storage_id, room.storage_id):
        return False
    there, here = (
        capabilities(get_storage(session, each)["kind"]) for each in (source.storage_id, room.storage_id)
    )
    whole = staged or fits_as_it_is(session, source, room)
    if there.files != here.files or not whole:
        raise StoragesApart(source.storage_id, room.storage_id)
    return True


def fits_as_it_is(session: Session, source: Lies, room: Room | Lies) -> bool:
    """Whether a volume may go elsewhere byte for byte. Only one that is raw can be made larger by that."""
    sized = source.format is DiskFormat.RAW or source.size_bytes == room.size_bytes
    return source.format == room.format and sized and stands_on_nothing(session, source.id)


def begin_move(caller: ClusterCall, subject: Subject, room: Room, **arguments: Any) -> DiskWork:
    disk, storage_id = subject.disk, room.storage_id
    volumes = insert_targets(caller.session, disk, subject.volume, room)
    objects = {**subject.objects, ObjectKind.VOLUME: volumes, ObjectKind.STORAGE: [storage_id]}
    operation_id = open_work(caller, OperationKind.DISK_MOVE, subject, objects, device=device_of(subject), **arguments)
    caller.note("claim", storage_id=storage_id, bytes=room.size_bytes)
    caller.note(
        "operation",
        kind=OperationKind.DISK_MOVE,
        disk_id=disk.id,
        from_storage_id=disk.storage_id,
        storage_id=storage_id,
        live=subject.running,
    )
    return {"disk_id": disk.id, "operation_id": operation_id}


def insert_targets(session: Session, disk: DiskFacts, source: Lies, room: Room) -> list[int]:
    """
    What a disk moves to, claimed: first to a volume where it lies that stands on nothing, if it is to go through this
    process and does not yet; then to its new storage.

    :raises StoragesApart: no node has both storages, and one has files, the other devices.
    """
    made = []
    apart = refuse_apart(session, source, room, staged=True)
    if apart and not fits_as_it_is(session, source, room):
        stage = Room(source.storage_id, room.format, room.size_bytes)
        made.append(insert_target(session, source, stage, moved_volume(disk.volume, uuid.uuid4(), str(room.format))))
        source = require_volume(session, made[0])
    name = moved_volume(disk.volume, uuid.uuid4(), str(room.format))
    return [*made, insert_target(session, source, room, name)]


def open_volume_delete(
    session: Session,
    volume_id: int,
    cause: Cause,
    *,
    vm_id: int | None = None,
    device: str = "",
    variables: Sequence[Variables] = (),
) -> None:
    """
    Have a volume deleted that is nobody's any more, and its room given back when it is gone.

    :param vm_id: may still have it open, as its ``device``.
    :param variables: of UEFI, that are left with it: their files go too.
    """
    lies = find_volume(session, volume_id)
    if lies is None:
        return
    give_up_copy(session, volume_id)
    open_operation(
        session,
        OperationKind.VOLUME_DELETE,
        account_id=None,
        objects={ObjectKind.VOLUME: [volume_id], ObjectKind.STORAGE: [lies.storage_id]},
        arguments={"vm_id": vm_id, "device": device}
        | ({VARIABLES: [asdict(each) for each in variables]} if variables else {}),
        cause=cause,
    )
