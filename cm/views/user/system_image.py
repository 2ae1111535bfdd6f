"""System images, which VMs are made from: the caller's own, public ones, and what is shared with them."""

from __future__ import annotations

from cm.results.disk import DiskCopyWork
from cm.results.image import Download, Image, ImageWork, Upload
from cm.results.offer import ImageOffers
from cm.rpc.types import Id, IdList, Limit, Name, Size, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import (
    Architecture,
    DiskBus,
    Firmware,
    ImageKind,
    MachineType,
    MetadataSource,
    MetadataTokens,
    NicModel,
    SourceFormat,
    VideoModel,
)
from cm.rules.access import Action, ImageFilter
from cm.services import conversion, image_copy, object_image, offers
from cm.services import download as downloads
from cm.services import image as service
from cm.services import upload as uploads
from cm.services.access import authorized_image, person_of
from cm.services.acl import share_image
from cm.services.context import ClusterCall
from cm.store.image import show_image
from cm.views.user.stored_object import Key

KINDS = (ImageKind.SYSTEM,)


@user_view
def get_list(
    caller: ClusterCall,
    access: ImageFilter | None = None,
    group_id: Id | None = None,
    limit: Limit = 1000,
    before: Id | None = None,
) -> list[Image]:
    """
    System images that the caller can use, newest first.

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
    platform: service.Platform = "linux",
    disk_controller: DiskBus = DiskBus.VIRTIO,
    network_device: NicModel = NicModel.VIRTIO,
    video_device: VideoModel = VideoModel.VGA,
    sha256: service.Sha256 | None = None,
    sha512: service.Sha512 | None = None,
    sums: service.Sums | None = None,
    system: service.System | None = None,
    architecture: Architecture | None = None,
    least_memory_mib: Size | None = None,
    least_disk_bytes: Size | None = None,
    default_user: service.DefaultUser | None = None,
    agent: bool | None = None,
    family: service.MaybeFamily | None = None,
    family_version: service.FamilyVersion | None = None,
    storage_id: Id | None = None,
    imds_tokens: MetadataTokens | None = None,
    imds_hop_limit: service.HopLimit | None = None,
    imds_enabled: bool | None = None,
) -> ImageWork:
    """
    Import a system image from a URL, as the caller's own: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX),
    as it is or packed by gzip, bzip2, xz, zstd or in a zip archive.

    It is claimed of the caller's quota while it comes. Addresses of the cluster and private ones are refused, unless
    the operator allows them.

    :param format: what it must be, once it is unpacked.
    :param sha256: what the file must have as it comes: 64 hexadecimal digits, with or without ``sha256:`` before them.
    :param sha512: the same with 128.
    :param sums: a file of checksums, such as "SHA256SUMS", by its name beside the image or by its URL; it must tell
        the image's.
    :param storage_id: one that is offered (``user.storage``); else the cluster chooses.
    :param imds_tokens: as of ``edit``, and so are ``imds_hop_limit`` and ``imds_enabled``.
    :return: the image to be and the operation, which tells the progress; it can be given up (``user.operation``).
    """
    facts = service.facts(
        system, architecture, least_memory_mib, least_disk_bytes, default_user, agent, family, family_version
    )
    devices = {"disk_controller": disk_controller, "network_device": network_device, "video_device": video_device}
    kept = {"name": name, "description": description, "kind": ImageKind.SYSTEM, "platform": platform}
    imds = {"imds_tokens": imds_tokens, "imds_hop_limit": imds_hop_limit, "imds_enabled": imds_enabled}
    values = {**kept, **devices, **facts, **imds}
    return service.import_own(caller, service.Source(url, sha256, sha512, sums, format), values, storage_id)


@user_view(changing=True)
def import_object(
    caller: ClusterCall,
    name: Name,
    bucket_id: Id,
    key: Key,
    description: Text = "",
    format: SourceFormat | None = None,
    platform: service.Platform = "linux",
    architecture: Architecture | None = None,
) -> ImageWork:
    """
    Import a system image from an object of one of the caller's buckets, as of ``import_url``.

    :param format: what it must be, once it is unpacked.
    """
    kept = {"name": name, "description": description, "kind": ImageKind.SYSTEM, "platform": platform}
    return object_image.import_object(caller, bucket_id, key, format, {**kept, "architecture": architecture})


@user_view(changing=True)
def upload(
    caller: ClusterCall,
    name: Name,
    description: Text,
    size_bytes: uploads.Length,
    format: SourceFormat | None = None,
    platform: service.Platform = "linux",
    disk_controller: DiskBus = DiskBus.VIRTIO,
    network_device: NicModel = NicModel.VIRTIO,
    video_device: VideoModel = VideoModel.VGA,
    sha256: service.Sha256 | None = None,
    filename: uploads.Filename = "",
    system: service.System | None = None,
    architecture: Architecture | None = None,
    least_memory_mib: Size | None = None,
    least_disk_bytes: Size | None = None,
    default_user: service.DefaultUser | None = None,
    agent: bool | None = None,
    family: service.MaybeFamily | None = None,
    family_version: service.FamilyVersion | None = None,
    storage_id: Id | None = None,
) -> Upload:
    """
    Upload a system image, as the caller's own: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as
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
    facts = service.facts(
        system, architecture, least_memory_mib, least_disk_bytes, default_user, agent, family, family_version
    )
    devices = {"disk_controller": disk_controller, "network_device": network_device, "video_device": video_device}
    kept = {"name": name, "description": description, "kind": ImageKind.SYSTEM, "platform": platform}
    values = {**kept, **devices, **facts}
    return uploads.open_own(caller, uploads.Announced(size_bytes, filename, sha256, format), values, storage_id)


@user_view
def get_newest(caller: ClusterCall, family: service.Family) -> Image:
    """The newest image of a family that the caller can use."""
    image_id = service.newest_of(caller, family)
    return show_image(caller.session, image_id, person_of(caller.identity), KINDS)


@user_view(on={"image_id": Action.SEE})
def get_by_id(caller: ClusterCall, image_id: Id) -> Image:
    """One system image that the caller can use."""
    return show_image(caller.session, image_id, person_of(caller.identity), KINDS)


@user_view(on={"image_ids": Action.SEE})
def operations(caller: ClusterCall, image_ids: IdList) -> list[ImageOffers]:
    """
    What may be asked of system images as they are now and, of the rest, why not, as of ``user.disk.operations``.

    :return: one entry for each image: ``operations`` has every call that is about one, with ``reason``, the error that
        it would give now.
    """
    return offers.of_images(caller, image_ids)


@user_view(changing=True, on={"image_id": Action.EDIT})
def edit(
    caller: ClusterCall,
    image_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    disk_controller: DiskBus | None = None,
    video_device: VideoModel | None = None,
    network_device: NicModel | None = None,
    platform: service.Platform | None = None,
    system: service.System | None = None,
    architecture: Architecture | None = None,
    least_memory_mib: Size | None = None,
    least_disk_bytes: Size | None = None,
    default_user: service.DefaultUser | None = None,
    agent: bool | None = None,
    family: service.MaybeFamily | None = None,
    family_version: service.FamilyVersion | None = None,
    imds_tokens: MetadataTokens | None = None,
    imds_hop_limit: service.HopLimit | None = None,
    imds_enabled: bool | None = None,
    metadata: MetadataSource | None = None,
    firmware: Firmware | None = None,
    machine: MachineType | None = None,
) -> Image:
    """
    Change the description, devices and facts of an image; what is not given stays. Its operators may.

    :param family: VMs are created by this name of the newest version, too; empty: it belongs to none.
    :param imds_tokens: as of ``user.vm.set_imds``, of VMs that are made of it from now on; so are ``imds_hop_limit``
        and ``imds_enabled``.
    :param metadata: where guests of such VMs find what they are told.
    :param firmware: what machines of such VMs boot by, and ``machine`` their chipset.
    """
    viewer = person_of(caller.identity)
    row = authorized_image(
        caller.session, viewer, image_id, caller.action("image_id"), kinds=KINDS, lock=True, version=caller.if_version
    )
    facts = service.facts(
        system, architecture, least_memory_mib, least_disk_bytes, default_user, agent, family, family_version
    )
    devices = {"disk_controller": disk_controller, "network_device": network_device, "video_device": video_device}
    told = {
        "firmware": firmware, "machine": machine, "metadata_source": metadata,
        "imds_tokens": imds_tokens, "imds_hop_limit": imds_hop_limit,
        "imds_enabled": imds_enabled,
    }  # fmt: skip
    values = {"name": name, "description": description, "platform": platform, **devices, **facts, **told}
    return service.edit(caller, row, values, viewer)


@user_view(changing=True, on={"image_id": Action.SHARE})
def set_group(caller: ClusterCall, image_id: Id, group_id: Id) -> None:
    """Let one of the caller's groups use an image, and nobody by its being public any more; its owners may."""
    share_image(caller, image_id, KINDS, group_id)


@user_view(changing=True, on={"image_id": Action.SHARE})
def set_private(caller: ClusterCall, image_id: Id) -> None:
    """Let neither groups nor the public use an image any more; its owners may. VMs made from it go on."""
    share_image(caller, image_id, KINDS, None)


@user_view(changing=True, on={"image_id": Action.USE})
def create_download(caller: ClusterCall, image_id: Id) -> Download:
    """
    Give out an address that a system image's file can be read at for a while, with ranges: as it lies on the
    storage, in the format that the image tells.

    :return: an address that needs no other credentials, so it is a secret.
    """
    return downloads.open_image(caller, image_id, ImageKind.SYSTEM)


@user_view(changing=True, on={"image_id": Action.USE})
def copy(
    caller: ClusterCall, image_id: Id, name: Name, description: Text | None = None, storage_id: Id | None = None
) -> DiskCopyWork:
    """
    Copy an image that the caller can use to a new one of their own, private, which stays when that one goes.

    :param description: without it, as the image's.
    :param storage_id: where the copy is to lie; it lies beside the image otherwise.
    """
    return image_copy.copy_own(caller, image_id, name, description, storage_id)


@user_view(changing=True, on={"image_id": Action.DELETE})
def delete(caller: ClusterCall, image_id: Id) -> ImageWork:
    """Delete an image that no VM needs; its owners may."""
    return service.delete_one(caller, KINDS, image_id)


@user_view(changing=True, on={"image_id": Action.DELETE})
def convert_to_storage_image(caller: ClusterCall, image_id: Id) -> Image:
    """
    Make a system image that no VM is made from a storage image, which a VM attaches and writes to, as it lies there.
    Its owners may.
    """
    return conversion.convert_to_storage_image(caller, image_id)
