"""
Use cases of disks: made, changed, put into the trash and taken out of it. Who may is ``access.py``'s to say; attaching
them is ``attaching.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from cm.results.disk import Disk, DiskWork
from cm.rpc.errors import CloudError, NotAuthenticated, refuse
from cm.rpc.vocabulary import CauseKind, DiskFormat, DiskKind, Filesystem, ImageState
from cm.rules import disk as rules
from cm.rules.cause import Cause
from cm.rules.disk import DiskStanding
from cm.rules.filesystem import check_size
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.storage import capabilities
from cm.services.access import Who, authorized_disk, authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.image import open_delete
from cm.services.storage import chosen_storage
from cm.store.change import record_change
from cm.store.claim import MIB, claim_quota, claim_storage, mib
from cm.store.disk import (
    DiskFacts,
    insert_disk,
    list_disks,
    list_overdue,
    name_disk,
    set_trashed,
    show_disk,
    touch_disk,
)
from cm.store.image import find_image, set_state, update_image
from cm.store.operation import open_operation
from cm.store.snapshot import find_unsettled
from cm.store.standing import disk_standing
from cm.store.storage import get_storage

TRASH: Cause = Cause(CauseKind.LOOK, "trash")


def show(caller: ClusterCall, disk_id: int, who: Who) -> Disk:
    """:raises ObjectNotFound: absent, or not shared with them."""
    return show_disk(caller.session, disk_id, who, caller.policy.trash_s)


def refuse_busy(session: Session, disk_id: int) -> None:
    """
    For whoever is going to open an operation on a disk, which is locked: so that nobody opens one beside it.

    :raises DiskHeld: another operation is under way on it.
    :raises InUse: a VM that was erased may write to it.
    """
    refuse(rules.busy(disk_standing(session, disk_id)))


def refuse_unsettled(session: Session, disk_id: int) -> None:
    """:raises InUse: as ``rules.unsettled``."""
    refuse(rules.unsettled(disk_id, find_unsettled(session, disk_id)))


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


# ------------------------------------------------------------------ made, changed


def create(
    caller: ClusterCall,
    name: str,
    description: str,
    size_mib: int,
    format: DiskFormat,
    storage_id: int | None,
    filesystem: Filesystem | None = None,
) -> DiskWork:
    """
    An empty disk of the caller's, with an entry in the catalogue.

    :param format: what guests do not write to on that storage becomes what they do: raw on files becomes qcow2.
    :param storage_id: one that is offered; None leaves it to the cluster.
    :param filesystem: in its one partition; None: it is all zeros.
    :raises InvalidParameter: it is too small for the file system.
    :raises QuotaReached: it does not fit the owner's quota.
    """
    session = caller.session
    if not caller.account_id:
        raise NotAuthenticated()  # a disk has an owner
    if filesystem is not None:
        check_size(filesystem, size_mib * MIB)
    storage_id = chosen_storage(caller, size_mib * MIB, storage_id)
    can = capabilities(get_storage(session, storage_id)["kind"])
    size_bytes, format = can.whole(size_mib * MIB), can.best(format)
    claim_quota(session, caller.account_id, storage_mib=mib(size_bytes))
    claim_storage(session, storage_id, size_bytes)
    caller.note("claim", storage_mib=size_mib, storage_id=storage_id)
    disk_id, image_id = insert_disk(
        session,
        account_id=caller.account_id,
        name=name,
        description=description,
        storage_id=storage_id,
        format=format,
        size_bytes=size_bytes,
    )
    operation_id = open_operation(
        session,
        OperationKind.DISK_CREATE,
        account_id=caller.account_id,
        objects={ObjectKind.DISK: [disk_id], ObjectKind.IMAGE: [image_id]},
        arguments={} if filesystem is None else {"filesystem": filesystem},
        cause=caller.cause,
    )
    caller.note("operation", kind=OperationKind.DISK_CREATE, disk=name, steps=["make"])
    return {"disk_id": disk_id, "operation_id": operation_id}


def edit(caller: ClusterCall, disk_id: int, name: str | None, description: str | None) -> Disk:
    """Change a disk's name or description, which are its entry's if it has one; what is None stays."""
    session, who = caller.session, person_of(caller.identity)
    row = authorized_disk(session, who, disk_id, caller.action("disk_id"), lock=True, version=caller.if_version)
    refuse(rules.editing(row))
    if row.image_id is None:
        name_disk(session, disk_id, name, description)
    else:
        update_image(session, row.image_id, {"name": name, "description": description})
        record_change(session, "image", row.image_id, row.account_id)
    touch_disk(session, disk_id)
    caller.note("edit disk", disk_id=disk_id)
    return show(caller, disk_id, who)


# ------------------------------------------------------------------ the trash


def _allowed(
    caller: ClusterCall, disk_id: int, rule: Callable[[DiskStanding], CloudError | None]
) -> tuple[DiskFacts, int]:
    """
    A disk under lock, that its caller may delete, with its entry.

    :raises CloudError: as the rule.
    """
    session, who = caller.session, person_of(caller.identity)
    row = authorized_disk(session, who, disk_id, caller.action("disk_id"), lock=True, version=caller.if_version)
    refuse(rule(disk_standing(session, disk_id)))
    assert row.image_id is not None, "VMs' own disks go with their VMs, which have them"
    return row, row.image_id


def trash(caller: ClusterCall, disk_id: int) -> Disk:
    """
    Nobody can use the disk from now on; it is kept for a while, and counted for as long.

    :raises InUse: it is a VM's own, and goes with it; or attached, or an ISO that is being copied.
    :raises DiskHeld: an operation is under way on it.
    :raises WrongDiskState: it is being made, has failed, or is in the trash already.
    """
    row, image_id = _allowed(caller, disk_id, rules.trashing)
    set_trashed(caller.session, disk_id, True)
    record_change(caller.session, "image", image_id, row.account_id)
    touch_disk(caller.session, disk_id)
    caller.note("trash", disk_id=disk_id, kept_s=caller.policy.trash_s)
    return show(caller, disk_id, person_of(caller.identity))


def restore(caller: ClusterCall, disk_id: int) -> Disk:
    """:raises WrongDiskState: it is not in the trash."""
    session = caller.session
    row, image_id = _allowed(caller, disk_id, rules.restoring)
    set_trashed(session, disk_id, False)
    record_change(session, "image", image_id, row.account_id)
    touch_disk(session, disk_id)
    caller.note("restore", disk_id=disk_id)
    return show(caller, disk_id, person_of(caller.identity))


def purge(caller: ClusterCall, disk_id: int) -> DiskWork:
    """
    Delete a disk that lies in the trash, or that could not be made, for good; then quota and room are given back.

    :raises InUse: DiskHeld: as ``trash``.
    :raises WrongDiskState: it is neither in the trash nor failed.
    """
    row, image_id = _allowed(caller, disk_id, rules.purging)
    operation_id = _delete(caller.session, image_id, caller.account_id or None, caller.cause)
    caller.note("operation", kind=OperationKind.IMAGE_DELETE, disk_id=disk_id, volume=row.volume)
    return {"disk_id": disk_id, "operation_id": operation_id}


def _delete(session: Session, image_id: int, account_id: int | None, cause: Cause) -> int:
    """Of an entry under lock."""
    row = find_image(session, image_id, lock=True)
    assert row is not None
    set_state(session, image_id, ImageState.DELETED)
    record_change(session, "image", image_id, row.account_id)
    return open_delete(session, row, account_id=account_id, cause=cause)


def purge_overdue(session: Session, seconds: float) -> int:
    """
    Delete what has lain in the trash for so long. 0 s: nothing.

    :return: how many.
    """
    purged = 0
    for image_id in list_overdue(session, seconds) if seconds else ():
        row = find_image(session, image_id, lock=True)
        if row is not None and row.state is ImageState.TRASHED:  # nobody restored it meanwhile
            _delete(session, image_id, None, TRASH)
            purged += 1
    return purged
