"""
Disks: what VMs attach. The caller's own, those of entries of the catalogue that are shared with them, and those of VMs
that they see.

A disk is named by its ``disk_id``. One that somebody made or brought is an entry of the catalogue, too (``image_id``),
by which it is shared; a VM's own disk is not.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.disk import AttachWork, Disk, DiskCopyWork, DiskWork
from cm.results.image import Download
from cm.results.offer import DiskOffers
from cm.results.snapshot import SnapshotWork
from cm.rpc.types import Id, IdList, Limit, Name, TagValues, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import (
    DiskBus,
    DiskFormat,
    DiskKind,
    Filesystem,
    Freeze,
    ImageKind,
    NicModel,
    TagKind,
    VideoModel,
)
from cm.rules.access import Action
from cm.services import attaching, disk_bytes, disk_moving, offers, snapshot
from cm.services import disk as service
from cm.services import download as downloads
from cm.services.access import person_of
from cm.services.context import ClusterCall
from cm.services.image import Platform
from cm.services.tag import put_on_new

DiskSize = Annotated[int, Meta(ge=1, le=2 * 2**20, description="MiB.")]  # as an image

BootOrder = Annotated[int, Meta(ge=1, le=99, description="1 first.")]


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
    return service.own_list(caller, limit=limit, before=before, trashed=trashed, shared=shared, kind=kind, vm_id=vm_id)


@user_view(on={"disk_id": Action.SEE})
def get_by_id(caller: ClusterCall, disk_id: Id) -> Disk:
    """One disk that the caller sees, also one in the trash."""
    return service.show(caller, disk_id, person_of(caller.identity))


@user_view(on={"disk_ids": Action.SEE})
def operations(caller: ClusterCall, disk_ids: IdList) -> list[DiskOffers]:
    """
    What may be asked of disks as they are now and, of the rest, why not: by the caller's level, the disk's state, the
    VMs that have it, and what is under way. What else a call may be refused for, such as a quota, it tells itself;
    ``dry_run`` finds out. Attaching is told of as to a VM that would only read it; it needs a VM of the caller's, too.

    :return: one entry for each disk: ``operations`` has every call that is about a disk, with ``reason``, the error
        that it would give now.
    """
    return offers.of_disks(caller, disk_ids)


@user_view(changing=True)
def create(
    caller: ClusterCall,
    name: Name,
    size_mib: DiskSize,
    description: Text = "",
    format: DiskFormat = DiskFormat.QCOW2,
    storage_id: Id | None = None,
    filesystem: Filesystem | None = None,
    tags: TagValues | None = None,
) -> DiskWork:
    """
    Make an empty disk of the caller's own. It counts on the storage quota at once.

    :param size_mib: what a guest will see.
    :param storage_id: one that is offered (``user.storage``); else the cluster chooses.
    :param format: what its storage has in any case: "qcow2" where volumes are files, "raw" in volume groups.
    :param filesystem: with a GPT and one partition that holds it; else it is all zeros, and its guest's to format.
    :return: the disk to be, and the operation that makes it.
    """
    made = service.create(caller, name, description, size_mib, format, storage_id, filesystem)
    put_on_new(caller, TagKind.DISK, [made["disk_id"]], tags)
    return made


@user_view(changing=True, on={"disk_id": Action.EDIT})
def edit(caller: ClusterCall, disk_id: Id, name: Name | None = None, description: Text | None = None) -> Disk:
    """Change a disk's name or description; what is left out stays. Its operators may."""
    return service.edit(caller, disk_id, name, description)


@user_view(changing=True, on={"disk_id": Action.DELETE})
def delete(caller: ClusterCall, disk_id: Id) -> Disk:
    """
    Put a disk that no VM has attached into the trash; its owners may. It can be restored until it is purged, by itself
    when ``purged`` says, and counts on the quota until then.
    """
    return service.trash(caller, disk_id)


@user_view(changing=True, on={"disk_id": Action.DELETE})
def restore(caller: ClusterCall, disk_id: Id) -> Disk:
    """Take a disk out of the trash again, as it was."""
    return service.restore(caller, disk_id)


@user_view(changing=True, on={"disk_id": Action.DELETE})
def purge(caller: ClusterCall, disk_id: Id) -> DiskWork:
    """Delete a disk that lies in the trash, or that could not be made, for good; there is no way back."""
    return service.purge(caller, disk_id)


@user_view(changing=True, on={"disk_id": Action.USE, "vm_id": Action.ATTACH})
def attach(
    caller: ClusterCall,
    disk_id: Id,
    vm_id: Id,
    read_only: bool = False,
    boot_order: BootOrder | None = None,
    delete_with_vm: bool = False,
    bus: DiskBus = DiskBus.VIRTIO,
) -> AttachWork:
    """
    Attach a disk to a VM, running or stopped. One VM at a time may write to a disk; several may read one that none
    writes to.

    :param boot_order: from when the VM is started next; the root disk has 1.
    :param delete_with_vm: delete the disk for good when the VM is destroyed.
    :param bus: a running VM takes virtio and scsi.
    :return: the device that the guest is likely to call it, and the operation.
    """
    return attaching.attach(
        caller, disk_id, vm_id, read_only=read_only, boot_order=boot_order, delete_with_vm=delete_with_vm, bus=bus
    )


@user_view(changing=True, on={"disk_id": Action.SEE, "vm_id": Action.ATTACH})
def detach(caller: ClusterCall, disk_id: Id, vm_id: Id) -> AttachWork:
    """
    Detach a disk from a VM, running or stopped: unmount it in the guest before. The operation is done when the guest
    has let go of the disk; one that does not within the time that the operator grants keeps it: the operation fails.
    """
    return attaching.detach(caller, disk_id, vm_id)


@user_view(changing=True, on={"disk_id": Action.EDIT})
def grow(caller: ClusterCall, disk_id: Id, size_mib: DiskSize) -> DiskWork:
    """
    Make a disk larger; a running guest sees that at once. Its operators may; its owner's quota pays.

    Partitions and file systems on it stay as they are, and are the guest's to extend: growpart and resize2fs or
    xfs_growfs do, and cloud-init does so of a root disk as it boots. No disk is ever made smaller.
    """
    return disk_bytes.grow(caller, disk_id, size_mib, person_of(caller.identity))


@user_view(changing=True, on={"disk_id": Action.EDIT})
def copy(
    caller: ClusterCall, disk_id: Id, name: Name, description: Text = "", storage_id: Id | None = None
) -> DiskCopyWork:
    """
    Copy a disk to a new one of the caller's own, which is an entry of the catalogue as any disk that is made. Nobody
    may be writing to it: its VM is stopped, and stays so meanwhile. Its operators may.

    :param storage_id: where the copy is to lie; it lies beside the disk otherwise.
    """
    return disk_bytes.copy(caller, disk_id, name, description, storage_id, person_of(caller.identity))


@user_view(changing=True, on={"disk_id": Action.EDIT})
def move(caller: ClusterCall, disk_id: Id, storage_id: Id) -> DiskWork:
    """
    Put a disk on another storage. A guest that runs goes on meanwhile, and reads and writes there afterwards. Its
    operators may.

    Its room is claimed on both storages until the move is over. What it leaves is deleted then, by an operation of its
    own. A move can be given up until the guest changes over (``user.operation.abandon``).
    """
    return disk_moving.move(caller, disk_id, storage_id, person_of(caller.identity))


@user_view(changing=True, on={"disk_id": Action.EDIT})
def to_image(
    caller: ClusterCall,
    disk_id: Id,
    name: Name,
    description: Text = "",
    storage_id: Id | None = None,
    platform: Platform = "linux",
    disk_controller: DiskBus = DiskBus.VIRTIO,
    network_device: NicModel = NicModel.VIRTIO,
    video_device: VideoModel = VideoModel.VGA,
) -> DiskCopyWork:
    """
    Copy a disk to a system image of the caller's own, which VMs can be made from: also the root disk of a VM that is
    stopped, which stays. ``user.storage_image.convert_to_system_image`` turns a disk into one without a copy.

    :param storage_id: where the image is to lie; it lies beside the disk otherwise.
    """
    devices = {
        "platform": platform,
        "disk_controller": disk_controller,
        "network_device": network_device,
        "video_device": video_device,
    }
    who = person_of(caller.identity)
    kind = ImageKind.SYSTEM
    return disk_bytes.copy(caller, disk_id, name, description, storage_id, who, kind=kind, devices=devices)


@user_view(changing=True, on={"disk_id": Action.SNAPSHOT})
def create_snapshot(
    caller: ClusterCall,
    disk_id: Id,
    name: Name,
    description: Text = "",
    freeze: Freeze = Freeze.AUTO,
    tags: TagValues | None = None,
) -> SnapshotWork:
    """
    Take a snapshot of a disk: it can be taken back to how it is now. The VM that has it attached may run.

    What the disk may grow by since is claimed of its owner's quota: its size once more.

    :param freeze: whether the guest's file systems are written out and frozen meanwhile, by its QEMU guest agent:
        "yes", "no", or "auto" where the agent answers. The snapshot's ``consistency`` tells.
    """
    made = snapshot.create_of_disk(caller, disk_id, name, description, freeze)
    put_on_new(caller, TagKind.SNAPSHOT, made["snapshot_ids"], tags)
    return made


@user_view(changing=True, on={"disk_id": Action.DELETE})
def create_download(caller: ClusterCall, disk_id: Id) -> Download:
    """
    Give out an address that a disk's file can be read at for a while, with ranges: as it lies on the storage, in the
    disk's format. Its owners may. It is refused while a VM that may write to it runs, and of a disk that is an overlay.

    :return: an address that needs no other credentials, so it is a secret.
    """
    return downloads.open_disk(caller, disk_id)
