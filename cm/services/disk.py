"""Use cases of disks. Who may is ``access.py``'s to say; what is asked of nodes is done by operations."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.results.disk import Disk
from cm.rpc.errors import DiskHeld
from cm.rpc.vocabulary import DiskKind
from cm.rules.operation import ObjectKind
from cm.services.access import Who, authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.store.disk import list_disks, show_disk
from cm.store.operation_object import find_holder


def show(caller: ClusterCall, disk_id: int, who: Who) -> Disk:
    """:raises ObjectNotFound: absent, or not shared with them."""
    return show_disk(caller.session, disk_id, who, caller.policy.trash_s)


def refuse_busy(session: Session, disk_id: int) -> None:
    """
    For whoever is going to open an operation on a disk, which is locked: so that nobody opens one beside it.

    :raises DiskHeld: another operation is under way on it.
    """
    holder = find_holder(session, ObjectKind.DISK, disk_id)
    if holder is not None:
        raise DiskHeld(disk_id, holder.id, holder.kind)


def own_list(
    caller: ClusterCall,
    *,
    limit: int,
    before: int | None,
    trashed: bool,
    shared: bool,
    kind: DiskKind | None,
    vm_id: int | None,
) -> list[Disk]:
    """
    The caller's disks, or others' that they see; of a VM all.

    :raises ObjectNotFound: the caller does not see that VM.
    """
    person = person_of(caller.identity)
    if vm_id is not None:
        authorized_vm(caller.session, person, vm_id, caller.action("vm_id"))
    found = list_disks(
        caller.session,
        viewer=person,
        trash_s=caller.policy.trash_s,
        limit=limit,
        before=before,
        trashed=trashed,
        shared=shared,
        kind=kind,
        vm_id=vm_id,
    )
    return list(found)
