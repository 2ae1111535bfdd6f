"""
Disks: what VMs attach. The caller's own, those of entries of the catalogue that are shared with them, and those of VMs
that they see.

A disk is named by its ``disk_id``. One that somebody made or brought is an entry of the catalogue, too (``image_id``),
by which it is shared; a VM's own disk is not.
"""

from __future__ import annotations

from cm.results.disk import Disk
from cm.rpc.types import Id, Limit
from cm.rpc.view import user_view
from cm.rpc.vocabulary import DiskKind
from cm.rules.access import Action
from cm.services import disk as service
from cm.services.access import person_of
from cm.services.context import ClusterCall


@user_view(on={"vm_id": Action.SEE})
def get_list(
    caller: ClusterCall,
    limit: Limit = 1000,
    before: Id | None = None,
    trashed: bool = False,
    shared: bool = False,
    kind: DiskKind | None = None,
    vm_id: Id | None = None,
) -> list[Disk]:
    """
    The caller's disks, newest first, but for those in the trash.

    :param before: the last ``disk_id`` of the page before.
    :param trashed: those in the trash instead.
    :param shared: others' disks instead, that the caller sees: public ones, by a level on their entry, or in a VM.
    :param kind: "vm": VMs' own disks alone; "storage": disks with an entry; "iso".
    :param vm_id: the disks of that VM instead, whosever they are.
    """
    return service.own_list(
        caller, limit=limit, before=before, trashed=trashed, shared=shared, kind=kind, vm_id=vm_id
    )


@user_view(on={"disk_id": Action.SEE})
def get_by_id(caller: ClusterCall, disk_id: Id) -> Disk:
    """One disk that the caller sees, also one in the trash."""
    return service.show(caller, disk_id, person_of(caller.identity))
