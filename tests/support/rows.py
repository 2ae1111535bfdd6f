"""Rows that tests begin with, where it takes several for one thing: images with their volumes, VMs' disks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

# One statement, which gives the image's id: what runs it may take what a table is to be.
IMAGE: Final = """
WITH lies AS (
    INSERT INTO volume (storage_id, name, format, size_bytes, claimed_bytes, made)
    SELECT CAST(:storage_id AS bigint), CAST(:volume AS text), CAST(:format AS text), CAST(:size_bytes AS bigint),
           CAST(:claimed_bytes AS bigint), :state = 'ok' WHERE :state <> 'deleted'
    RETURNING id
), made AS (
    INSERT INTO image (uuid, kind, name, account_id, volume_id, state, access, deleted_at)
    SELECT coalesce(CAST(:uuid AS uuid), gen_random_uuid()), :kind, CAST(:name AS text), CAST(:account_id AS bigint),
           (SELECT id FROM lies), CAST(:state AS text), :access,
           CASE WHEN :state = 'deleted' THEN now() - interval '1 hour' END
    RETURNING id, kind, account_id, volume_id
), disked AS (
    INSERT INTO disk (account_id, image_id, volume_id)
    SELECT account_id, id, volume_id FROM made WHERE kind <> 'system' AND volume_id IS NOT NULL
)
SELECT id FROM made
"""
_AS_MOST: Final = {
    "kind": "system", "name": "i", "format": "qcow2", "size_bytes": 0, "claimed_bytes": 0, "state": "ok",
    "access": "private", "uuid": None,
}  # fmt: skip


def image_values(account_id: int, storage_id: int, volume: str, **more: Any) -> dict[str, Any]:
    """What ``IMAGE`` takes. One that is "deleted" was an hour ago."""
    return {**_AS_MOST, "account_id": account_id, "storage_id": storage_id, "volume": volume, **more}


def add_image(sql: Callable[..., Any], account_id: int, storage_id: int, volume: str = "v", **more: Any) -> Any:
    """
    :param sql: runs a statement in a transaction.
    :return: what that gives, of one row with the image's id.
    """
    return sql(IMAGE, **image_values(account_id, storage_id, volume, **more))


# A VM's own disk, whose volume is named as the VM's number says.
OWN_DISK: Final = """
WITH lies AS (
    INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes)
    SELECT CAST(:storage_id AS bigint), 'vm-' || CAST(:vm_id AS bigint), 'qcow2', 'overlay', volume_id,
           CAST(:size_bytes AS bigint), CAST(:size_bytes AS bigint)
      FROM image WHERE id = (SELECT image_id FROM vm WHERE id = :vm_id)
    RETURNING id
), held AS (
    INSERT INTO disk (account_id, volume_id) SELECT v.account_id, lies.id FROM lies, vm v WHERE v.id = :vm_id
    RETURNING id
)
INSERT INTO attachment (vm_id, number, disk_id, device, bus, boot_order, delete_with_vm)
SELECT CAST(:vm_id AS bigint), 0, id, 'vda', 'virtio', 1, true FROM held
"""

ATTACH: Final = """
INSERT INTO attachment (vm_id, number, disk_id, device, bus, read_only, cdrom)
SELECT CAST(:vm_id AS bigint), (SELECT coalesce(max(number), 0) + 1 FROM attachment WHERE vm_id = :vm_id), k.id,
       CAST(:device AS text), 'sata', CAST(:read_only AS boolean), i.kind = 'iso'
  FROM disk k JOIN image i ON i.id = k.image_id WHERE i.id = :image_id
"""
