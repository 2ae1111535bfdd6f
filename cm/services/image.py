"""Use cases of images: import, edit, delete. Who may is ``access.py``'s to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, cast
from urllib.parse import urljoin, urlsplit

from msgspec import Meta
from sqlalchemy.orm import Session

from cm.results.image import Image, ImageWork, KnownImage
from cm.rpc.errors import (
    AddressRefused,
    InvalidParameter,
    ObjectNotFound,
    TooManyAtOnce,
    refuse,
)
from cm.rpc.types import LINE, matching
from cm.rpc.vocabulary import (
    HOP_LIMIT_MAX,
    Architecture,
    ImageAccess,
    ImageKind,
    ImageState,
    SourceFormat,
)
from cm.rules import image as rules
from cm.rules.access import ImageFilter, Person
from cm.rules.cause import Cause
from cm.rules.image import newest
from cm.rules.operation import ObjectKind, OperationKind
from cm.runtime.wall import utc_now
from cm.services.access import authorized_image, person_of
from cm.services.cached_image import forget_image
from cm.services.context import ClusterCall
from cm.services.image_making import digest, make_image, open_import
from cm.services.storage import chosen_storage
from cm.store.change import record_change
from cm.store.image import (
    ImageRow,
    get_image,
    list_images,
    long_failed,
    open_imports,
    set_state,
    show_image,
    update_image,
    versions_of,
    write_access,
)
from cm.store.image_claim import close_image
from cm.store.operation import open_operation
from cm.store.standing import image_standing
from cm.store.upload import delete_upload

_LOWER: Final = "it must be lower-case letters, digits, _ and -, a letter first"
Platform = Annotated[str, Meta(min_length=1, max_length=20, pattern=matching(r"[a-z][a-z0-9_-]*", _LOWER))]
URL_MAX: Final = 4096  # characters
Url = Annotated[str, Meta(min_length=1, max_length=URL_MAX)]
Sums = Annotated[str, Meta(min_length=1, max_length=URL_MAX, description="A name beside the URL, or a URL.")]
Sha256 = Annotated[str, Meta(min_length=1, max_length=100)]
Sha512 = Annotated[str, Meta(min_length=1, max_length=160)]
_NAME: Final = r"[a-z0-9][a-z0-9._-]*[a-z._-][a-z0-9._-]*"  # and no number, which would be an id
_NAMED: Final = "it must be lower-case letters, digits, . _ and -, and no mere number"
_VERSION: Final = matching(r"[A-Za-z0-9._+~-]*", "it must be letters, digits and . _ + ~ -")
_USER: Final = matching(r"(?:[a-z_][a-z0-9_-]*)?", "it must be lower-case letters, digits, _ and -, no digit first")
System = Annotated[str, Meta(max_length=60, pattern=LINE, description="What it holds, for people.")]
Family = Annotated[str, Meta(min_length=2, max_length=60, pattern=matching(_NAME, _NAMED))]
MaybeFamily = Annotated[str, Meta(max_length=60, pattern=matching(f"(?:{_NAME})?", _NAMED))]
FamilyVersion = Annotated[str, Meta(max_length=60, pattern=_VERSION)]
HopLimit = Annotated[int, Meta(ge=1, le=HOP_LIMIT_MAX, description="Links that a token may go over.")]
DefaultUser = Annotated[str, Meta(max_length=32, pattern=_USER)]


def import_file(
    caller: ClusterCall, path: str, format: SourceFormat | None, storage_id: int, values: dict[str, Any]
) -> ImageWork:
    """
    Import a file of this machine that lies beneath one of the configured directories.

    :raises InvalidParameter: it lies elsewhere.
    """
    given = PurePosixPath(path)
    allowed = caller.policy.import_dirs
    beneath = any(given.is_relative_to(directory) and given != PurePosixPath(directory) for directory in allowed)
    if not given.is_absolute() or ".." in given.parts or "\0" in path or not beneath:
        raise InvalidParameter("path", "it is beneath none of the directories that imports may come from")
    return begin_import(caller, storage_id, values, {"path": path, "format": format})


@dataclass(frozen=True)
class Source:
    """
    Where an image comes from, and what it must be.

    :param sha256, sha512: what the file must have; ``sha256:`` or ``sha512:`` may stand before it.
    :param sums: a file of checksums, by its name beside the URL or by a URL of its own; it must tell the file's.
    :param format: None takes what is found.
    :param signature: of ``sums``: a file beside that, or a URL, or ``known_image.INLINE``.
    :param keyring: a file of the operator's with the keys that may have made it; empty: it is not verified.
    """

    url: str
    sha256: str | None = None
    sha512: str | None = None
    sums: str | None = None
    format: SourceFormat | None = None
    signature: str = ""
    keyring: str = ""


def import_url(caller: ClusterCall, source: Source, storage_id: int, values: dict[str, Any]) -> ImageWork:
    """
    Import what a URL gives. Where it leads is judged when it is fetched, at each redirect anew.

    :raises InvalidParameter: no URL, or no checksum.
    :raises AddressRefused: neither http nor https, or it holds credentials.
    """
    _check_url("url", source.url)
    if source.sums is not None:
        _check_url("sums", urljoin(source.url, source.sums))
    arguments = {
        "url": source.url,
        "sha256": digest("sha256", source.sha256, 64),
        "sha512": digest("sha512", source.sha512, 128),
        "sums": source.sums,
        "format": source.format,
    }
    if source.signature:
        arguments |= {"signature": source.signature, "keyring": source.keyring}
    return begin_import(caller, storage_id, values, arguments)


def facts(
    system: str | None,
    architecture: Architecture | None,
    least_memory_mib: int | None,
    least_disk_bytes: int | None,
    default_user: str | None,
    agent: bool | None,
    family: str | None,
    family_version: str | None,
) -> dict[str, Any]:
    """What views are told of an image's system, by the names of its columns."""
    return {
        "system": system,
        "architecture": architecture,
        "least_memory_mib": least_memory_mib,
        "least_disk_bytes": least_disk_bytes,
        "default_user": default_user,
        "agent": agent,
        "family": family,
        "family_version": family_version,
    }


def refuse_many(caller: ClusterCall) -> None:
    """:raises TooManyAtOnce: so many imports of the caller's are under way already."""
    at_once = caller.policy.imports_per_account
    if open_imports(caller.session, caller.account_id) >= at_once:
        raise TooManyAtOnce("imports of images", at_once)


def import_own(
    caller: ClusterCall, source: Source, values: dict[str, Any], storage_id: int | None = None
) -> ImageWork:
    """
    The same for users: the image is private, and where it lies is the cluster's to say, or theirs of what is offered.

    :raises TooManyAtOnce: so many imports of the caller's are under way already.
    :raises NoStorage: StorageFull: none takes images, or none has room.
    :raises ObjectNotFound: the caller may not choose that storage.
    """
    refuse_many(caller)
    storage_id = chosen_storage(caller, 0, storage_id)
    return import_url(caller, source, storage_id, {**values, "access": ImageAccess.PRIVATE})


# ------------------------------------------------------------------ families, well-known images


def newest_of(caller: ClusterCall, image: int | str) -> int:
    """
    The image that is meant: itself by its id, the newest that the caller can use by its family's name.

    :raises ObjectNotFound: the caller can use none of that family.
    """
    if isinstance(image, int):
        return image
    found = newest(versions_of(caller.session, image, person_of(caller.identity)))
    if found is None:
        raise ObjectNotFound("image of the family", image)
    return found


def known_images(caller: ClusterCall) -> list[KnownImage]:
    """What the catalogue has, and what of it is here."""
    found = [
        {**asdict(known), "image_id": newest(versions_of(caller.session, known.family, None))}
        for known in caller.policy.known_images.values()
    ]
    return cast(list[KnownImage], found)


def import_known(caller: ClusterCall, known: str, storage_id: int, name: str | None, access: ImageAccess) -> ImageWork:
    """
    Import an image of the catalogue as today's version of its family. The operation's result has ``signature``: "good",
    or "unchecked" where the catalogue names no keyring to verify it by; without it nothing is signed.

    :raises ObjectNotFound: the catalogue has none of that name.
    """
    found = caller.policy.known_images.get(known)
    if found is None:
        raise ObjectNotFound("well-known image", known)
    values = asdict(found)
    taken = {field: values.pop(field) for field in ("url", "sums", "signature", "keyring", "format")}
    source = Source(**taken)
    version = utc_now().strftime("%Y%m%d")
    values |= {"name": name or f"{known}-{version}", "kind": ImageKind.SYSTEM, "access": access}
    return import_url(caller, source, storage_id, {**values, "family_version": version})


def _check_url(parameter: str, url: str) -> None:
    if len(url) > URL_MAX or any(ord(c) <= 32 or ord(c) >= 127 for c in url):
        raise InvalidParameter(parameter, "it is too long or holds blanks, control or non-ASCII characters")
    try:
        parts = urlsplit(url)
        scheme, host, credentials = parts.scheme, parts.hostname, "@" in parts.netloc
    except ValueError as error:
        raise InvalidParameter(parameter, str(error)) from None
    shown = f"{scheme}://{host or ''}"
    if scheme not in ("http", "https") or not host:
        raise AddressRefused(shown, "only http and https with a host are taken")
    if credentials:
        raise AddressRefused(shown, "it carries credentials")


def begin_import(caller: ClusterCall, storage_id: int, values: dict[str, Any], arguments: dict[str, Any]) -> ImageWork:
    image_id = make_image(caller, storage_id, values, ImageState.ADDING)
    operation_id = open_import(
        caller.session,
        image_id,
        account_id=caller.account_id,
        transfer_s=caller.policy.import_timeout_s,
        arguments=arguments,
        cause=caller.cause,
    )
    steps = ["fetch", "unpack", "inspect and claim", "convert", "upload", "finish"]
    caller.note("operation", kind=OperationKind.IMAGE_IMPORT, image=values["name"], steps=steps)
    return {"image_id": image_id, "operation_id": operation_id}


# ------------------------------------------------------------------ edit, delete


def edit(caller: ClusterCall, row: ImageRow, values: dict[str, Any], viewer: Person | None = None) -> Image:
    """
    Change what is not None; VMs get the devices that their image says when they start next.

    :param row: authorized and under lock.
    :param viewer: for whom the answer is; None for administrators.
    """
    refuse(rules.editing(row))
    update_image(caller.session, row.id, values)
    record_change(caller.session, "image", row.id, row.account_id)
    caller.note("edit image", image_id=row.id, **{k: v for k, v in values.items() if v is not None})
    return show_image(caller.session, row.id, viewer)


def edit_one(
    caller: ClusterCall, kinds: Sequence[ImageKind], image_id: int, values: dict[str, Any]
) -> Image:
    """
    ``edit`` of the caller's, or of what is shared with them.

    :raises ObjectNotFound: AccessNeeded: there is none of those kinds, or the caller may not change it.
    """
    viewer, action = person_of(caller.identity), caller.action("image_id")
    row = authorized_image(
        caller.session, viewer, image_id, action, kinds=kinds, lock=True, version=caller.if_version
    )
    return edit(caller, row, values, viewer)


def set_access(caller: ClusterCall, image_id: int, access: ImageAccess) -> Image:
    """Let everybody use an image, or those alone whom it is shared with; VMs made from it go on."""
    session = caller.session
    row = get_image(session, image_id, lock=True, version=caller.if_version)
    write_access(session, image_id, access)
    record_change(session, "image", image_id, row.account_id)
    caller.note("set access", image_id=image_id, access=access)
    return show_image(session, image_id, None)


def usable(
    caller: ClusterCall,
    kinds: Sequence[ImageKind],
    access: ImageFilter | None,
    group_id: int | None,
    limit: int,
    before: int | None,
) -> list[Image]:
    """Images of these kinds that the caller can use, newest first."""
    viewer = person_of(caller.identity)
    found = list_images(
        caller.session, viewer=viewer, kinds=kinds, access=access, group_id=group_id, limit=limit, before=before
    )
    return list(found)


def delete_one(caller: ClusterCall, kinds: Sequence[ImageKind], image_id: int) -> ImageWork:
    """
    :raises ObjectNotFound: AccessNeeded: it is none of these kinds, or not the caller's to delete; and as ``delete``.
    """
    viewer, version = person_of(caller.identity), caller.if_version
    action = caller.action("image_id")
    row = authorized_image(caller.session, viewer, image_id, action, kinds=kinds, lock=True, version=version)
    return delete(caller, row)


def delete(caller: ClusterCall, row: ImageRow) -> ImageWork:
    """
    Nobody can use the image from now on; its volume is deleted, then its quota and room are given back.

    :param row: authorized and under lock. ``FOR UPDATE``: whoever makes a VM of it just now holds it
        ``FOR KEY SHARE``; the VM is seen here, or the deletion there.
    Its copies on nodes' own storages go, too, each by an operation of its own.

    :raises InUse: live VMs need it, something else is made from it, or it has snapshots.
    :raises WrongImageState: it is being made (give that operation up instead), or deleted already.
    """
    session, image_id = caller.session, row.id
    refuse(rules.deleting(image_standing(session, image_id)))
    set_state(session, image_id, ImageState.DELETED)
    forget_image(session, image_id, caller.cause)
    delete_upload(session, image_id)  # of one that is still coming; its file is swept up
    operation_id = open_delete(session, row, account_id=caller.account_id or None, cause=caller.cause)
    record_change(session, "image", image_id, row.account_id)
    caller.note("operation", kind=OperationKind.IMAGE_DELETE, image_id=image_id, volume=row.volume)
    return {"image_id": image_id, "operation_id": operation_id}


def close_failed(session: Session, seconds: float) -> None:
    """End images whose import failed so long ago. Lists leave them out from the start; their operations stay."""
    for image_id, account_id in long_failed(session, seconds):
        close_image(session, image_id)
        record_change(session, "image", image_id, account_id, "exit")


def open_delete(session: Session, row: ImageRow, *, account_id: int | None, cause: Cause, keep: bool = False) -> int:
    """
    Open the operation that deletes an image's volume and then gives back what it claims.

    :param keep: the image itself stays, as failed, so that the reason can be read.
    :raises WrongImageState: an operation of the image is under way.
    """
    return open_operation(
        session,
        OperationKind.IMAGE_DELETE,
        account_id=account_id,
        objects={ObjectKind.IMAGE: [row.id]},
        arguments={"keep": keep},
        cause=cause,
    )
