"""Queries about what guests are seeded by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.names import pool_name
from cm.runtime.prepared import Prepared


@dataclass(frozen=True)
class SeedRow:
    """:ivar made: it is written, and not lost since. :ivar read_at: when its guest had said hello."""

    vm_id: int
    account_id: int
    volume_id: int
    storage_id: int
    volume: str
    size_bytes: int
    claimed_bytes: int
    made: bool
    read_at: datetime | None

    @property
    def pool(self) -> str:
        return pool_name(self.storage_id)


_FIND = Prepared(
    "find_seed",
    "SELECT e.vm_id, v.account_id, e.volume_id, u.storage_id, u.name AS volume, u.size_bytes, u.claimed_bytes,"
    " u.made AND u.lost_at IS NULL AS made, e.read_at"
    " FROM seed e JOIN vm v ON v.id = e.vm_id JOIN volume u ON u.id = e.volume_id WHERE e.vm_id = :id",
)


_LIES: Final = (
    "WITH lies AS (INSERT INTO volume (storage_id, name, format, size_bytes, claimed_bytes)"
    " VALUES (:storage_id, :volume, 'raw', :size, :size) RETURNING id)"
)


def find_seed(session: Session, vm_id: int) -> SeedRow | None:
    found = _FIND(session, id=vm_id).first()
    return None if found is None else SeedRow(**found._mapping)


def insert_seed(session: Session, vm_id: int, storage_id: int, volume: str, size_bytes: int) -> None:
    """Of a VM that is being made; its room is claimed with the VM's."""
    values = {"vm_id": vm_id, "storage_id": storage_id, "volume": volume, "size": size_bytes}
    session.execute(text(f"{_LIES} INSERT INTO seed (vm_id, volume_id) SELECT :vm_id, id FROM lies"), values)


def switch_seed(session: Session, vm_id: int, storage_id: int, volume: str, size_bytes: int) -> None:
    """It is to be written anew, elsewhere, where its room is claimed; the volume is left, and nobody's."""
    values = {"vm_id": vm_id, "storage_id": storage_id, "volume": volume, "size": size_bytes}
    session.execute(text(f"{_LIES} UPDATE seed SET volume_id = lies.id FROM lies WHERE vm_id = :vm_id"), values)


def note_read(session: Session, vm_id: int) -> None:
    """A VM's guest has said hello: it has read what it is told."""
    session.execute(text("UPDATE seed SET read_at = coalesce(read_at, now()) WHERE vm_id = :id"), {"id": vm_id})


def delete_seed(session: Session, vm_id: int) -> None:
    """It is of no use any more; the volume is left, and nobody's."""
    session.execute(text("DELETE FROM seed WHERE vm_id = :id"), {"id": vm_id})
