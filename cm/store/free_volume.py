"""
Volumes that are no disk's and no image's, and may be used again: which there are, how they come to be, and how they go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results import storage as results
from cm.rpc.errors import InUse, ObjectNotFound
from cm.rpc.vocabulary import DiskFormat
from cm.rules.attach_or_create import FreeVolume, Want
from cm.runtime.rows import has_row
from cm.store.claim import mib, release_quota, release_storage
from cm.store.erased import MAY_BE_WRITTEN, written_volumes
from cm.store.unknown import held_volumes, refuse_held_volume

_FREE = text(
    """
SELECT u.id, u.storage_id, u.name, u.size_bytes, u.format, f.account_id, f.writer_id, f.clean
  FROM free_volume f JOIN volume u ON u.id = f.volume_id
 WHERE u.storage_id = ANY(:storages) AND u.size_bytes BETWEEN :least AND :most AND u.made AND NOT f.doomed
   AND u.lost_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM reservation r WHERE r.volume_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM volume o WHERE o.backing_id = u.id)
"""
)


def free_volumes(session: Session, want: Want, storages: Sequence[int]) -> list[FreeVolume]:
    """
    Free volumes on these storages of about the size. What an unknown domain uses is not free, whatever we know, nor is
    what an erased VM may write to.
    """
    values = {"storages": list(storages), "least": want.least_bytes, "most": want.most_bytes}
    rows = session.execute(_FREE, values).all()
    held = {
        storage_id: {**held_volumes(session, storage_id), **written_volumes(session, storage_id)}
        for storage_id in {row.storage_id for row in rows}
    }
    return [
        FreeVolume(
            row.id, row.storage_id, row.size_bytes, DiskFormat(row.format), row.account_id, row.writer_id, row.clean
        )
        for row in rows
        if row.name not in held[row.storage_id]
    ]


def count_free(session: Session, storages: Sequence[int]) -> int:
    """How many free volumes are on these storages, of any size."""
    return int(
        session.execute(
            text(
                "SELECT count(*) FROM free_volume f JOIN volume u ON u.id = f.volume_id WHERE u.storage_id = ANY(:s)"
                " AND NOT f.doomed AND NOT EXISTS (SELECT 1 FROM reservation r WHERE r.volume_id = u.id)"
            ),
            {"s": list(storages)},
        ).scalar_one()
    )


def delete_volume(session: Session, volume_id: int) -> None:
    """A volume that is nobody's is gone, and with it what is claimed for it and that it was free."""
    found = session.execute(
        text("DELETE FROM volume WHERE id = :id RETURNING storage_id, claimed_bytes"), {"id": volume_id}
    ).first()
    if found is not None:
        release_storage(session, found.storage_id, found.claimed_bytes)


_SET_FREE = text(
    """
WITH t AS (
    DELETE FROM attachment WHERE vm_id = :vm_id AND delete_with_vm AND disk_id IN
           (SELECT id FROM disk WHERE volume_id = ANY(:volumes)) RETURNING disk_id
), k AS (
    DELETE FROM disk WHERE id IN (SELECT disk_id FROM t) RETURNING id, image_id, volume_id, account_id
), entries AS (
    UPDATE image SET state = 'deleted', deleted_at = clock_timestamp(), volume_id = NULL, version = version + 1
     WHERE id IN (SELECT image_id FROM k) RETURNING id, account_id
), told AS (
    INSERT INTO change (account_id, kind, object_id, event)
    SELECT account_id, 'image', id, 'exit' FROM entries UNION ALL
    SELECT account_id, 'disk', id, 'exit' FROM k WHERE image_id IS NOT NULL
), f AS (
    INSERT INTO free_volume (volume_id, writer_id, clean)
    SELECT volume_id, account_id, volume_id = ANY(:clean) FROM k RETURNING volume_id
)
SELECT u.claimed_bytes, k.account_id FROM k JOIN volume u ON u.id = k.volume_id
"""
)


def set_free(session: Session, vm_id: int, volumes: Sequence[int], clean: Sequence[int]) -> None:
    """
    A VM's own disks are its no more, and no entries; their volumes stay, for others to use. Repeatable.

    :param clean: those that read as zeros by now.
    """
    rows = session.execute(_SET_FREE, {"vm_id": vm_id, "volumes": list(volumes), "clean": list(clean)}).all()
    for row in rows:
        release_quota(session, row.account_id, storage_mib=mib(row.claimed_bytes))


_LIST: Final = """
SELECT u.id AS volume_id, u.storage_id, u.name, u.format, u.size_bytes, f.account_id, f.writer_id, f.clean,
       f.doomed AS deleting, f.created_at AS since, r.vm_id AS reserved_for
  FROM free_volume f JOIN volume u ON u.id = f.volume_id LEFT JOIN reservation r ON r.volume_id = u.id
"""


def list_free(session: Session, storage_id: int | None, *, limit: int, before: int | None) -> list[results.FreeVolume]:
    """A page of the free volumes of a storage, or of all, newest first."""
    found = session.execute(
        text(
            _LIST + " WHERE (CAST(:s AS bigint) IS NULL OR u.storage_id = :s)"
            " AND (CAST(:before AS bigint) IS NULL OR u.id < :before) ORDER BY u.id DESC LIMIT :limit"
        ),
        {"s": storage_id, "before": before, "limit": limit},
    )
    return [cast(results.FreeVolume, dict(row._mapping)) for row in found]


def doom_free(session: Session, volume_id: int) -> results.FreeVolume:
    """
    Have a free volume be deleted, soon.

    :raises ObjectNotFound: there is none of that id, or it is not free.
    :raises InUse: it is reserved for a VM, or an unknown domain uses it.
    """
    values = {"id": volume_id}
    session.execute(text("SELECT 1 FROM free_volume WHERE volume_id = :id FOR UPDATE"), values)
    found = session.execute(text(_LIST + " WHERE u.id = :id"), values).first()
    if found is None:
        raise ObjectNotFound("free volume", volume_id)
    if found.reserved_for is not None:
        raise InUse("free volume", volume_id, f"VM {found.reserved_for}, for which it is reserved")
    refuse_held_volume(session, found.storage_id, found.name)
    session.execute(text("UPDATE free_volume SET doomed = true WHERE volume_id = :id"), values)
    return cast(results.FreeVolume, {**found._mapping, "deleting": True})


@dataclass(frozen=True)
class Doomed:
    """A free volume that is to be deleted. ``wipe``: others would find on its storage what was written to it."""

    id: int
    storage_id: int
    name: str
    wipe: bool


def doomed_volumes(session: Session, limit: int = 100) -> list[Doomed]:
    found = session.execute(
        text(
            "SELECT u.id, u.storage_id, u.name, s.freed <> 'none' AND NOT f.clean AS wipe FROM free_volume f"
            " JOIN volume u ON u.id = f.volume_id JOIN storage s ON s.id = u.storage_id"
            f" WHERE f.doomed AND NOT {MAY_BE_WRITTEN} ORDER BY u.id LIMIT :limit"
        ),
        {"limit": limit},
    )
    return [Doomed(**row._mapping) for row in found]


def take_doomed(session: Session, volume_id: int) -> bool:
    """A free volume that is to be deleted is free no more: it is an operation's. :return: False where it was not."""
    return has_row(
        session, "DELETE FROM free_volume WHERE volume_id = :id AND doomed RETURNING 1", {"id": volume_id}
    )
