"""
Use cases of snapshots: each claims and opens an operation, all in the caller's transaction.

A snapshot claims what the volume may grow to that its disk is written to since: the disk's size. It is its disk's, and
who may is asked of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.results.disk import DiskCopyWork
from cm.results.snapshot import Snapshot, SnapshotWork
from cm.rpc.errors import (
    InUse,
    InvalidParameter,
    NotSupported,
    ObjectNotFound,
    TooManySnapshots,
    VMBusy,
    WrongDiskState,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskKind, DiskState, Freeze, ImageKind, VMState
from cm.rules.access import Action
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.rules.snapshot import removal
from cm.rules.storage import capabilities
from cm.runtime.database import Faster
from cm.services.access import Who, authorized_disk, authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.disk import refuse_busy, refuse_unsettled
from cm.services.disk_bytes import copy_of, subject_of
from cm.store.claim import claim_quota, claim_storage, mib
from cm.store.disk import DiskFacts, touch_disk
from cm.store.disk_bytes import find_volume
from cm.store.operation import open_operation
from cm.store.snapshot import (
    SnapDisk,
    SnapshotRow,
    edit_snapshot,
    find_snapshot,
    insert_snapshots,
    list_snapshots,
    show_snapshot,
    snap_disks,
    taken_together,
    tree_of,
    written_disks,
)
from cm.store.vm import VMRow, find_vm, render_vm

TAKEN_BY: Final = "what takes or deletes it"

# ------------------------------------------------------------------ taking them


def create_of_disk(caller: ClusterCall, disk_id: int, name: str, description: str, freeze: Freeze) -> SnapshotWork:
    """
    A snapshot of one disk, attached or not.

    :raises WrongDiskState: it is not there yet, or not any more.
    :raises InvalidParameter: nobody writes to such a disk.
    :raises NotSupported: its storage has no overlays.
    :raises TooManySnapshots: QuotaReached: StorageFull: the cluster's, its owner's, its storage's limit.
    :raises WrongVMState: VMBusy: DiskHeld: InUse: others are at it.
    """
    _usable(caller, disk_id, caller.action("disk_id"))
    (facts,) = snap_disks(caller.session, [disk_id])
    row = _held_vm(caller.session, facts.vm_id, OperationKind.SNAPSHOT_CREATE)
    return _create(caller, [facts], row, name, description, freeze, group=False)


def create_of_vm(caller: ClusterCall, vm_id: int, name: str, description: str, freeze: Freeze) -> SnapshotWork:
    """
    A snapshot of all disks that a VM may write to, at one moment; errors as ``create_of_disk``.

    :raises AccessNeeded: one of its disks is somebody else's.
    """
    session, action = caller.session, caller.action("vm_id")
    authorized_vm(session, person_of(caller.identity), vm_id, action)
    disk_ids = written_disks(session, vm_id)
    for disk_id in sorted(disk_ids):  # locks of disks come before those of their VMs
        _usable(caller, disk_id, action)
    row = authorized_vm(session, person_of(caller.identity), vm_id, action, lock=True, version=caller.if_version)
    _refuse_state(row, OperationKind.SNAPSHOT_CREATE)
    if written_disks(session, vm_id) != disk_ids:
        raise Faster(InUse("vm", vm_id, "whoever attaches or detaches a disk"))
    if not disk_ids:
        raise WrongVMState(vm_id, "without a disk", "a disk that it writes to")
    return _create(caller, snap_disks(session, disk_ids), row, name, description, freeze, group=True)


def _usable(caller: ClusterCall, disk_id: int, action: Action) -> DiskFacts:
    disk = authorized_disk(caller.session, person_of(caller.identity), disk_id, action, lock=True)
    if disk.kind is DiskKind.ISO:
        raise InvalidParameter("disk_id", "nobody writes to an ISO image")
    if disk.state is not DiskState.OK:
        raise WrongDiskState(disk_id, disk.state, DiskState.OK)
    refuse_busy(caller.session, disk_id)
    return disk


def _held_vm(session: Session, vm_id: int | None, kind: OperationKind) -> VMRow | None:
    """The VM that may write to a disk, locked, in a state that allows this."""
    row = None if vm_id is None else find_vm(session, vm_id, lock=True)
    if row is not None:
        _refuse_state(row, kind)
    return row


def _refuse_state(row: VMRow, kind: OperationKind) -> None:
    if row.operation_id is not None:
        raise VMBusy(row.id, row.operation_id, row.operation_kind or "")
    allowed = SPECS[kind].allowed
    if row.closed_at is not None or row.state not in allowed:
        raise WrongVMState(row.id, row.state, " or ".join(sorted(allowed)))


def _create(
    caller: ClusterCall,
    disks: Sequence[SnapDisk],
    vm: VMRow | None,
    name: str,
    description: str,
    freeze: Freeze,
    *,
    group: bool,
) -> SnapshotWork:
    session, limit = caller.session, caller.policy.snapshots_per_disk
    for disk in disks:
        if disk.reader is not None:
            raise InUse("disk", disk.id, f"VM {disk.reader}, which reads it")
        if not capabilities(disk.storage_kind).snapshots:
            raise NotSupported(f"take snapshots on storages of the kind {disk.storage_kind}")
        if disk.snapshots >= limit:
            raise TooManySnapshots(disk.id, limit)
        refuse_unsettled(session, disk.id)
    for disk in disks:
        claim_quota(session, disk.account_id, storage_mib=mib(disk.size_bytes))
        claim_storage(session, disk.storage_id, disk.size_bytes)
        caller.note("claim", disk_id=disk.id, bytes=disk.size_bytes)
    ids = insert_snapshots(session, disks, name, description, group=group)
    found = taken_together(session, ids[0])
    return _opened(caller, OperationKind.SNAPSHOT_CREATE, found, vm, {"freeze": freeze})


def _opened(
    caller: ClusterCall,
    kind: OperationKind,
    rows: Sequence[SnapshotRow],
    vm: VMRow | None,
    arguments: dict[str, str] | None = None,
) -> SnapshotWork:
    session, ids = caller.session, [row.id for row in rows]
    operation_id = open_operation(
        session,
        kind,
        account_id=caller.account_id or None,
        objects={
            ObjectKind.VM: [] if vm is None else [vm.id],
            ObjectKind.DISK: [row.disk_id for row in rows],
            ObjectKind.SNAPSHOT: ids,
        },
        node_id=None if vm is None else vm.node_id,
        arguments=arguments,
        cause=caller.cause,
    )
    for row in rows:
        touch_disk(session, row.disk_id)
    if vm is not None:
        render_vm(session, vm.id)
    caller.note("operation", kind=kind, snapshot_ids=ids)
    together = rows[0].group_id if len(rows) > 1 or kind is OperationKind.SNAPSHOT_CREATE else None
    return {"snapshot_ids": ids, "group_id": together, "operation_id": operation_id}


# ------------------------------------------------------------------ what becomes of them


def revert(caller: ClusterCall, snapshot_id: int, alone: bool) -> SnapshotWork:
    """
    Take the disks of a snapshot back to it; later snapshots stay.

    :raises WrongVMState: the VM is not stopped.
    :raises InUse: it is not taken yet, or its deletion was begun.
    """
    rows, vm = _chosen(caller, snapshot_id, alone, OperationKind.SNAPSHOT_REVERT)
    for row in rows:
        if row.taken_at is None:
            raise InUse("snapshot", row.id, TAKEN_BY)
    return _opened(caller, OperationKind.SNAPSHOT_REVERT, rows, vm)


def delete(caller: ClusterCall, snapshot_id: int, alone: bool) -> SnapshotWork:
    """
    Delete snapshots; disks and later snapshots have what they had.

    :raises InUse: more than one other stands on it, as where a disk was taken back to it: these have to go first; or
        one that came to nothing has.
    """
    rows, vm = _chosen(caller, snapshot_id, alone, OperationKind.SNAPSHOT_DELETE)
    refuse_unmerged(caller.session, rows, vm)
    for row in rows:
        if removal(tree_of(caller.session, row.disk_id), row.volume.id) is None:
            raise InUse("snapshot", row.id, "later ones and the disk; delete later ones first")
    return _opened(caller, OperationKind.SNAPSHOT_DELETE, rows, vm)


def refuse_unmerged(session: Session, rows: Sequence[SnapshotRow], vm: VMRow | None) -> None:
    """
    Others are merged below what the domain has open, as is on record; one that is off has nothing open.

    :raises InUse: the domain may write to another volume, and these are not the snapshots that settle it.
    """
    if vm is not None and vm.state is not VMState.STOPPED:
        for row in rows:
            refuse_unsettled(session, row.disk_id, [each.id for each in rows])


def _chosen(
    caller: ClusterCall, snapshot_id: int, alone: bool, kind: OperationKind
) -> tuple[list[SnapshotRow], VMRow | None]:
    """Snapshots with their disks and the VM locked, as far as the caller may do this with them."""
    session, action = caller.session, caller.action("snapshot_id")
    _authorized(caller, snapshot_id, action)
    before = _together(session, snapshot_id, alone)
    for disk_id in sorted({row.disk_id for row in before}):
        disk = authorized_disk(session, person_of(caller.identity), disk_id, action, lock=True)
        if disk.state is not DiskState.OK:
            raise WrongDiskState(disk_id, disk.state, DiskState.OK)
        refuse_busy(session, disk_id)
    rows = _together(session, snapshot_id, alone)
    if not rows or {row.disk_id for row in rows} != {row.disk_id for row in before}:
        raise Faster(ObjectNotFound("snapshot", snapshot_id))
    vms = {row.vm_id for row in rows}
    if len(vms) > 1:
        raise InvalidParameter("alone", "its disks are not of one VM any more: take them one by one")
    for row in rows:
        if row.reader is not None:
            raise InUse("disk", row.disk_id, f"VM {row.reader}, which reads it")
    return rows, _held_vm(session, vms.pop(), kind)


def _together(session: Session, snapshot_id: int, alone: bool) -> list[SnapshotRow]:
    return [row for row in taken_together(session, snapshot_id) if not alone or row.id == snapshot_id]


def _authorized(caller: ClusterCall, snapshot_id: int, action: Action) -> int:
    """
    The disk of a snapshot that the caller may do this with.

    :raises ObjectNotFound: it is not there, or not shared with them.
    """
    who: Who = person_of(caller.identity)
    disk_id = find_snapshot(caller.session, snapshot_id)
    if disk_id is None:
        raise ObjectNotFound("snapshot", snapshot_id)
    authorized_disk(caller.session, who, disk_id, action)
    return disk_id


# ------------------------------------------------------------------ copies of them


def copy(
    caller: ClusterCall,
    snapshot_id: int,
    name: str,
    description: str,
    storage_id: int | None,
    kind: ImageKind = ImageKind.STORAGE,
    devices: dict[str, Any] | None = None,
) -> DiskCopyWork:
    """
    A new disk of the caller's own with what a snapshot holds, or a system image; the disk's VM may run meanwhile.

    :raises InUse: it is not taken yet, or its deletion was begun.
    :raises StoragesApart: StorageUnreached: no node has both storages, or none that has answers.
    """
    session, who = caller.session, person_of(caller.identity)
    subject = subject_of(caller, _authorized(caller, snapshot_id, caller.action("snapshot_id")), who, "snapshot_id")
    refuse_busy(session, subject.disk.id)
    row = next((row for row in taken_together(session, snapshot_id) if row.id == snapshot_id), None)
    if row is None or row.taken_at is None:
        raise InUse("snapshot", snapshot_id, TAKEN_BY)
    volume = find_volume(session, row.volume.id)
    assert volume is not None
    held = replace(
        subject.disk, storage_id=volume.storage_id, size_bytes=volume.size_bytes, claimed_bytes=volume.claimed_bytes
    )
    held_so = replace(subject, disk=held, volume=volume)
    return copy_of(
        caller, held_so, name, description, storage_id, who, kind, devices, snapshot_id=snapshot_id
    )


# ------------------------------------------------------------------ what callers see


def show(caller: ClusterCall, snapshot_id: int) -> Snapshot:
    _authorized(caller, snapshot_id, caller.action("snapshot_id"))
    return show_snapshot(caller.session, snapshot_id)


def own_list(
    caller: ClusterCall, disk_id: int | None, vm_id: int | None, limit: int, before: int | None
) -> list[Snapshot]:
    """Of the caller's disks, newest first; or of one disk, or of a VM's, that they see."""
    who = person_of(caller.identity)
    if disk_id is not None:
        authorized_disk(caller.session, who, disk_id, caller.action("disk_id"))
    if vm_id is not None:
        authorized_vm(caller.session, who, vm_id, caller.action("vm_id"))
    account_id = caller.account_id if disk_id is None and vm_id is None else None
    return list_snapshots(
        caller.session, account_id=account_id, disk_id=disk_id, vm_id=vm_id, limit=limit, before=before
    )


def edit(caller: ClusterCall, snapshot_id: int, name: str | None, description: str | None) -> Snapshot:
    """Change a snapshot's name or description; what is None stays."""
    disk_id = _authorized(caller, snapshot_id, caller.action("snapshot_id"))
    edit_snapshot(caller.session, snapshot_id, name, description)
    touch_disk(caller.session, disk_id)
    caller.note("edit", snapshot_id=snapshot_id)
    return show_snapshot(caller.session, snapshot_id)
