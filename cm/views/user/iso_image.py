"""ISO images, which VMs may have in their drives: the caller's own, public ones, and what is shared with them."""

from __future__ import annotations

from cm.results.image import Download, Image, ImageWork, Upload
from cm.results.vm import DriveWork
from cm.rpc.types import Id, Limit, Name, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import ImageKind
from cm.rules.access import Action, ImageFilter
from cm.services import download as downloads
from cm.services import drive
from cm.services import image as service
from cm.services import upload as uploads
from cm.services.access import person_of
from cm.services.context import ClusterCall
from cm.store.image import show_image

KINDS = (ImageKind.ISO,)


@user_view
def get_list(
    caller: ClusterCall,
    access: ImageFilter | None = None,
    group_id: Id | None = None,
    limit: Limit = 1000,
    before: Id | None = None,
) -> list[Image]:
    """
    ISO images that the caller can use, newest first.

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
    sha256: service.Sha256 | None = None,
    sha512: service.Sha512 | None = None,
    sums: service.Sums | None = None,
    storage_id: Id | None = None,
) -> ImageWork:
    """
    Import an ISO image from a URL, as the caller's own, as it is or packed: by gzip, bzip2, xz, zstd, in a zip archive.

    It is claimed of the caller's quota while it comes. Addresses of the cluster and private ones are refused, unless
    the operator allows them.

    :param sha256: what the file must have as it comes: 64 hexadecimal digits, with or without ``sha256:`` before them.
    :param sha512: the same with 128.
    :param sums: a file of checksums, such as "SHA256SUMS", by its name beside the image or by its URL; it must tell
        the image's.
    :param storage_id: one that is offered (``user.storage``); else the cluster chooses.
    :return: the image to be and the operation, which tells the progress; it can be given up (``user.operation``).
    """
    values = {"name": name, "description": description, "kind": ImageKind.ISO}
    return service.import_own(caller, service.Source(url, sha256, sha512, sums), values, storage_id)


@user_view(changing=True)
def upload(
    caller: ClusterCall,
    name: Name,
    description: Text,
    size_bytes: uploads.Length,
    sha256: service.Sha256 | None = None,
    filename: uploads.Filename = "",
    storage_id: Id | None = None,
) -> Upload:
    """
    Upload an ISO image, as the caller's own: as it is or packed: by gzip, bzip2, xz, zstd, in a zip archive.

    Its file is sent to the address that this answers with, in the tus protocol (1.0), and can be gone on with after any
    interruption. It is claimed of the caller's quota from now on; what is complete is imported.

    :param size_bytes: of the file as it comes.
    :param sha256: what it must have: 64 hexadecimal digits, with or without ``sha256:`` before them.
    :param filename: what it is called; it may promise a format.
    :param storage_id: one that is offered (``user.storage``); else the cluster chooses.
    :return: the image to be, and an address that needs no other credentials, so it is a secret.
    """
    values = {"name": name, "description": description, "kind": ImageKind.ISO}
    return uploads.open_own(caller, uploads.Announced(size_bytes, filename, sha256), values, storage_id)


@user_view(on={"image_id": Action.SEE})
def get_by_id(caller: ClusterCall, image_id: Id) -> Image:
    """One ISO image that the caller can use."""
    return show_image(caller.session, image_id, person_of(caller.identity), KINDS)


@user_view(changing=True, on={"image_id": Action.USE})
def create_download(caller: ClusterCall, image_id: Id) -> Download:
    """
    Give out an address that an ISO image's file can be read at for a while, with ranges: as it lies on the
    storage, in the format that the image tells.

    :return: an address that needs no other credentials, so it is a secret.
    """
    return downloads.open_image(caller, image_id, ImageKind.ISO)


@user_view(changing=True, on={"image_id": Action.DELETE})
def delete(caller: ClusterCall, image_id: Id) -> ImageWork:
    """Delete an ISO image that no VM has attached; its owners may."""
    return service.delete_one(caller, KINDS, image_id)


# ------------------------------------------------------------------ as CC1 has them


@user_view(changing=True, on={"image_id": Action.EDIT})
def edit(caller: ClusterCall, image_id: Id, name: Name | None = None, description: Text | None = None) -> Image:
    """Change an ISO image's name or description; what is not given stays. Its operators may."""
    return service.edit_one(caller, KINDS, image_id, {"name": name, "description": description})


@user_view(changing=True, on={"image_id": Action.USE, "vm_id": Action.DRIVE})
def attach(caller: ClusterCall, image_id: Id, vm_id: Id) -> DriveWork:
    """Put an ISO image into a CD drive of a VM, running or stopped, as ``user.vm.insert_cd`` does."""
    return drive.insert(caller, vm_id, image_id, None, False)


@user_view(changing=True, on={"image_id": Action.SEE, "vm_id": Action.DRIVE})
def detach(caller: ClusterCall, image_id: Id, vm_id: Id) -> DriveWork:
    """Take an ISO image out of the drive of a VM that it is in, as ``user.vm.eject_cd`` does."""
    return drive.eject_image(caller, vm_id, image_id)
