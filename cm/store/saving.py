"""The image that a VM's disk is saved to, from its reservation to its end."""

from __future__ import annotations

import uuid as uuid_module
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import DiskFormat, ImageState

_ROOT = text(
    """
SELECT CASE WHEN s.node_id IS NULL THEN s.id ELSE t.id END AS storage_id, s.node_id AS own_node_id,
       CASE WHEN s.node_id IS NULL THEN s.kind ELSE t.kind END AS storage_kind, u.size_bytes, i.platform,
       i.disk_controller, i.network_device, i.video_device, i.system, i.architecture, i.least_memory_mib,
       i.default_user, i.agent, i.metadata_source, v.firmware, v.machine,
       i.imds_tokens, i.imds_hop_limit, i.imds_enabled
  FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id
  JOIN storage s ON s.id = u.storage_id JOIN vm v ON v.id = a.vm_id JOIN image i ON i.id = v.image_id
  LEFT JOIN volume b ON b.id = i.volume_id LEFT JOIN storage t ON t.id = b.storage_id
 WHERE a.vm_id = :id AND a.number = 0
"""
)


@dataclass(frozen=True)
class RootDisk:
    """
    A VM's root disk, with what the image that it was made of says of its guest.

    :ivar storage_id: the one that an image of it is to lie on: its own, or where that is its node's alone the one that
        it was made from; None: that image is deleted.
    :ivar own_node_id: the node that alone has the disk.
    """

    storage_id: int | None
    storage_kind: str | None
    own_node_id: int | None
    size_bytes: int
    platform: str
    disk_controller: str
    network_device: str
    video_device: str
    system: str
    architecture: str
    least_memory_mib: int
    default_user: str
    agent: bool
    metadata_source: str
    firmware: str  # as the VM has it now
    machine: str
    imds_tokens: str
    imds_hop_limit: int
    imds_enabled: bool


def root_disk(session: Session, vm_id: int) -> RootDisk | None:
    found = session.execute(_ROOT, {"id": vm_id}).first()
    return None if found is None else RootDisk(**found._mapping)


def root_disk_id(session: Session, vm_id: int) -> int | None:
    found: int | None = session.scalar(
        text("SELECT disk_id FROM attachment WHERE vm_id = :id AND number = 0"), {"id": vm_id}
    )
    return found


_INSERT = text(
    """
WITH lies AS (
    INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes)
    VALUES (:storage_id, :volume, :format, CASE WHEN CAST(:source_id AS bigint) IS NULL THEN 'whole' ELSE 'copy' END,
            :source_id, :size_bytes, :size_bytes)
    RETURNING id
)
INSERT INTO image (uuid, kind, name, description, account_id, volume_id, state, platform, disk_controller,
                   network_device, video_device, system, architecture, least_memory_mib, default_user, agent,
                   metadata_source, firmware, machine, imds_tokens, imds_hop_limit, imds_enabled)
SELECT :uuid, 'system', :name, :description, :account_id, id, 'adding', :platform, :disk_controller, :network_device,
       :video_device, :system, :architecture, :least_memory_mib, :default_user, :agent, :metadata_source,
       :firmware, :machine, :imds_tokens, :imds_hop_limit, :imds_enabled FROM lies
RETURNING id
"""
)


def insert_saved(
    session: Session,
    disk: RootDisk,
    storage_id: int,
    *,
    uuid: uuid_module.UUID,
    volume: str,
    format: DiskFormat,
    name: str,
    description: str,
    account_id: int,
    source_id: int | None = None,
) -> int:
    """
    The image that a disk is going to be saved to; it is claimed for already.

    :param source_id: the volume that it is copied from, which stays until then.
    :return: its id.
    """
    values = {
        **vars(disk),
        "storage_id": storage_id,
        "uuid": uuid,
        "volume": volume,
        "format": format,
        "name": name,
        "description": description,
        "account_id": account_id,
        "source_id": source_id,
    }
    return int(session.execute(_INSERT, values).scalar_one())


def note_save(session: Session, vm_id: int, image_id: int, name: str, description: str) -> None:
    """Which image a VM is saved to, and how it is named; the names stay when it is given back."""
    session.execute(
        text("UPDATE vm SET save_image_id = :image_id, save_name = :name, save_description = :d WHERE id = :id"),
        {"image_id": image_id, "name": name, "d": description, "id": vm_id},
    )


@dataclass(frozen=True)
class Failed:
    """What an image held that is not going to be."""

    account_id: int
    storage_id: int
    claimed_bytes: int


def fail_saved(session: Session, image_id: int, error: str) -> Failed | None:
    """
    An image is not going to be: its row stays as failed and deleted, so that it can be read, and its VM has none.

    :return: what it held, to be given back; None where it was made, or had failed before: nothing changed.
    """
    found = session.execute(
        text(
            "SELECT i.account_id, i.volume_id, u.storage_id, u.claimed_bytes FROM image i"
            " JOIN volume u ON u.id = i.volume_id WHERE i.id = :id AND i.deleted_at IS NULL AND i.state = 'adding'"
            " FOR UPDATE OF i"
        ),
        {"id": image_id},
    ).first()
    if found is None:
        return None
    session.execute(
        text(
            "UPDATE image SET state = 'failed', error = :error, deleted_at = clock_timestamp(), volume_id = NULL"
            " WHERE id = :id AND deleted_at IS NULL AND state = 'adding'"
        ),
        {"id": image_id, "error": error},
    )
    session.execute(text("DELETE FROM volume WHERE id = :id"), {"id": found.volume_id})
    session.execute(text("UPDATE vm SET save_image_id = NULL WHERE save_image_id = :id"), {"id": image_id})
    return Failed(found.account_id, found.storage_id, found.claimed_bytes)


@dataclass(frozen=True)
class SavedImage:
    """:ivar volume: volume_id: storage_id: of one that is deleted, None."""

    id: int
    state: ImageState
    volume_id: int | None
    volume: str | None
    storage_id: int | None


def find_saved(session: Session, image_id: int | None) -> SavedImage | None:
    """The image that a VM is saved to, be it deleted since; None without one."""
    if image_id is None:
        return None
    found = session.execute(
        text(
            "SELECT i.id, i.state, u.id AS volume_id, u.name AS volume, u.storage_id FROM image i LEFT JOIN volume u"
            " ON u.id = i.volume_id WHERE i.id = :id"
        ),
        {"id": image_id},
    ).first()
    return None if found is None else SavedImage(**{**found._mapping, "state": ImageState(found.state)})


def keep_saved(session: Session, image_id: int, size_bytes: int) -> int:
    """
    The image is made.

    :param size_bytes: that a guest sees; it is never less than was claimed.
    :return: whose it is.
    :raises NoResultFound: it was given up meanwhile.
    """
    return int(
        session.execute(
            text(
                "WITH kept AS (UPDATE image SET state = 'ok', progress = 100 WHERE id = :id AND state = 'adding'"
                " RETURNING account_id, volume_id), lies AS (UPDATE volume u SET made = true,"
                " size_bytes = greatest(u.size_bytes, :size) FROM kept WHERE u.id = kept.volume_id)"
                " SELECT account_id FROM kept"
            ),
            {"id": image_id, "size": size_bytes},
        ).scalar_one()
    )
