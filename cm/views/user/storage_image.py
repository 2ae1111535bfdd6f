"""Storage images, disks that VMs attach one at a time: the caller's own, public ones, and what is shared with them."""

from __future__ import annotations

from cm.results.disk import AttachWork, DiskController, DiskWork
from cm.results.image import Download, Image, ImageWork, Upload
from cm.rpc.types import Id, Limit, Name, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import DiskBus, DiskFormat, Filesystem, ImageKind, NicModel, SourceFormat, VideoModel
from cm.rules.access import Action, ImageFilter
from cm.services import attaching, conversion
from cm.services import disk as disks
from cm.services import download as downloads
from cm.services import image as service
from cm.services import upload as uploads
from cm.services.access import person_of
from cm.services.context import ClusterCall
from cm.store.image import show_image
from cm.views.user.disk import DiskSize

KINDS = (ImageKind.STORAGE,)


@user_view
def get_list(
    caller: ClusterCall,
    access: ImageFilter | None = None,
    group_id: Id | None = None,
    limit: Limit = 1000,
    before: Id | None = None,
) -> list[Image]:
    """
    Storage images that the caller can use, newest first.

    :param access: "private": the caller's own; "public"; "group": what the caller's groups share. Without it all of
        these, and what is shared with the caller alone.
    :param group_id: one of the caller's groups, to see what that one shares.
    :param before: the last ``image_id`` of the page before.
    """
    return service.usable(caller, KINDS, access, group_id, limit, before)


@user_view(changing=True)
def import_url(
    caller: ClusterCall,
    name: Name,
    description: Text,
    url: service.Url,
    format: SourceFormat | None = None,
    disk_controller: DiskBus = DiskBus.VIRTIO,
    sha256: service.Sha256 | None = None,
    sha512: service.Sha512 | None = None,
    sums: service.Sums | None = None,
    storage_id: Id | None = None,
) -> ImageWork:
    """
    Import a storage image from a URL, as the caller's own: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX),
    as it is or packed by gzip, bzip2, xz, zstd or in a zip archive.

    It is claimed of the caller's quota while it comes. Addresses of the cluster and private ones are refused, unless
    the operator allows them.

    :param format: what it must be, once it is unpacked.
    :param sha256: what the file must have as it comes: 64 hexadecimal digits, with or without ``sha256:`` before them.
    :param sha512: the same with 128.
    :param sums: a file of checksums, such as "SHA256SUMS", by its name beside the image or by its URL; it must tell
        the image's.
    :param storage_id: one that is offered (``user.storage``); else the cluster chooses.
    :return: the image to be and the operation, which tells the progress; it can be given up (``user.operation``).
    """
    values = {"name": name, "description": description, "kind": ImageKind.STORAGE, "disk_controller": disk_controller}
    return service.import_own(caller, service.Source(url, sha256, sha512, sums, format), values, storage_id)


@user_view(changing=True)
def upload(
    caller: ClusterCall,
    name: Name,
    description: Text,
    size_bytes: uploads.Length,
    format: SourceFormat | None = None,
    disk_controller: DiskBus = DiskBus.VIRTIO,
    sha256: service.Sha256 | None = None,
    filename: uploads.Filename = "",
    storage_id: Id | None = None,
) -> Upload:
    """
    Upload a storage image, as the caller's own: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as
    it is or packed by gzip, bzip2, xz, zstd or in a zip archive.

    Its file is sent to the address that this answers with, in the tus protocol (1.0), and can be gone on with after any
    interruption. It is claimed of the caller's quota from now on; what is complete is imported.

    :param size_bytes: of the file as it comes.
    :param format: what it must be, once it is unpacked.
    :param sha256: what it must have: 64 hexadecimal digits, with or without ``sha256:`` before them.
    :param filename: what it is called; it may promise a format.
    :param storage_id: one that is offered (``user.storage``); else the cluster chooses.
    :return: the image to be, and an address that needs no other credentials, so it is a secret.
    """
    values = {"name": name, "description": description, "kind": ImageKind.STORAGE, "disk_controller": disk_controller}
    return uploads.open_own(caller, uploads.Announced(size_bytes, filename, sha256, format), values, storage_id)


@user_view(on={"image_id": Action.SEE})
def get_by_id(caller: ClusterCall, image_id: Id) -> Image:
    """One storage image that the caller can use."""
    return show_image(caller.session, image_id, person_of(caller.identity), KINDS)


@user_view(changing=True, on={"image_id": Action.USE})
def create_download(caller: ClusterCall, image_id: Id) -> Download:
    """
    Give out an address that a storage image's file can be read at for a while, with ranges: as it lies on the
    storage, in the format that the image tells. It is refused while a VM that may write to it runs.

    :return: an address that needs no other credentials, so it is a secret.
    """
    return downloads.open_image(caller, image_id, ImageKind.STORAGE)


@user_view(changing=True, on={"image_id": Action.DELETE})
def delete(caller: ClusterCall, image_id: Id) -> ImageWork:
    """Delete a storage image that no VM has attached; its owners may."""
    return service.delete_one(caller, KINDS, image_id)


@user_view(changing=True, on={"image_id": Action.DELETE})
def convert_to_system_image(
    caller: ClusterCall,
    image_id: Id,
    platform: service.Platform = "linux",
    disk_controller: DiskBus = DiskBus.VIRTIO,
    network_device: NicModel = NicModel.VIRTIO,
    video_device: VideoModel = VideoModel.VGA,
) -> Image:
    """
    Make a storage image that no VM has attached a system image, which VMs are made from, as it lies there. It is a disk
    no more. Its owners may.
    """
    devices = {
        "platform": platform,
        "disk_controller": disk_controller,
        "network_device": network_device,
        "video_device": video_device,
    }
    return conversion.convert_to_system_image(caller, image_id, devices)


# ------------------------------------------------------------------ as CC1 has them; user.disk has the same and more


@user_view(changing=True)
def create(
    caller: ClusterCall, name: Name, description: Text, filesystem: Filesystem | None, size_mib: DiskSize
) -> DiskWork:
    """
    Make an empty disk of the caller's own, as ``user.disk.create`` does.

    :param filesystem: null leaves it to its guest.
    :param size_mib: what a guest will see.
    """
    return disks.create(caller, name, description, size_mib, DiskFormat.QCOW2, None, filesystem)


@user_view(changing=True, on={"image_id": Action.EDIT})
def edit(
    caller: ClusterCall,
    image_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    disk_controller: DiskBus | None = None,
) -> Image:
    """Change a storage image's name, description or device; what is not given stays. Its operators may."""
    values = {"name": name, "description": description, "disk_controller": disk_controller}
    return service.edit_one(caller, KINDS, image_id, values)


@user_view(changing=True, on={"image_id": Action.USE, "vm_id": Action.ATTACH})
def attach(caller: ClusterCall, image_id: Id, vm_id: Id) -> AttachWork:
    """Attach a storage image to a VM, running or stopped, which may write to it, as ``user.disk.attach`` does."""
    disk_id = attaching.disk_of(caller, image_id)
    return attaching.attach(
        caller, disk_id, vm_id, read_only=False, boot_order=None, delete_with_vm=False, bus=DiskBus.VIRTIO,
        by="image_id",
    )  # fmt: skip


@user_view(changing=True, on={"image_id": Action.SEE, "vm_id": Action.ATTACH})
def detach(caller: ClusterCall, image_id: Id, vm_id: Id) -> AttachWork:
    """Detach a storage image from a VM, as ``user.disk.detach`` does: done when the guest has let go of it."""
    return attaching.detach(caller, attaching.disk_of(caller, image_id), vm_id, by="image_id")


@user_view
def get_filesystems(caller: ClusterCall) -> list[Filesystem]:
    """What ``create`` formats disks with."""
    return list(Filesystem)


@user_view
def get_disk_controllers(caller: ClusterCall) -> list[DiskController]:
    """What disks may be attached by, and whether a VM that runs takes one so."""
    return [{"name": bus, "live_attach": bus in attaching.HOT} for bus in DiskBus]
