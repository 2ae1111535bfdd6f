"""
An image of a VM's root disk, while the VM goes on as it is.

Of one that runs it is of a moment: a snapshot that this work alone knows of is taken, copied, and merged with its disk
again. Until then it claims the disk's size of quota and storage, as any snapshot does, beside what the image claims.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.results.vm import SavedVM
from cm.rpc.errors import InUse, NotSupported, ObjectNotFound, VMBusy, WrongVMState
from cm.rpc.vocabulary import Freeze, VMState
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.rules.storage import capabilities
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.disk import refuse_busy, refuse_unsettled
from cm.services.saving import insert_image
from cm.store.claim import claim_quota, claim_storage, mib
from cm.store.disk import DiskFacts, get_disk, touch_disk
from cm.store.operation import open_operation
from cm.store.saving import root_disk_id
from cm.store.snapshot import insert_snapshots, snap_disks
from cm.store.vm import VMRow, render_vm


def save(caller: ClusterCall, vm_id: int, name: str, description: str, freeze: Freeze) -> SavedVM:
    """
    The image is the VM's account's, whoever asks.

    :raises WrongVMState: it is neither running, paused nor stopped.
    :raises NotSupported: it is not stopped, and its disk's storage has no overlays.
    :raises QuotaReached: StorageFull: the image, or what is written meanwhile, would not fit.
    :raises NoStorage: StorageNotOnNode: there is nowhere for the image.
    :raises VMBusy: DiskHeld: another operation is under way.
    :raises InUse: a VM reads its disk, or a part of an earlier snapshot is left on it.
    """
    session, who = caller.session, person_of(caller.identity)
    seen = authorized_vm(session, who, vm_id, caller.action("vm_id"))
    if seen.closed_at is not None:
        refuse_state(seen)
    disk = root_of(session, vm_id)  # locks of disks come before those of their VMs
    row = authorized_vm(session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    refuse_held(session, row, disk)
    refuse_state(row)
    image_id = insert_image(session, row, name, description, disk.volume_id)
    points = take_point(session, row, disk, name)
    operation_id = open_operation(
        session,
        OperationKind.VM_TO_IMAGE,
        account_id=caller.account_id or None,
        objects={
            ObjectKind.VM: [vm_id],
            ObjectKind.DISK: [disk.id],
            ObjectKind.IMAGE: [image_id],
            ObjectKind.SNAPSHOT: points,
        },
        node_id=row.node_id,
        arguments={"freeze": freeze},
        cause=caller.cause,
    )
    touch_disk(session, disk.id)
    render_vm(session, vm_id)
    caller.note("claim", disk_id=disk.id, bytes=disk.size_bytes * (1 + len(points)), user_id=row.account_id)
    caller.note("operation", vm_id=vm_id, kind=OperationKind.VM_TO_IMAGE, live=bool(points))
    return {"vm_id": vm_id, "operation_id": operation_id, "image_id": image_id}


def root_of(session: Session, vm_id: int) -> DiskFacts:
    """A VM's root disk, under lock. :raises ObjectNotFound: it has none."""
    disk_id = root_disk_id(session, vm_id)
    if disk_id is None:
        raise ObjectNotFound("disk of vm", vm_id)
    return get_disk(session, disk_id, lock=True)


def refuse_held(session: Session, row: VMRow, disk: DiskFacts) -> None:
    """
    Before a snapshot is made for the work: of a disk there is one at a time that is yet to be taken.

    :raises VMBusy: DiskHeld: another operation is under way.
    """
    if row.operation_id is not None:
        raise VMBusy(row.id, row.operation_id, row.operation_kind or "")
    refuse_busy(session, disk.id)


def refuse_state(row: VMRow) -> None:
    """:raises WrongVMState: such a VM cannot be saved."""
    allowed = SPECS[OperationKind.VM_TO_IMAGE].allowed
    if row.closed_at is not None or row.state not in allowed:
        raise WrongVMState(row.id, row.state, " or ".join(sorted(allowed)))


def take_point(session: Session, row: VMRow, disk: DiskFacts, name: str) -> list[int]:
    """
    The snapshot that a VM's disk is to be copied from, to be taken, with what it claims; none of one that is stopped.

    A disk's snapshots are not counted: this one goes with the work.

    :raises NotSupported: QuotaReached: StorageFull: InUse: it cannot be.
    """
    if row.state is VMState.STOPPED:
        return []
    (facts,) = snap_disks(session, [disk.id])
    if facts.reader is not None:
        raise InUse("disk", disk.id, f"VM {facts.reader}, which reads it")
    if not capabilities(facts.storage_kind).snapshots:
        raise NotSupported(f"save a running VM from storages of the kind {facts.storage_kind}: stop it first")
    refuse_unsettled(session, disk.id)
    claim_quota(session, facts.account_id, storage_mib=mib(facts.size_bytes))
    claim_storage(session, facts.storage_id, facts.size_bytes)
    return insert_snapshots(session, [facts], name, "while an image is made of it", group=False)
