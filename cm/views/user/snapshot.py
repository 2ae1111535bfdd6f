"""
Snapshots: points in time of disks. They are taken by ``user.disk.create_snapshot`` and, of all disks of a VM at one
moment, by ``user.vm.create_snapshot``; what was taken together is taken back and deleted together, unless ``alone``.
"""

from __future__ import annotations

from cm.results.disk import DiskCopyWork
from cm.results.offer import SnapshotOffers
from cm.results.snapshot import Snapshot, SnapshotWork
from cm.rpc.types import Id, IdList, Limit, Name, TagValues, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import DiskBus, ImageKind, NicModel, TagKind, VideoModel
from cm.rules.access import Action
from cm.services import offers
from cm.services import snapshot as service
from cm.services.context import ClusterCall
from cm.services.image import Platform
from cm.services.tag import put_on_new


@user_view(on={"disk_id": Action.SEE, "vm_id": Action.SEE})
def get_list(
    caller: ClusterCall,
    disk_id: Id | None = None,
    vm_id: Id | None = None,
    limit: Limit = 1000,
    before: Id | None = None,
) -> list[Snapshot]:
    """
    The snapshots of the caller's disks, newest first.

    :param disk_id: those of that disk instead.
    :param vm_id: those of the disks that this VM writes to instead.
    :param before: the last ``snapshot_id`` of the page before.
    """
    return service.own_list(caller, disk_id, vm_id, limit, before)


@user_view(on={"snapshot_id": Action.SEE})
def get_by_id(caller: ClusterCall, snapshot_id: Id) -> Snapshot:
    """One snapshot of a disk that the caller sees."""
    return service.show(caller, snapshot_id)


@user_view(on={"snapshot_ids": Action.SEE})
def operations(caller: ClusterCall, snapshot_ids: IdList) -> list[SnapshotOffers]:
    """
    What may be asked of snapshots as they are now and, of the rest, why not, as of ``user.disk.operations``. Of what
    was taken together ``revert`` and ``delete`` are told of as for all of it, not ``alone``.

    :return: one entry for each snapshot: ``operations`` has every call that is about a snapshot, with ``reason``, the
        error that it would give now.
    """
    return offers.of_snapshots(caller, snapshot_ids)


@user_view(changing=True, on={"snapshot_id": Action.EDIT})
def edit(caller: ClusterCall, snapshot_id: Id, name: Name | None = None, description: Text | None = None) -> Snapshot:
    """Change a snapshot's name or description; what is left out stays."""
    return service.edit(caller, snapshot_id, name, description)


@user_view(changing=True, on={"snapshot_id": Action.SNAPSHOT})
def revert(caller: ClusterCall, snapshot_id: Id, alone: bool = False) -> SnapshotWork:
    """
    Take disks back to a snapshot. What was written since is lost; later snapshots stay, and the disks can be taken back
    to them likewise. The VM must be stopped.

    :param alone: of a snapshot of a whole VM, this disk and no other.
    """
    return service.revert(caller, snapshot_id, alone)


@user_view(changing=True, on={"snapshot_id": Action.SNAPSHOT})
def delete(caller: ClusterCall, snapshot_id: Id, alone: bool = False) -> SnapshotWork:
    """
    Delete a snapshot. What was written since is merged with it, while the VM runs on; disks and later snapshots have
    what they had.

    :param alone: of a snapshot of a whole VM, this disk's and no other.
    """
    return service.delete(caller, snapshot_id, alone)


@user_view(changing=True, on={"snapshot_id": Action.EDIT})
def create_disk(
    caller: ClusterCall,
    snapshot_id: Id,
    name: Name,
    description: Text = "",
    storage_id: Id | None = None,
    tags: TagValues | None = None,
) -> DiskCopyWork:
    """
    Make a new disk of the caller's own with what a snapshot holds: whole, so that neither needs the other. The VM whose
    disk it is may run meanwhile. Its operators may.

    :param storage_id: where the new disk is to lie; it lies beside the snapshot otherwise.
    """
    made = service.copy(caller, snapshot_id, name, description, storage_id)
    put_on_new(caller, TagKind.DISK, [made["disk_id"]] if made["disk_id"] else [], tags)
    return made


@user_view(changing=True, on={"snapshot_id": Action.EDIT})
def to_image(
    caller: ClusterCall,
    snapshot_id: Id,
    name: Name,
    description: Text = "",
    storage_id: Id | None = None,
    platform: Platform = "linux",
    disk_controller: DiskBus = DiskBus.VIRTIO,
    network_device: NicModel = NicModel.VIRTIO,
    video_device: VideoModel = VideoModel.VGA,
) -> DiskCopyWork:
    """
    Copy what a snapshot holds to a system image of the caller's own, which VMs can be made from: so an image of a VM is
    made while it runs on. Its operators may.

    :param storage_id: where the image is to lie; it lies beside the snapshot otherwise.
    """
    devices = {
        "platform": platform,
        "disk_controller": disk_controller,
        "network_device": network_device,
        "video_device": video_device,
    }
    return service.copy(caller, snapshot_id, name, description, storage_id, ImageKind.SYSTEM, devices)
