"""Volumes that are given up as lost, and found again: who is told, and what may not be used meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy.orm import Session

from cm.rpc.errors import VolumeLost
from cm.rpc.vocabulary import ImageState
from cm.services.message import tell
from cm.store.change import record_change
from cm.store.disk import touch_disk
from cm.store.image import find_image, set_state
from cm.store.vm import render_vm
from cm.store.vm_state import write_error_unless_on
from cm.store.volume import Concerned, write_lost


def note_lost(session: Session, storage_id: int, volume: str) -> bool:
    """
    Nobody expects this volume to be found again: what was on it is not used any more, and its people are told. Its
    quota and room stay claimed until they delete it.

    :return: False where it is on no record any more.
    """
    found = write_lost(session, storage_id, volume, lost=True)
    if found is None:
        return False
    if found.read:
        error = VolumeLost.message.format(name=found.name)
        if found.image_id is not None:
            image = find_image(session, found.image_id, lock=True)
            if image is not None and image.state is ImageState.OK:
                set_state(session, found.image_id, ImageState.FAILED, error)
        for vm_id in found.vm_ids:
            write_error_unless_on(session, vm_id, error)
    _tell(session, found, "lost")
    return True


def note_found(session: Session, storage_id: int, volumes: Sequence[str]) -> None:
    """Volumes that were given up are there again: somebody restored them."""
    for volume in volumes:
        found = write_lost(session, storage_id, volume, lost=False)
        if found is None:
            continue
        if found.image_id is not None and found.read:
            image = find_image(session, found.image_id, lock=True)
            if image is not None and image.state is ImageState.FAILED:
                set_state(session, found.image_id, ImageState.OK)
        _tell(session, found, "found")


def _tell(session: Session, found: Concerned, what: Literal["lost", "found"]) -> None:
    params: dict[str, object] = {"name": found.name}
    if found.snapshot_id is not None:
        params |= {"snapshot_id": found.snapshot_id, "snapshot": found.snapshot}
    if found.image_id is not None:
        params["image_id"] = found.image_id
        image = find_image(session, found.image_id)
        record_change(session, "image", found.image_id, None if image is None else image.account_id)
    if found.disk_id is not None:
        params["disk_id"] = found.disk_id
        touch_disk(session, found.disk_id)
    if found.vm_ids and not found.made_from:  # of many it would be one, and another's
        params["vm_id"] = found.vm_ids[0]
    for vm_id in found.vm_ids:
        render_vm(session, vm_id)
    noun = "image" if found.made_from else "disk" if found.read else "snapshot"
    code = f"{noun}_{what}"
    tell(session, found.account_ids, "error" if what == "lost" else "info", code, params)
