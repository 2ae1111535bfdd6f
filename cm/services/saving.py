"""The image that a VM's disk is saved to: reserved when the save is asked for, given back if it fails."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy.orm import Session

from cm.rpc.errors import Conflict, NoStorage, ObjectNotFound
from cm.rules.names import image_volume
from cm.rules.storage import capabilities, choose
from cm.store.change import record_change
from cm.store.claim import claim_quota, claim_storage, mib, release_quota, release_storage
from cm.store.saving import fail_saved, insert_saved, note_save, root_disk
from cm.store.storage import candidates, find_attachment
from cm.store.vm import VMRow


@dataclass(eq=False)
class StorageNotOnNode(Conflict):
    """A VM's disk is on its node's own storage, and has to be copied by that node to where images lie."""

    code = "storage_not_on_node"
    message = "Storage {storage_id} is not attached to node {node_id}, which alone has the VM's disk."
    storage_id: int
    node_id: int


def reserve_image(session: Session, row: VMRow, name: str, description: str) -> int:
    """
    ``insert_image``, noted as what the VM is going to be when it has ended.
    """
    image_id = insert_image(session, row, name, description)
    note_save(session, row.id, image_id, name, description)
    return image_id


def insert_image(session: Session, row: VMRow, name: str, description: str, source_id: int | None = None) -> int:
    """
    Make the row of an image of a VM's root disk, with its owner's quota and its room on the storage claimed.

    It belongs to the VM's account, whoever asked for the save, as the disk did; and it is shared with nobody.

    :param source_id: the volume that it is copied from, where that has to stay until then.
    :raises QuotaReached: it would not fit the owner's quota.
    :raises StorageFull: it would not fit the storage.
    :raises NoStorage: StorageNotOnNode: its disk is on its node's own storage, and for the image there is none that
        this node has.
    """
    disk = root_disk(session, row.id)
    if disk is None:
        raise ObjectNotFound("disk of vm", row.id)
    storage_id, kind = disk.storage_id, disk.storage_kind
    if storage_id is None or kind is None:
        chosen = choose(candidates(session), disk.size_bytes)
        if chosen is None:
            raise NoStorage()
        storage_id, kind = chosen.id, chosen.kind
    if disk.own_node_id is not None and find_attachment(session, storage_id, disk.own_node_id) != "attached":
        raise StorageNotOnNode(storage_id, disk.own_node_id)
    claim_quota(session, row.account_id, storage_mib=mib(disk.size_bytes))
    claim_storage(session, storage_id, disk.size_bytes)
    key, format = uuid.uuid4(), capabilities(kind).format
    image_id = insert_saved(
        session,
        disk,
        storage_id,
        uuid=key,
        volume=image_volume(key, format),
        format=format,
        name=name,
        description=description,
        account_id=row.account_id,
        source_id=source_id,
    )
    record_change(session, "image", image_id, row.account_id, "enter")
    return image_id


def give_back_image(session: Session, image_id: int, error: str) -> None:
    """Undo ``reserve_image`` after a failure, once: the row stays as failed and deleted, so that it can be read."""
    found = fail_saved(session, image_id, error)
    if found is None:
        return
    release_quota(session, found.account_id, storage_mib=mib(found.claimed_bytes))
    release_storage(session, found.storage_id, found.claimed_bytes)
    record_change(session, "image", image_id, found.account_id, "exit")
