"""
Uploads: an image's row, quota and room are there from the start; its bytes come in pieces, by whoever has the address
(``operations/uploading.py``); and what is complete goes the way of every import (``operations/image_import.py``).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta
from sqlalchemy.orm import Session

from cm.results.image import Upload
from cm.rpc.caller import Call, Identity
from cm.rpc.errors import (
    AccountBlocked,
    NoStagingRoom,
    NotAuthenticated,
    TooLarge,
    TooManyAtOnce,
    UploadGone,
    WrongImageState,
)
from cm.rpc.types import LINE
from cm.rpc.vocabulary import CauseKind, ImageAccess, ImageState, Role, SourceFormat
from cm.rules.cause import Cause
from cm.runtime.execute import write_audit
from cm.runtime.files import free_bytes
from cm.services.access import person_of
from cm.services.context import ClusterCall, ClusterPolicy
from cm.services.image_making import digest, make_image, open_import
from cm.services.storage import chosen_storage
from cm.store.account import find_facts
from cm.store.change import record_change
from cm.store.image import get_image, set_state, show_image
from cm.store.image_claim import close_image, hold_image
from cm.store.upload import (
    UploadRow,
    count_uploads,
    delete_upload,
    expired,
    find_upload,
    insert_upload,
    move_offset,
)

Length = Annotated[int, Meta(ge=1, le=2**53, description="Bytes of the file.")]
Filename = Annotated[str, Meta(max_length=255, pattern=LINE, description="What it is called where it comes from.")]
RESERVE_BYTES: Final = 1024 * 2**20  # left free where images are staged, for imports that are under way


@dataclass(frozen=True)
class Announced:
    """
    What is said of a file that is to come.

    :ivar filename: what it is called where it comes from; it may promise a format.
    :ivar format: that it must have, once it is unpacked; None takes what is found.
    """

    size_bytes: int
    filename: str = ""
    sha256: str | None = None
    format: SourceFormat | None = None


# ------------------------------------------------------------------ beginning


def open_own(
    caller: ClusterCall, announced: Announced, values: dict[str, Any], storage_id: int | None = None
) -> Upload:
    """
    A user's: the image is private, and where it lies is the cluster's to say, or theirs of what is offered.

    :raises NoStorage: StorageFull: none takes images, or none has room for the file.
    :raises ObjectNotFound: the caller may not choose that storage.
    """
    chosen = chosen_storage(caller, announced.size_bytes, storage_id)
    return open_upload(caller, announced, chosen, {**values, "access": ImageAccess.PRIVATE})


def open_upload(caller: ClusterCall, announced: Announced, storage_id: int, values: dict[str, Any]) -> Upload:
    """
    Make the image that is to come, claim for its file, and give out the address that the file is sent to.

    :raises TooLarge: it is larger than images may be.
    :raises TooManyAtOnce: so many of the caller's, or of all, are open already.
    :raises NoStagingRoom: there is no room for it on this machine.
    """
    session, policy, size = caller.session, caller.policy, announced.size_bytes
    if size > policy.import_max_bytes:
        raise TooLarge("The image", policy.import_max_bytes)
    sha256 = digest("sha256", announced.sha256, 64) or ""
    taken = count_uploads(session, caller.account_id, policy.staging_id)
    if taken.of_account >= policy.uploads_per_account:
        raise TooManyAtOnce("uploads", policy.uploads_per_account)
    if taken.of_all >= policy.uploads:
        raise TooManyAtOnce("uploads of all", policy.uploads)
    room = free_bytes(existing(policy.staging_dir), RESERVE_BYTES) - taken.to_come_bytes
    if size > room:
        raise NoStagingRoom(max(room, 0), size)
    image_id = make_image(caller, storage_id, values, ImageState.UPLOADING)
    row = get_image(session, image_id, lock=True)
    hold_image(session, row, size)
    secret = secrets.token_urlsafe(32)
    identity = caller.identity
    values = {
        "image_id": image_id,
        "digest": _digest(secret),
        "account_id": caller.account_id,
        "account_version": _version(session, caller.account_id),
        "issuer": identity.issuer,
        "place": policy.staging_id,
        "filename": announced.filename,
        "format": announced.format,
        "sha256": sha256,
        "size_bytes": size,
    }
    expires = insert_upload(session, values, policy.upload_s)
    caller.note("upload", image=row.name, size_bytes=size, valid_s=policy.upload_s)
    path = f"/uploads/{secret}"
    return {
        "image": show_image(session, image_id, person_of(identity)),
        "path": path,
        "upload_url": policy.public_url + path if policy.public_url else None,
        "cluster": policy.name,
        "expires_at": expires,
    }


def existing(directory: Path) -> Path:
    """The directory itself, or the first around it that is there."""
    return next(each for each in (directory, *directory.parents) if each.exists())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _version(session: Session, account_id: int) -> int:
    facts = find_facts(session, account_id)
    if facts is None:
        raise NotAuthenticated()
    return facts.version


# ------------------------------------------------------------------ coming


@dataclass(frozen=True)
class Found:
    """An upload, and the request that found it, made on behalf of whoever began it."""

    row: UploadRow
    call: Call

    @property
    def identity(self) -> Identity:
        return self.call.identity


def find(session: Session, secret: str, remote: str, call_id: str) -> Found:
    """
    :raises UploadGone: NotAuthenticated: AccountBlocked: there is none, or its owner may do nothing any more.
    """
    row = find_upload(session, _digest(secret))
    if row is None:
        raise UploadGone()
    facts = find_facts(session, row.account_id)
    if facts is None or (not row.issuer and facts.version != row.account_version):
        raise NotAuthenticated()  # as sessions end, by a new password or another role
    if not facts.active:
        raise AccountBlocked()
    identity = Identity(facts.id, facts.login, frozenset({Role.USER}), source="token", issuer=row.issuer)
    return Found(row, Call(identity, call_id, remote=remote))


def terminate(session: Session, found: Found) -> None:
    """
    :raises WrongImageState: it is complete.
    """
    row = get_image(session, found.row.image_id, lock=True)
    if row.state is not ImageState.UPLOADING:
        raise WrongImageState(row.id, row.state, ImageState.UPLOADING)
    _give_up(session, row.id, row.account_id)
    write_audit(session, "upload.terminate", found.call, {"image_id": row.id})


def _give_up(session: Session, image_id: int, account_id: int) -> None:
    delete_upload(session, image_id)
    close_image(session, image_id)
    record_change(session, "image", image_id, account_id, "exit")


def complete(session: Session, found: Found, was: int, policy: ClusterPolicy) -> bool:
    """
    All of it has come: it is an import from now on.

    :param was: what counted as come before.
    :return: False: it is not open any more, or was not there.
    """
    upload = found.row
    row = get_image(session, upload.image_id, lock=True)
    if not move_offset(session, row.id, was, upload.size_bytes):
        return False
    set_state(session, row.id, ImageState.ADDING)
    open_import(
        session,
        row.id,
        account_id=row.account_id,
        transfer_s=policy.import_timeout_s,
        arguments={
            "upload": upload.uuid,
            "place": upload.place,
            "filename": upload.filename,
            "sha256": upload.sha256 or None,
            "format": upload.format,
        },
        cause=Cause(CauseKind.CALL, found.call.call_id),
    )
    record_change(session, "image", row.id, row.account_id)
    write_audit(session, "upload.complete", found.call, {"image_id": row.id, "size_bytes": upload.size_bytes})
    return True


def expire(session: Session) -> None:
    """End uploads whose time is over; of those that are complete the address ends."""
    for image_id, state in expired(session):
        if state is ImageState.UPLOADING:
            row = get_image(session, image_id, lock=True)
            _give_up(session, image_id, row.account_id)
        else:
            delete_upload(session, image_id)
