"""Images of every kind: what VMs are made from (system), disks (storage), ISO images."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.disk import DiskCopyWork
from cm.results.image import CachedImage, CachedImageWork, Image, ImageWork, KnownImage, Upload
from cm.rpc.types import Id, IdList, Limit, Name, Size, Text
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import (
    Architecture,
    DiskBus,
    Firmware,
    ImageAccess,
    ImageKind,
    MachineType,
    MetadataSource,
    MetadataTokens,
    NicModel,
    SourceFormat,
    VideoModel,
)
from cm.rules.access import ImageFilter
from cm.services import cached_image, image_copy
from cm.services import image as service
from cm.services import upload as uploads
from cm.services.context import ClusterCall
from cm.store.cached_image import list_cached
from cm.store.image import get_image, list_images, show_image

Known = Annotated[str, Meta(min_length=1, max_length=60)]
Path = Annotated[str, Meta(min_length=1, max_length=4096)]


@admin_view(changing=True)
def import_file(
    caller: ClusterCall,
    name: Name,
    description: Text,
    path: Path,
    storage_id: Id,
    kind: ImageKind = ImageKind.SYSTEM,
    format: SourceFormat | None = None,
    access: ImageAccess = ImageAccess.PUBLIC,
    platform: service.Platform = "linux",
    disk_controller: DiskBus = DiskBus.VIRTIO,
    network_device: NicModel = NicModel.VIRTIO,
    video_device: VideoModel = VideoModel.VGA,
    system: service.System | None = None,
    architecture: Architecture | None = None,
    least_memory_mib: Size | None = None,
    least_disk_bytes: Size | None = None,
    default_user: service.DefaultUser | None = None,
    agent: bool | None = None,
    family: service.MaybeFamily | None = None,
    family_version: service.FamilyVersion | None = None,
) -> ImageWork:
    """
    Import an image from a file of the cluster manager's machine.

    :param path: beneath one of the directories that the operator has configured for imports.
    :param format: what is found, once it is unpacked, must be this. Without it, what is found is taken.
    :return: the image to be and the operation, which tells the progress.
    """
    facts = service.facts(
        system, architecture, least_memory_mib, least_disk_bytes, default_user, agent, family, family_version
    )
    devices = {"disk_controller": disk_controller, "network_device": network_device, "video_device": video_device}
    values = {"name": name, "description": description, "kind": kind, "access": access, "platform": platform}
    return service.import_file(caller, path, format, storage_id, {**values, **devices, **facts})


@admin_view(changing=True)
def import_url(
    caller: ClusterCall,
    name: Name,
    description: Text,
    url: service.Url,
    storage_id: Id,
    kind: ImageKind = ImageKind.SYSTEM,
    format: SourceFormat | None = None,
    access: ImageAccess = ImageAccess.PUBLIC,
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
) -> ImageWork:
    """
    Import an image from a URL: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as it is or packed by gzip,
    bzip2, xz, zstd or in a zip archive.

    :param format: what it must be, once it is unpacked.
    :param sha256: what the file must have as it comes: 64 hexadecimal digits, with or without ``sha256:`` before them.
    :param sha512: the same with 128.
    :param sums: a file of checksums, such as "SHA256SUMS", by its name beside the image or by its URL; it must tell
        the image's.
    :return: the image to be and the operation, which tells the progress.
    """
    facts = service.facts(
        system, architecture, least_memory_mib, least_disk_bytes, default_user, agent, family, family_version
    )
    devices = {"disk_controller": disk_controller, "network_device": network_device, "video_device": video_device}
    values = {"name": name, "description": description, "kind": kind, "access": access, "platform": platform}
    source = service.Source(url, sha256, sha512, sums, format)
    return service.import_url(caller, source, storage_id, {**values, **devices, **facts})


@admin_view(changing=True)
def upload(
    caller: ClusterCall,
    name: Name,
    description: Text,
    size_bytes: uploads.Length,
    storage_id: Id,
    kind: ImageKind = ImageKind.SYSTEM,
    format: SourceFormat | None = None,
    access: ImageAccess = ImageAccess.PUBLIC,
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
) -> Upload:
    """
    Upload an image: qcow2 or raw, or what becomes qcow2 (VMDK, VDI, VHD, VHDX), as it is or packed by gzip,
    bzip2, xz, zstd or in a zip archive.

    Its file is sent to the address that this answers with, in the tus protocol (1.0), and can be gone on with after any
    interruption. It is claimed of the administrator's quota from now on; what is complete is imported.

    :param size_bytes: of the file as it comes.
    :param format: what it must be, once it is unpacked.
    :param sha256: what it must have: 64 hexadecimal digits, with or without ``sha256:`` before them.
    :param filename: what it is called; it may promise a format.
    :return: the image to be, and an address that needs no other credentials, so it is a secret.
    """
    facts = service.facts(
        system, architecture, least_memory_mib, least_disk_bytes, default_user, agent, family, family_version
    )
    devices = {"disk_controller": disk_controller, "network_device": network_device, "video_device": video_device}
    values = {"name": name, "description": description, "kind": kind, "access": access, "platform": platform}
    announced = uploads.Announced(size_bytes, filename, sha256, format)
    return uploads.open_upload(caller, announced, storage_id, {**values, **devices, **facts})


@admin_view
def get_known(caller: ClusterCall) -> list[KnownImage]:
    """The catalogue of well-known images, with which of them are here; the operator may add to it."""
    return service.known_images(caller)


@admin_view(changing=True)
def import_known(
    caller: ClusterCall,
    known: Known,
    storage_id: Id,
    name: Name | None = None,
    access: ImageAccess = ImageAccess.PUBLIC,
) -> ImageWork:
    """
    Import a well-known image, with its checksum looked up, as today's version of its family.

    :param known: its name in the catalogue (``get_known``).
    :param name: None: as in the catalogue, with the version behind it.
    :return: the image to be and the operation, which tells the progress.
    """
    return service.import_known(caller, known, storage_id, name, access)


@admin_view
def get_list(
    caller: ClusterCall,
    kind: ImageKind | None = None,
    access: ImageFilter | None = None,
    user_id: Id | None = None,
    storage_id: Id | None = None,
    limit: Limit = 1000,
    before: Id | None = None,
    failed: bool = False,
) -> list[Image]:
    """
    Everybody's images, newest first.

    :param access: "private", "public", or "group": shared with a group.
    :param before: the last ``image_id`` of the page before.
    :param failed: with those whose import failed; they stay for ``images.failed_s``.
    """
    found = list_images(
        caller.session,
        viewer=None,
        failed=failed,
        kinds=None if kind is None else [kind],
        access=access,
        account_id=user_id,
        storage_id=storage_id,
        limit=limit,
        before=before,
    )
    return list(found)


@admin_view
def get_by_id(caller: ClusterCall, image_id: Id) -> Image:
    """One image."""
    return show_image(caller.session, image_id, None)


@admin_view(changing=True)
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
    Change an image's description, devices and facts; what is not given stays.

    :param family: VMs are created by this name of the newest version, too; empty: it belongs to none.
    :param imds_tokens: as of ``user.vm.set_imds``, of VMs that are made of it from now on; so are ``imds_hop_limit``
        and ``imds_enabled``.
    :param metadata: where guests of such VMs find what they are told.
    :param firmware: what machines of such VMs boot by, and ``machine`` their chipset.
    """
    row = get_image(caller.session, image_id, lock=True, version=caller.if_version)
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
    return service.edit(caller, row, values)


@admin_view(changing=True)
def set_access(caller: ClusterCall, image_id: Id, access: ImageAccess) -> Image:
    """Let everybody use an image, or those alone whom it is shared with (``admin.acl``)."""
    return service.set_access(caller, image_id, access)


@admin_view(changing=True)
def copy(
    caller: ClusterCall,
    image_id: Id,
    user_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    storage_id: Id | None = None,
) -> DiskCopyWork:
    """
    Copy an image of any kind for a user: a new one, theirs and private, which their quota counts from now on. Of a disk
    (a storage image) the VM is stopped, and stays so meanwhile.

    :param name: without it, as the image's; ``description``, too.
    :param storage_id: where the copy is to lie; it lies beside the image otherwise.
    """
    return image_copy.copy_to(caller, image_id, user_id, name, description, storage_id)


@admin_view
def get_cached(caller: ClusterCall, image_id: Id | None = None, node_id: Id | None = None) -> list[CachedImage]:
    """Which images nodes have on storages of their own: all, or those of one image or node."""
    return list(list_cached(caller.session, image_id, node_id))


@admin_view(changing=True)
def prefetch(caller: ClusterCall, image_id: Id, node_ids: IdList | None = None) -> list[CachedImageWork]:
    """
    Bring an image to nodes' own storages before a VM there needs it.

    :param node_ids: without it, all nodes that have a storage of their own.
    """
    return cached_image.prefetch(caller, image_id, node_ids)


@admin_view(changing=True)
def evict(caller: ClusterCall, image_id: Id, node_ids: IdList | None = None) -> list[CachedImageWork]:
    """
    Remove copies of an image from nodes' own storages, where no disk is made from them.

    :param node_ids: without it, from all nodes.
    """
    return cached_image.evict(caller, image_id, node_ids)


@admin_view(changing=True)
def delete(caller: ClusterCall, image_id: Id) -> ImageWork:
    """Delete an image that no VM needs; the operation tells when its volume is gone."""
    return service.delete(caller, get_image(caller.session, image_id, lock=True, version=caller.if_version))
