"""The image that a VM's disk is saved to, from its reservation to its end."""

from __future__ import annotations

import uuid as uuid_module
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import ImageState

_ROOT = text(
    """
SELECT d.storage_id, d.size_bytes, i.platform, i.disk_controller, i.network_device, i.video_device, i.system,
       i.architecture, i.least_memory_mib, i.default_user, i.agent
  FROM disk d JOIN image i ON i.id = d.image_id WHERE d.vm_id = :id AND d.deleted_at IS NULL ORDER BY d.id LIMIT 1
"""
)


@dataclass(frozen=True)
class RootDisk:
    """A VM's first disk, with what the image that it was made of says of its guest."""

    storage_id: int
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


def root_disk(session: Session, vm_id: int) -> RootDisk | None:
    found = session.execute(_ROOT, {"id": vm_id}).first()
    return None if found is None else RootDisk(**found._mapping)


_INSERT = text(
    """
INSERT INTO image (uuid, kind, name, description, account_id, storage_id, volume, format, size_bytes, claimed_bytes,
                   state, platform, disk_controller, network_device, video_device, system, architecture,
                   least_memory_mib, default_user, agent)
VALUES (:uuid, 'system', :name, :description, :account_id, :storage_id, :volume, 'qcow2', :size_bytes, :size_bytes,
        'adding', :platform, :disk_controller, :network_device, :video_device, :system, :architecture,
        :least_memory_mib, :default_user, :agent)
RETURNING id
"""
)


def insert_saved(
    session: Session,
    disk: RootDisk,
    *,
    uuid: uuid_module.UUID,
    volume: str,
    name: str,
    description: str,
    account_id: int,
) -> int:
    """
    The image that a disk is going to be saved to; it is claimed for already.

    :return: its id.
    """
    values = {
        **vars(disk),
        "uuid": uuid,
        "volume": volume,
        "name": name,
        "description": description,
        "account_id": account_id,
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
            "UPDATE image SET state = 'failed', error = :error, deleted_at = clock_timestamp()"
            " WHERE id = :id AND deleted_at IS NULL AND state = 'adding'"
            " RETURNING account_id, storage_id, claimed_bytes"
        ),
        {"id": image_id, "error": error},
    ).first()
    if found is None:
        return None
    session.execute(text("UPDATE vm SET save_image_id = NULL WHERE save_image_id = :id"), {"id": image_id})
    return Failed(found.account_id, found.storage_id, found.claimed_bytes)


@dataclass(frozen=True)
class SavedImage:
    id: int
    volume: str
    state: ImageState
    storage_id: int


def find_saved(session: Session, image_id: int | None) -> SavedImage | None:
    """The image that a VM is saved to, be it deleted since; None without one."""
    if image_id is None:
        return None
    found = session.execute(
        text("SELECT id, volume, state, storage_id FROM image WHERE id = :id"), {"id": image_id}
    ).first()
    return None if found is None else SavedImage(found.id, found.volume, ImageState(found.state), found.storage_id)


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
                "UPDATE image SET state = 'ok', progress = 100, size_bytes = greatest(size_bytes, :size)"
                " WHERE id = :id AND state = 'adding' RETURNING account_id"
            ),
            {"id": image_id, "size": size_bytes},
        ).scalar_one()
    )
