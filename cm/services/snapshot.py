"""
Use cases of snapshots: each claims and opens an operation, all in the caller's transaction.

A snapshot claims what the volume may grow to that its disk is written to since: the disk's size. It is its disk's, and
who may is asked of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from cm.results.disk import DiskCopyWork
from cm.results.snapshot import Snapshot, SnapshotWork
from cm.rpc.errors import (
    CloudError,
    InUse,
    ObjectNotFound,
    VMBusy,
    WrongVMState,
    refuse,
)
from cm.rpc.vocabulary import Freeze, ImageKind
from cm.rules import disk as disk_rules
from cm.rules import snapshot as rules
from cm.rules.access import Action
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.rules.snapshot import SnapshotStanding
from cm.runtime.database import Faster
from cm.services.access import Who, authorized_disk, authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.disk_bytes import copy_of, subject_of
from cm.store.claim import claim_quota, claim_storage, mib
from cm.store.disk import touch_disk
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
    written_disks,
)
from cm.store.standing import disk_standing, snapshot_standing
from cm.store.vm import VMRow, find_vm, render_vm

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
    authorized_disk(caller.session, person_of(caller.identity), disk_id, caller.action("disk_id"), lock=True)
    (facts,) = snap_disks(caller.session, [disk_id])
    row = _locked_vm(caller.session, facts.vm_id)
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
        authorized_disk(session, person_of(caller.identity), disk_id, action, lock=True)
        refuse(disk_rules.usable(disk_standing(session, disk_id)))
    row = authorized_vm(session, person_of(caller.identity), vm_id, action, lock=True, version=caller.if_version)
    _refuse_state(row, OperationKind.SNAPSHOT_CREATE)
    if written_disks(session, vm_id) != disk_ids:
        raise Faster(InUse("vm", vm_id, "whoever attaches or detaches a disk"))
    if not disk_ids:
        raise WrongVMState(vm_id, "without a disk", "a disk that it writes to")
    return _create(caller, snap_disks(session, disk_ids), row, name, description, freeze, group=True)


def _locked_vm(session: Session, vm_id: int | None) -> VMRow | None:
    """The VM that may write to a disk."""
    return None if vm_id is None else find_vm(session, vm_id, lock=True)


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
        refuse(disk_rules.snapshotting(disk_standing(session, disk.id), limit))
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
    rows, vm = _chosen(caller, snapshot_id, alone, rules.reverting)
    return _opened(caller, OperationKind.SNAPSHOT_REVERT, rows, vm)


def delete(caller: ClusterCall, snapshot_id: int, alone: bool) -> SnapshotWork:
    """
    Delete snapshots; disks and later snapshots have what they had.

    :raises InUse: more than one other stands on it, as where a disk was taken back to it: these have to go first; or
        one that came to nothing has.
    """
    rows, vm = _chosen(caller, snapshot_id, alone, rules.deleting)
    return _opened(caller, OperationKind.SNAPSHOT_DELETE, rows, vm)


def refuse_unmerged(session: Session, rows: Sequence[SnapshotRow]) -> None:
    """:raises InUse: as ``rules.unmerged``."""
    refuse(rules.unmerged(snapshot_standing(session, rows)))


def _chosen(
    caller: ClusterCall,
    snapshot_id: int,
    alone: bool,
    rule: Callable[[Sequence[SnapshotStanding]], CloudError | None],
) -> tuple[list[SnapshotRow], VMRow | None]:
    """Snapshots with their disks and the VM locked, as far as the caller may do this with them."""
    session, action = caller.session, caller.action("snapshot_id")
    _authorized(caller, snapshot_id, action)
    before = _together(session, snapshot_id, alone)
    for disk_id in sorted({row.disk_id for row in before}):
        authorized_disk(session, person_of(caller.identity), disk_id, action, lock=True)
    rows = _together(session, snapshot_id, alone)
    if not rows or {row.disk_id for row in rows} != {row.disk_id for row in before}:
        raise Faster(ObjectNotFound("snapshot", snapshot_id))
    vms = [_locked_vm(session, vm_id) for vm_id in sorted({row.vm_id for row in rows if row.vm_id is not None})]
    refuse(rule(snapshot_standing(session, rows)))
    return rows, vms[0] if vms else None


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
    disk_id = _authorized(caller, snapshot_id, caller.action("snapshot_id"))
    subject = subject_of(caller, disk_id, who, disk_rules.work, "snapshot_id")
    row = next((row for row in taken_together(session, snapshot_id) if row.id == snapshot_id), None)
    if row is None:
        raise Faster(ObjectNotFound("snapshot", snapshot_id))
    refuse(rules.copying(*snapshot_standing(session, [row])))
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
