"""Storages: where images and disks are kept, and the nodes that reach them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cm.results.image import Image
from cm.results.series import MeasuredStorage
from cm.results.statistics import StorageStatistics
from cm.results.storage import (
    FreeVolume,
    ProvidedDisk,
    Storage,
    StorageCheck,
    StorageUsage,
    StorageWork,
    StoredVolume,
    UnknownVolume,
)
from cm.rpc.types import LINE, Id, IdList, Ids, Limit, Name, Size, Text
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import PAGE_MAX, DiskFormat, FreedPolicy, ImageKind, Match, StorageKind, StorageMetric
from cm.services import attach_or_create as provision
from cm.services import found_volume, free_volume
from cm.services import storage as service
from cm.services.attach_or_create import DISKS_MAX, Asked
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.series import storage_statistics as measured_statistics
from cm.services.storage_kind import DEVICES_MAX, OPTIONS_MAX, PATH_MAX
from cm.services.volume import check_storage
from cm.store.free_volume import list_free
from cm.store.statistics import storage_statistics
from cm.store.storage import get_storage, list_storages
from cm.views.user.vm import Moment, Resolution

Path = Annotated[str, Meta(max_length=PATH_MAX)]
Source = Annotated[str, Meta(max_length=PATH_MAX)]
Devices = Annotated[list[Path], Meta(max_length=DEVICES_MAX)]
Version = Annotated[str, Meta(max_length=8)]
Options = Annotated[list[Annotated[str, Meta(max_length=140)]], Meta(max_length=OPTIONS_MAX)]
Priority = Annotated[int, Meta(ge=-1000, le=1000)]
Address = Annotated[str, Meta(max_length=253)]
HardwarePool = Annotated[str, Meta(max_length=40, pattern=LINE)]
NewSize = Annotated[int, Meta(ge=1, le=2**51, description="Bytes.")]
DiskNumber = Annotated[int, Meta(ge=1, le=DISKS_MAX)]
VolumeName = Annotated[str, Meta(min_length=1, max_length=255, pattern=LINE)]
StorageMetrics = Annotated[list[StorageMetric], Meta(min_length=1, max_length=4)]
Overcommit = Annotated[float, Meta(gt=0, le=1000)]


@admin_view(changing=True)
def add(
    caller: ClusterCall,
    name: Name,
    kind: StorageKind,
    path: Path = "",
    address: Address = "",
    source: Source = "",
    capacity_bytes: Size | None = None,
    overcommit: Overcommit | None = None,
    devices: Devices = [],  # noqa: B006  nobody changes it
    nfs_version: Version = "",
    mount_options: Options = [],  # noqa: B006  likewise
    reserve_bytes: Size = 0,
    priority: Priority = 0,
    offered: bool = False,
    node_id: Id | None = None,
    hardware_pool: HardwarePool = "",
    keep_freed: bool = False,
    freed: FreedPolicy = FreedPolicy.NONE,
) -> Storage:
    """
    Add a storage; attach it to nodes next.

    :param path: the directory on the nodes; of a ``netfs`` where it is mounted; of a ``logical`` nothing.
    :param address: of a ``netfs`` its server, with ``source`` the exported path.
    :param source: of a ``logical`` the name of the volume group.
    :param capacity_bytes: without it, what the nodes that attach it say, which may grow.
    :param devices: of a ``logical`` what its group is made of where there is none; nothing may be on them.
    :param nfs_version: of a ``netfs``: 3, 4, 4.0, 4.1, 4.2; else whatever server and nodes agree on.
    :param mount_options: of a ``netfs``, as mount(8) has them, such as ``nconnect=4``.
    :param reserve_bytes: promised to nobody.
    :param priority: after the default storage, new volumes go where it is highest.
    :param offered: users may choose it.
    :param node_id: of a ``dir`` the one node that attaches it: disks on it are that node's own, and images are brought
        there as they are needed.
    :param hardware_pool: disks that are asked for by size lie in that of their VM's first disk.
    :param keep_freed: keep the volumes of deleted disks that stand alone, for disks of the same size.
    :param freed: what is done to the content of volumes before they are deleted, or free for others.
    """
    values: dict[str, Any] = {"name": name, "kind": kind, "path": path, "address": address, "source": source}
    values |= {"devices": list(devices), "nfs_version": nfs_version, "mount_options": list(mount_options)}
    values |= {"capacity_bytes": capacity_bytes, "overcommit": overcommit, "reserve_bytes": reserve_bytes}
    values |= {"hardware_pool": hardware_pool, "keep_freed": keep_freed, "freed": freed}
    return service.add(caller, {**values, "priority": priority, "offered": offered, "node_id": node_id})


@admin_view
def get_list(caller: ClusterCall) -> list[Storage]:
    """All storages, with the nodes they are attached to."""
    return list(list_storages(caller.session))


@admin_view
def get_by_id(caller: ClusterCall, storage_id: Id) -> Storage:
    """One storage."""
    return get_storage(caller.session, storage_id)


@admin_view
def get_statistics(caller: ClusterCall, storage_id: Id | None = None) -> list[StorageStatistics]:
    """What takes the room of storages, by what it serves: images, disks, the trash, what is on no record."""
    return list(storage_statistics(caller.session, storage_id))


@admin_view(changing=True)
def edit(
    caller: ClusterCall,
    storage_id: Id,
    name: Name | None = None,
    capacity_bytes: Size | None = None,
    overcommit: Overcommit | None = None,
    reserve_bytes: Size | None = None,
    priority: Priority | None = None,
    offered: bool | None = None,
    hardware_pool: HardwarePool | None = None,
    keep_freed: bool | None = None,
    freed: FreedPolicy | None = None,
) -> Storage:
    """
    Change a storage; what is not given stays.

    :param capacity_bytes: 0: what its nodes say.
    :param reserve_bytes: promised to nobody.
    :param priority: after the default storage, new volumes go where it is highest.
    :param offered: whether users may choose it.
    :param keep_freed: keep the volumes of deleted disks that stand alone, for disks of the same size.
    """
    values: dict[str, Any] = {"name": name, "capacity_bytes": capacity_bytes, "overcommit": overcommit}
    values |= {"reserve_bytes": reserve_bytes, "priority": priority, "offered": offered}
    values |= {"hardware_pool": hardware_pool, "keep_freed": keep_freed, "freed": freed}
    return service.edit(caller, storage_id, values)


@admin_view(changing=True)
def set_default(caller: ClusterCall, storage_id: Id, is_default: bool = True) -> Storage:
    """Have new volumes go to a storage first, in place of the one of before; or to none before others."""
    return service.make_default(caller, storage_id, is_default)


@admin_view
def get_usage(caller: ClusterCall, storage_id: Id | None = None) -> list[StorageUsage]:
    """What is on storages, what is promised of them and what is left: of one, or of all."""
    return service.usage(caller, storage_id)


@admin_view
def get_content(
    caller: ClusterCall, storage_id: Id, limit: Limit = 1000, after: Id | None = None
) -> list[StoredVolume]:
    """
    What lies on a storage: whose it is and what it stands on, oldest first.

    :param after: the last volume_id of the page before.
    """
    return service.content_page(caller, storage_id, limit, after)


@admin_view(changing=True)
def attach(caller: ClusterCall, storage_id: Id, node_id: Id) -> StorageWork:
    """Attach a storage to a node; the operation tells how that is coming on."""
    return service.attach(caller, storage_id, node_id)


@admin_view(changing=True)
def detach(caller: ClusterCall, storage_id: Id, node_id: Id) -> StorageWork:
    """Detach a storage from a node on which no VM uses it; its files stay."""
    return service.detach(caller, storage_id, node_id)


@admin_view(changing=True)
async def check(caller: AsyncClusterCall, storage_id: Id) -> StorageCheck:
    """
    Look through a storage now, through a node that has it attached: leftovers of what has ended are deleted, and what
    is missing or cannot be accounted for is told, and written to the drift ledger.
    """
    return await check_storage(caller, storage_id)


@admin_view
async def get_unknown_volumes(caller: AsyncClusterCall, storage_id: Id) -> list[UnknownVolume]:
    """What lies on a storage and is on no record, as what others put there, and whether it can be adopted."""
    return await found_volume.list_unknown(caller, storage_id)


@admin_view(changing=True)
async def adopt_volume(
    caller: AsyncClusterCall,
    storage_id: Id,
    volume: VolumeName,
    user_id: Id,
    name: Name,
    description: Text = "",
    kind: ImageKind = ImageKind.STORAGE,
    format: DiskFormat | None = None,
    force: bool = False,
) -> Image:
    """
    Make a disk or an image of a user out of a volume that lies on a storage and is on no record.

    It stays as it lies there; nothing else may write to it from now on. Our own reader says what it is, and what it
    stands on has to be a system image on the same storage.

    :param volume: its name; ``get_unknown_volumes`` tells it.
    :param user_id: whose it is, on whose quota it counts.
    :param kind: what it becomes: a disk, a system image that VMs are made from, an ISO.
    :param format: what it must be; without it, a raw one has to look like a disk.
    :param force: also beyond the user's quota.
    """
    wanted = found_volume.Wanted(user_id, name, description, kind, format, force)
    return await found_volume.adopt(caller, storage_id, volume, wanted)


@admin_view(changing=True)
def scan(caller: ClusterCall, storage_id: Id) -> Storage:
    """Have what lies on a storage be looked at now, as each pass over it does: what is missing, strange or full."""
    return service.scan(caller, storage_id)


@admin_view(changing=True)
def lock(caller: ClusterCall, storage_id: Id) -> Storage:
    """Use nothing more of a storage; VMs that use it go on."""
    return service.set_locked(caller, storage_id, True)


@admin_view(changing=True)
def unlock(caller: ClusterCall, storage_id: Id) -> Storage:
    """Use a storage again."""
    return service.set_locked(caller, storage_id, False)


@admin_view(changing=True)
def drain(caller: ClusterCall, storage_id: Id) -> Storage:
    """Put no new volumes on a storage; what lies on it stays, and is listed by ``get_content``."""
    return service.set_draining(caller, storage_id, True)


@admin_view(changing=True)
def undrain(caller: ClusterCall, storage_id: Id) -> Storage:
    """Put new volumes on a storage again."""
    return service.set_draining(caller, storage_id, False)


@admin_view(changing=True)
def delete(caller: ClusterCall, storage_id: Id) -> None:
    """Forget a storage that is empty and attached nowhere."""
    service.delete(caller, storage_id)


@admin_view(changing=True)
def attach_or_create(
    caller: ClusterCall,
    vm_id: Id,
    size_bytes: NewSize,
    number: DiskNumber | None = None,
    size_match: Match = Match.EXACT,
    format: DiskFormat | None = None,
    storage_ids: Ids | None = None,
    keep_data: bool = False,
) -> ProvidedDisk:
    """
    Give a VM one more disk: a free volume of the right size is used again, else one is made in the first storage of the
    VM's hardware pool that has room for it. A running VM gets it at once, a stopped one with its next start; it goes
    with the VM. Where it cannot be given to one that runs, nothing is left of it.

    :param number: which of the VM's disks it is to be. A repeat gives the one that is under way already.
    :param size_match: "exact", or "at_least": a free volume may be larger by a tenth or 1 GiB.
    :param format: of a free volume only this one; new ones are qcow2 otherwise.
    :param storage_ids: the only storages to look at.
    :param keep_data: do not wipe a volume that the VM's own account had last; those of others always are.
    """
    asked = Asked(size_bytes, size_match, format, tuple(storage_ids or ()), keep_data)
    return provision.attach_or_create(caller, vm_id, asked, number)


@admin_view
def get_free_volumes(
    caller: ClusterCall, storage_id: Id | None = None, limit: Limit = PAGE_MAX, before: Id | None = None
) -> list[FreeVolume]:
    """
    Volumes that are free to be used again, newest first.

    :param before: the last ``volume_id`` of the page before.
    """
    return list_free(caller.session, storage_id, limit=limit, before=before)


@admin_view(changing=True)
def delete_free_volume(caller: ClusterCall, volume_id: Id) -> FreeVolume:
    """Delete a free volume; its storage has the room back as soon as a node has done so."""
    return free_volume.delete_free(caller, volume_id)


@admin_view
def statistics(
    caller: ClusterCall,
    storage_ids: IdList,
    metrics: StorageMetrics | None = None,
    resolution_s: Resolution | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
) -> list[MeasuredStorage]:
    """
    How full storages were over a time, as their passes found them every ten minutes. The parameters are those of
    ``user.vm.statistics``.
    """
    return measured_statistics(caller, storage_ids, metrics, resolution_s, since, until)
