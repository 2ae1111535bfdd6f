"""Making images: their rows, and the operation that fills them, whichever way what they hold comes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.rpc.errors import InvalidParameter, NotAuthenticated
from cm.rpc.vocabulary import Architecture, DiskBus, DiskFormat, ImageState, NicModel, VideoModel
from cm.rules.cause import Cause
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.context import ClusterCall
from cm.services.storage import refuse_new
from cm.store.change import record_change
from cm.store.image import insert_image, update_image
from cm.store.operation import open_operation
from cm.store.storage import get_storage

_IMDS: Final = frozenset({"imds_tokens", "imds_hop_limit", "imds_enabled"})
_HEX: Final = re.compile(r"[0-9a-f]+\Z")
DEFAULTS: Final[Mapping[str, Any]] = {
    "platform": "linux",
    "disk_controller": DiskBus.VIRTIO,
    "network_device": NicModel.VIRTIO,
    "video_device": VideoModel.VGA,
    "system": "",
    "architecture": Architecture.X86_64,
    "least_memory_mib": 0,
    "least_disk_bytes": 0,
    "default_user": "",
    "agent": False,
    "family": "",
    "family_version": "",
}


def make_image(caller: ClusterCall, storage_id: int, values: dict[str, Any], state: ImageState) -> int:
    """
    An image to be, of the caller's own.

    :raises StorageOfNode: StorageLocked: StorageDraining: nothing comes onto that storage.
    """
    session = caller.session
    if not caller.account_id:
        raise NotAuthenticated()  # an image has an owner
    refuse_new(get_storage(session, storage_id, lock=True))
    told = {key: value for key, value in values.items() if value is not None}
    row = {**DEFAULTS, **told, "account_id": caller.account_id, "storage_id": storage_id, "format": DiskFormat.RAW}
    imds = {name: row.pop(name) for name in _IMDS & row.keys()}
    image_id = insert_image(session, {**row, "state": state})
    if imds:
        update_image(session, image_id, imds)
    record_change(session, "image", image_id, caller.account_id, "enter")
    return image_id


def open_import(
    session: Session, image_id: int, *, account_id: int, transfer_s: float, arguments: dict[str, Any], cause: Cause
) -> int:
    """
    Open the operation that makes an image of what its arguments name: a URL, a file, or what was uploaded.

    :param transfer_s: what a download, or the way to the storage, may take.
    """
    return open_operation(
        session,
        OperationKind.IMAGE_IMPORT,
        account_id=account_id,
        objects={ObjectKind.IMAGE: [image_id]},
        transfer_s=transfer_s,
        arguments=arguments,
        cause=cause,
    )


def digest(kind: str, given: str | None, digits: int) -> str | None:
    """
    A checksum as it was given, in the form that we compare.

    :raises InvalidParameter: it is none.
    """
    if given is None:
        return None
    wanted = given.strip().lower().removeprefix(f"{kind}:")
    if len(wanted) != digits or not _HEX.match(wanted):
        raise InvalidParameter(kind, f"it must be {digits} hexadecimal digits, as {kind}sum prints them")
    return wanted
