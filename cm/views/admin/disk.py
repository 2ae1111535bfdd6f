"""Everybody's disks."""

from __future__ import annotations

from cm.results.disk import Disk, DiskWork
from cm.rpc.types import Id, Limit
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import DiskKind
from cm.services import disk as service
from cm.services import disk_moving
from cm.services.context import ClusterCall
from cm.store.disk import list_disks


@admin_view
def get_list(
    caller: ClusterCall,
    user_id: Id | None = None,
    storage_id: Id | None = None,
    vm_id: Id | None = None,
    limit: Limit = 1000,
    before: Id | None = None,
    trashed: bool = False,
    kind: DiskKind | None = None,
) -> list[Disk]:
    """
    Disks, newest first, but for those in the trash.

    :param user_id: of one user; ``storage_id`` on one storage; ``vm_id`` of one VM.
    :param before: the last ``disk_id`` of the page before.
    :param trashed: those in the trash instead.
    :param kind: "vm": VMs' own disks alone; "storage": disks with an entry in the catalogue; "iso".
    """
    found = list_disks(
        caller.session,
        viewer=None,
        trash_s=caller.policy.trash_s,
        limit=limit,
        before=before,
        trashed=trashed,
        kind=kind,
        vm_id=vm_id,
        account_id=user_id,
        storage_id=storage_id,
    )
    return list(found)


@admin_view
def get_by_id(caller: ClusterCall, disk_id: Id) -> Disk:
    """One disk, also one in the trash."""
    return service.show(caller, disk_id, None)


@admin_view(changing=True)
def move(caller: ClusterCall, disk_id: Id, storage_id: Id) -> DiskWork:
    """Put anybody's disk on another storage, as ``user.disk.move`` does."""
    return disk_moving.move(caller, disk_id, storage_id, None)
