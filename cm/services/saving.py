"""The image that a VM's disk is saved to: reserved when the save is asked for, given back if it fails."""

from __future__ import annotations

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import DiskFormat
from cm.rules.names import image_volume
from cm.store.change import record_change
from cm.store.claim import claim_quota, claim_storage, mib, release_quota, release_storage
from cm.store.vm import VMRow

_ROOT = text(
    """
SELECT d.storage_id, d.size_bytes, i.platform, i.disk_controller, i.network_device, i.video_device
  FROM disk d JOIN image i ON i.id = d.image_id WHERE d.vm_id = :id AND d.deleted_at IS NULL ORDER BY d.id LIMIT 1
"""
)

_INSERT = text(
    """
INSERT INTO image (uuid, kind, name, description, account_id, storage_id, volume, format, size_bytes, claimed_bytes,
                   state, platform, disk_controller, network_device, video_device)
VALUES (:uuid, 'system', :name, :description, :account_id, :storage_id, :volume, 'qcow2', :size, :size, 'adding',
        :platform, :disk, :network, :video)
RETURNING id
"""
)


def reserve_image(session: Session, row: VMRow, name: str, description: str) -> int:
    """
    Make the image's row, with its owner's quota and its room on the storage claimed, and note it as the VM's.

    It belongs to the VM's account, whoever asked for the save, as the disk did; and it is shared with nobody.

    :raises QuotaReached: it would not fit the owner's quota.
    :raises StorageFull: it would not fit the storage.
    """
    disk = session.execute(_ROOT, {"id": row.id}).first()
    if disk is None:
        raise ObjectNotFound("disk of vm", row.id)
    claim_quota(session, row.account_id, storage_mib=mib(disk.size_bytes))
    claim_storage(session, disk.storage_id, disk.size_bytes)
    key = uuid.uuid4()
    image_id = session.execute(
        _INSERT,
        {
            "uuid": key,
            "name": name,
            "description": description,
            "account_id": row.account_id,
            "storage_id": disk.storage_id,
            "volume": image_volume(key, DiskFormat.QCOW2),
            "size": disk.size_bytes,
            "platform": disk.platform,
            "disk": disk.disk_controller,
            "network": disk.network_device,
            "video": disk.video_device,
        },
    ).scalar_one()
    session.execute(
        text("UPDATE vm SET save_image_id = :i, save_name = :n, save_description = :d WHERE id = :id"),
        {"i": image_id, "n": name, "d": description, "id": row.id},
    )
    record_change(session, "image", image_id, row.account_id, "enter")
    return int(image_id)


def give_back_image(session: Session, image_id: int, error: str) -> None:
    """Undo ``reserve_image`` after a failure, once: the row stays as failed and deleted, so that it can be read."""
    found = session.execute(
        text(
            "UPDATE image SET state = 'failed', error = :error, deleted_at = clock_timestamp()"
            " WHERE id = :id AND deleted_at IS NULL AND state = 'adding'"
            " RETURNING account_id, storage_id, claimed_bytes"
        ),
        {"id": image_id, "error": error},
    ).first()
    if found is None:
        return
    release_quota(session, found.account_id, storage_mib=mib(found.claimed_bytes))
    release_storage(session, found.storage_id, found.claimed_bytes)
    session.execute(text("UPDATE vm SET save_image_id = NULL WHERE save_image_id = :id"), {"id": image_id})
    record_change(session, "image", image_id, found.account_id, "exit")
