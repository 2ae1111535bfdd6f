"""Use cases of VMs' CD drives and boot order. The record says what is in a drive; an operation has the domain agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.results.vm import DriveWork
from cm.rpc.errors import InUse, InvalidParameter, WrongVMState
from cm.rpc.vocabulary import DiskBus, ImageKind
from cm.rules.cause import Cause
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.services.access import authorized_image, authorized_vm, person_of, usable_image
from cm.services.context import ClusterCall
from cm.store.attachment import Place, insert_place, places_of, write_boot_orders, write_medium
from cm.store.disk import find_disk_of_image
from cm.store.operation import open_operation
from cm.store.vm import VMRow, render_vm

DRIVES: Final = ("sdw", "sdx", "sdy", "sdz")


def insert(caller: ClusterCall, vm_id: int, image_id: int, device: str | None, force: bool) -> DriveWork:
    """
    Put an ISO into a drive: the one that is named, an empty one, the only one, or a new one.

    :raises InUse: the VM has it in another drive; or all drives are full, and none was named.
    :raises WrongVMState: it neither runs nor is stopped.
    """
    session, who = caller.session, person_of(caller.identity)
    usable_image(session, image_id, who, [ImageKind.ISO])
    row = _vm(caller, vm_id)
    disk_id = find_disk_of_image(session, image_id)
    drives = _drives(session, vm_id)
    if any(drive.disk_id == disk_id and drive.device != device for drive in drives):
        raise InUse("image", image_id, f"VM {vm_id}, in another drive")
    drive = _named(drives, device) if device is not None else next((d for d in drives if d.disk_id is None), None)
    if drive is None and len(drives) == 1:
        (drive,) = drives
    made = drive is None
    if drive is None:
        drive = _new_drive(session, row, drives, disk_id)
    else:
        write_medium(session, vm_id, drive.device, disk_id)
    told = {"device": drive.device, "was": None if made else drive.disk_id, "made": made, "force": force}
    return _open(caller, row, drive.device, told)


def eject(caller: ClusterCall, vm_id: int, device: str | None, force: bool) -> DriveWork:
    """
    Take what is in a drive out of it: of the one that is named, or of the only one with a medium.

    :raises InvalidParameter: there is no such drive, or it has to be said which.
    """
    row = _vm(caller, vm_id)
    drives = _drives(caller.session, vm_id)
    full = [drive for drive in drives if drive.disk_id is not None]
    if device is None and len(full) > 1:
        raise InvalidParameter("device", f"several have a medium: {', '.join(drive.device for drive in full)}")
    if device is None and not full:
        raise WrongVMState(vm_id, "without a CD", "one with a CD in a drive")
    drive = full[0] if device is None else _named(drives, device)
    write_medium(caller.session, vm_id, drive.device, None)
    return _open(caller, row, drive.device, {"device": drive.device, "was": drive.disk_id, "made": False,
                                             "force": force})  # fmt: skip


def eject_image(caller: ClusterCall, vm_id: int, image_id: int) -> DriveWork:
    """
    Take an ISO out of the drive that it is in.

    :raises ObjectNotFound: there is no such ISO, or the caller does not see it.
    :raises WrongVMState: the VM has it in no drive.
    """
    session, who = caller.session, person_of(caller.identity)
    authorized_image(session, who, image_id, caller.action("image_id"), kinds=(ImageKind.ISO,))
    row = _vm(caller, vm_id)
    disk_id = find_disk_of_image(session, image_id)
    drive = next((each for each in _drives(session, vm_id) if disk_id is not None and each.disk_id == disk_id), None)
    if drive is None:
        raise WrongVMState(vm_id, "without that ISO image", "one that has it in a drive")
    write_medium(session, vm_id, drive.device, None)
    told = {"device": drive.device, "was": drive.disk_id, "made": False, "force": False}
    return _open(caller, row, drive.device, told)


def set_boot_order(caller: ClusterCall, vm_id: int, devices: Sequence[str]) -> str:
    """
    From the VM's next start: these devices first, in this order, then the others, drives last.

    :return: its summary, as JSON text.
    :raises InvalidParameter: it has no such device, or one is there twice.
    """
    session = caller.session
    row = _vm(caller, vm_id, busy=True)
    known = {place.device for place in places_of(session, vm_id)}
    if unknown := [device for device in devices if device not in known]:
        raise InvalidParameter("devices", f"the VM has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    if len(set(devices)) != len(devices):
        raise InvalidParameter("devices", "one is there twice")
    write_boot_orders(session, row.id, devices)
    caller.note("boot order", vm_id=vm_id, devices=list(devices))
    return render_vm(session, vm_id)


def _vm(caller: ClusterCall, vm_id: int, busy: bool = False) -> VMRow:
    who = person_of(caller.identity)
    row = authorized_vm(caller.session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    allowed = SPECS[OperationKind.VM_CD].allowed
    if row.closed_at is not None or (not busy and row.operation_id is None and row.state not in allowed):
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(allowed)))
    return row


def _drives(session: Session, vm_id: int) -> list[Place]:
    return [place for place in places_of(session, vm_id) if place.cdrom]


def _named(drives: Sequence[Place], device: str) -> Place:
    for drive in drives:
        if drive.device == device:
            return drive
    raise InvalidParameter("device", f"the VM has no drive {device}")


def _new_drive(session: Session, row: VMRow, drives: Sequence[Place], disk_id: int | None) -> Place:
    """A VM that runs is given one on the one bus that takes one."""
    places = places_of(session, row.id)
    taken = {place.device for place in places}
    free = [device for device in DRIVES if device not in taken]
    if not free:
        raise InUse("vm", row.id, "discs in all of its drives; name one, or eject one")
    number = max((place.number for place in places), default=0) + 1
    bus = DiskBus.SATA if row.runs_on is None else DiskBus.SCSI
    place = Place(row.id, number, disk_id, free[0], bus, None, True, True, False, False)
    insert_place(session, place)
    return place


def _open(caller: ClusterCall, row: VMRow, device: str, arguments: dict[str, Any]) -> DriveWork:
    operation_id = open_cd(caller.session, row, caller.account_id or None, arguments, caller.cause)
    render_vm(caller.session, row.id)
    caller.note("operation", kind=OperationKind.VM_CD, vm_id=row.id, device=device)
    return {"vm_id": row.id, "device": device, "operation_id": operation_id}


def open_cd(
    session: Session, row: VMRow, account_id: int | None, arguments: dict[str, Any], cause: Cause
) -> int:
    return open_operation(
        session,
        OperationKind.VM_CD,
        account_id=account_id,
        objects={ObjectKind.VM: [row.id]},
        node_id=row.node_id,
        arguments=arguments,
        cause=cause,
    )
