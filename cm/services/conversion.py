"""
Use cases of what an entry of the catalogue is: storage images become system images, and these storage images, as they
lie there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from cm.results.image import Image
from cm.rpc.errors import Conflict, InUse, NotWhole, WrongImageState
from cm.rpc.vocabulary import ImageKind, ImageState
from cm.rules.operation import ObjectKind
from cm.rules.storage import capabilities
from cm.rules.vm import vms
from cm.services.access import authorized_image, person_of
from cm.services.cached_image import outdate_copies
from cm.services.context import ClusterCall
from cm.store.change import record_change
from cm.store.disk import find_disk, find_disk_of_image, touch_disk
from cm.store.disk_bytes import become_disk, become_image, image_is_stood_on
from cm.store.erased import refuse_erased
from cm.store.image import ImageRow, show_image, users_of
from cm.store.operation_object import find_holder
from cm.store.snapshot import snapshot_of_image
from cm.store.storage import get_storage


@dataclass(eq=False)
class GuestFormat(Conflict):
    """What guests write to has another format there (``Capabilities.written``), and is not changed in passing."""

    code = "guest_format"
    message = (
        "Image {image_id} is a {format} file on a storage of kind {kind}, where guests write to qcow2 alone: move its"
        " disk (user.disk.move, also to the storage that it lies on), or import it as a storage image, and it is qcow2."
    )
    image_id: int
    format: str
    kind: str


def convert_to_system_image(caller: ClusterCall, image_id: int, devices: dict[str, Any]) -> Image:
    """
    Make a storage image a system image, which VMs can be made from, as it lies there.

    :raises InUse: VMs have it attached.
    :raises NotWhole: it stands on an image.
    :raises GuestFormat: it is a raw file, which its guest has written to.
    :raises WrongImageState: it is not ok.
    """
    session = caller.session
    row = _convertible(caller, image_id, ImageKind.STORAGE)
    disk_id = find_disk_of_image(session, image_id)
    if disk_id is not None:
        disk = find_disk(session, disk_id)
        if disk is not None and disk.backing_id is not None:
            raise NotWhole(disk_id)
        record_change(session, "disk", disk_id, row.account_id, "exit")
    become_image(session, image_id, devices)
    record_change(session, "image", image_id, row.account_id)
    caller.note("convert image", image_id=image_id, kind=ImageKind.SYSTEM)
    return show_image(session, image_id, person_of(caller.identity))


def convert_to_storage_image(caller: ClusterCall, image_id: int) -> Image:
    """
    Make a system image a storage image, which VMs attach and write to, as it lies there. Nodes' copies of it go: should
    it be a system image again, it is another.

    :raises InUse: VMs are made from it, or it is just being copied to a node.
    :raises WrongImageState: it is not ok.
    :raises GuestFormat: it is a raw file, which no guest may write to.
    """
    session = caller.session
    row = _convertible(caller, image_id, ImageKind.SYSTEM)
    outdate_copies(session, image_id, caller.cause)
    disk_id = become_disk(session, image_id)
    record_change(session, "image", image_id, row.account_id)
    touch_disk(session, disk_id, "enter")
    caller.note("convert image", image_id=image_id, kind=ImageKind.STORAGE, disk_id=disk_id)
    return show_image(session, image_id, person_of(caller.identity))


def _convertible(caller: ClusterCall, image_id: int, kind: ImageKind) -> ImageRow:
    """An entry of this kind, locked, that nothing keeps from becoming one of the other."""
    row = authorized_image(
        caller.session,
        person_of(caller.identity),
        image_id,
        caller.action("image_id"),
        kinds=(kind,),
        lock=True,
        version=caller.if_version,
    )
    _check_convertible(caller.session, row.id, row.state)
    _check_format(caller.session, row)
    return row


def _check_format(session: Session, row: ImageRow) -> None:
    """:raises GuestFormat: of what has been, or is to be, a guest's to write."""
    kind = get_storage(session, row.storage_id)["kind"]
    if row.format not in capabilities(kind).written:
        raise GuestFormat(row.id, row.format, kind)


def _check_convertible(session: Session, image_id: int, state: ImageState) -> None:
    if state is not ImageState.OK:
        raise WrongImageState(image_id, state, "ok")
    users = users_of(session, image_id)
    if users:
        raise InUse("image", image_id, vms(users))
    if image_is_stood_on(session, image_id):
        raise InUse("image", image_id, "what is made from it")
    snapshot_id = snapshot_of_image(session, image_id)
    if snapshot_id is not None:
        raise InUse("image", image_id, f"its snapshot {snapshot_id}")
    if find_holder(session, ObjectKind.IMAGE, image_id) is not None:
        raise WrongImageState(image_id, "busy", "no other operation under way")
    refuse_erased(session, image_id, "image")
