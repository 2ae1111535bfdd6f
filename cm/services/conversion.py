"""
Use cases of what an entry of the catalogue is: storage images become system images, and these storage images, as they
lie there.
"""

from __future__ import annotations

from typing import Any

from cm.results.image import Image
from cm.rpc.errors import refuse
from cm.rpc.vocabulary import ImageKind
from cm.rules import image as rules
from cm.services.access import authorized_image, person_of
from cm.services.cached_image import outdate_copies
from cm.services.context import ClusterCall
from cm.store.change import record_change
from cm.store.disk import find_disk_of_image, touch_disk
from cm.store.disk_bytes import become_disk, become_image
from cm.store.image import ImageRow, show_image
from cm.store.standing import image_standing


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
    refuse(rules.converting(image_standing(caller.session, row.id)))
    return row
