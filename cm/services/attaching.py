"""Use cases of disks and VMs: attach, detach. The record says what a VM has; an operation has its domain agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from cm.results.disk import AttachWork
from cm.rpc.errors import (
    DiskOutOfReach,
    InvalidParameter,
    WrongImageState,
    WrongVMState,
    refuse,
)
from cm.rpc.vocabulary import DiskBus, ImageKind, ImageState
from cm.rules import disk as rules
from cm.rules.cause import Cause
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.services.access import authorized_disk, authorized_image, authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.store.attachment import Place, insert_place, mark_leaving, places_of
from cm.store.disk import DiskFacts, find_disk_of_image, touch_disk
from cm.store.operation import open_operation
from cm.store.standing import disk_standing
from cm.store.storage import is_attached
from cm.store.vm import VMRow, render_vm

PLACES_MAX: Final = 24  # disks of a VM beside its root disk
HOT: Final = (DiskBus.VIRTIO, DiskBus.SCSI)  # buses that take a disk while a VM runs


def disk_of(caller: ClusterCall, image_id: int) -> int:
    """
    The disk that a storage image is.

    :raises ObjectNotFound: AccessNeeded: there is none, or the caller may not do with it what the view does.
    """
    action = caller.action("image_id")
    authorized_image(caller.session, person_of(caller.identity), image_id, action, kinds=(ImageKind.STORAGE,))
    disk_id = find_disk_of_image(caller.session, image_id)
    if disk_id is None:
        raise WrongImageState(image_id, ImageState.DELETED, ImageState.OK)
    return disk_id


def attach(
    caller: ClusterCall,
    disk_id: int,
    vm_id: int,
    *,
    read_only: bool,
    boot_order: int | None,
    delete_with_vm: bool,
    bus: DiskBus,
    by: str = "disk_id",
) -> AttachWork:
    """
    Give a VM a disk. It is the VM's from now on; a running one gets it by an operation, which takes it away again if
    that fails.

    :param by: the parameter that the caller named the disk by.
    :raises WrongDiskState: it is not ready; or an ISO, or a VM's own.
    :raises DiskHeld: VMBusy: an operation is under way on either.
    :raises InUse: a VM writes to it, or it would be written to while a VM reads it.
    :raises WrongVMState: it neither runs nor is stopped.
    :raises DiskOutOfReach: the VM runs on a node that has not its storage.
    """
    session, who = caller.session, person_of(caller.identity)
    disk = authorized_disk(session, who, disk_id, caller.action(by), lock=True)
    row = authorized_vm(session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    kind = OperationKind.DISK_ATTACH
    check_vm(row, kind)
    refuse(rules.attaching(disk_standing(session, disk_id), vm_id, read_only))
    _check_deletion(disk, row, read_only, delete_with_vm)
    if row.runs_on is not None:
        if bus not in HOT:
            raise InvalidParameter("bus", "a VM that runs takes disks by virtio or scsi alone")
        if not is_attached(session, disk.storage_id, row.runs_on, hold=True):
            raise DiskOutOfReach(disk_id, disk.storage_id, vm_id)
    places = places_of(session, vm_id)
    device = free_device(places, "vd" if bus is DiskBus.VIRTIO else "sd")
    number = max((place.number for place in places), default=0) + 1
    place = Place(vm_id, number, disk_id, device, bus, boot_order, read_only, False, delete_with_vm, False)
    insert_place(session, place)
    return _open(caller, kind, row, place)


def check_vm(row: VMRow, kind: OperationKind) -> None:
    """
    Who is busy is told by who opens the operation.

    :raises WrongVMState: it is in no state that this kind of work is for.
    """
    allowed = SPECS[kind].allowed
    if row.closed_at is not None or (row.operation_id is None and row.state not in allowed):
        raise WrongVMState(row.id, row.state, " or ".join(sorted(allowed)))


def _check_deletion(disk: DiskFacts, row: VMRow, read_only: bool, delete_with_vm: bool) -> None:
    if delete_with_vm and disk.account_id != row.account_id:
        raise InvalidParameter("delete_with_vm", "the disk is another account's than the VM")
    if delete_with_vm and read_only:
        raise InvalidParameter("delete_with_vm", "other VMs may come to read the disk")


def free_device(places: Sequence[Place], prefix: str) -> str:
    """
    The first name that a VM has no disk of; "a" is a root disk's.

    :raises InvalidParameter: it has too many.
    """
    taken = {place.device for place in places}
    for letter in "bcdefghijklmnopqrstuvwxyz":
        if f"{prefix}{letter}" not in taken and len(places) <= PLACES_MAX:
            return f"{prefix}{letter}"
    raise InvalidParameter("disk_id", f"the VM has {len(places)} disks already, and no room for more")


def detach(caller: ClusterCall, disk_id: int, vm_id: int, by: str = "disk_id") -> AttachWork:
    """
    Take a disk from a VM. It is the VM's until it is seen that the guest has let go of it.

    :raises WrongDiskState: that VM has it not; or it is an ISO.
    :raises InUse: it is the VM's own.
    :raises DiskHeld: VMBusy: an operation is under way on either.
    :raises WrongVMState: it neither runs nor is stopped.
    """
    session, who = caller.session, person_of(caller.identity)
    authorized_disk(session, who, disk_id, caller.action(by), lock=True)
    row = authorized_vm(session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    refuse(rules.detaching(disk_standing(session, disk_id), vm_id))
    (place,) = (place for place in places_of(session, vm_id) if place.disk_id == disk_id)
    mark_leaving(session, row.id, disk_id, True)
    return _open(caller, OperationKind.DISK_DETACH, row, place)


def _open(caller: ClusterCall, kind: OperationKind, row: VMRow, place: Place) -> AttachWork:
    assert place.disk_id is not None
    operation_id = open_operation(
        caller.session,
        kind,
        account_id=caller.account_id or None,
        objects={ObjectKind.VM: [row.id], ObjectKind.DISK: [place.disk_id]},
        node_id=row.node_id,
        cause=caller.cause,
    )
    touch_disk(caller.session, place.disk_id)
    render_vm(caller.session, row.id)
    caller.note("operation", kind=kind, vm_id=row.id, disk_id=place.disk_id, device=place.device)
    return {"disk_id": place.disk_id, "vm_id": row.id, "device": place.device, "operation_id": operation_id}


def take_back(session: Session, row: VMRow, disk_id: int, account_id: int | None, cause: Cause) -> None:
    """Detach what a failed or given up attach may have attached: of a domain that runs, whoever knows if it has it."""
    mark_leaving(session, row.id, disk_id, True)
    open_operation(
        session,
        OperationKind.DISK_DETACH,
        account_id=account_id,
        objects={ObjectKind.VM: [row.id], ObjectKind.DISK: [disk_id]},
        node_id=row.node_id,
        cause=cause,
    )
