"""What of a node is ours, for those who would change something there; and domains that were saved to files."""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session


def vm_of_uuid(session: Session, uuid: str) -> int | None:
    """The VM whose domain has this uuid, also one that is destroyed."""
    found: int | None = session.scalar(
        text("SELECT id FROM vm WHERE uuid = :u"), {"u": uuid_module.UUID(uuid)}
    )
    return found


def is_vm(session: Session, number: int) -> bool:
    return session.scalar(text("SELECT 1 FROM vm WHERE id = :i"), {"i": number}) is not None


class OurVolume(NamedTuple):
    """A file that lies on a storage. ``recorded``: as a volume that we know."""

    path: str
    storage_id: int
    name: str
    recorded: bool


def on_storages(session: Session, node_id: int, paths: Sequence[str]) -> list[OurVolume]:
    """Those of the paths that are on a storage, as the node has them."""
    rows = session.execute(
        text(
            "SELECT p.path, s.id, substr(p.path, length(rtrim(s.path, '/')) + 2) AS name"
            " FROM unnest(CAST(:paths AS text[])) p (path)"
            " JOIN storage s ON s.deleted_at IS NULL AND s.path <> '' AND (s.node_id IS NULL OR s.node_id = :node)"
            " AND starts_with(p.path, rtrim(s.path, '/') || '/')"
        ),
        {"node": node_id, "paths": list(paths)},
    ).all()
    return [OurVolume(row.path, row.id, row.name, is_recorded(session, row.id, row.name)) for row in rows]


def is_recorded(session: Session, storage_id: int, volume: str) -> bool:
    found = session.scalar(
        text("SELECT 1 FROM volume WHERE storage_id = :s AND name = :n"), {"s": storage_id, "n": volume}
    )
    return found is not None


def overlapping_storage(session: Session, node_id: int, path: str) -> int | None:
    """A storage at this directory, in it or around it, as the node has it."""
    found: int | None = session.scalar(
        text(
            "SELECT id FROM storage s WHERE deleted_at IS NULL AND path <> '' AND (node_id IS NULL OR node_id = :node)"
            " AND (starts_with(CAST(:path AS text) || '/', rtrim(path, '/') || '/')"
            "  OR starts_with(rtrim(path, '/') || '/', CAST(:path AS text) || '/')) ORDER BY id LIMIT 1"
        ),
        {"node": node_id, "path": path},
    )
    return found


def is_foreign_volume(session: Session, node_id: int, path: str) -> bool:
    """Whether a pool that is none of our storages has a volume of this path, as it was seen."""
    found = session.scalar(
        text(
            "SELECT 1 FROM managed_object WHERE node_id = :node AND kind = 'volume'"
            " AND properties ->> 'path' = :path"
        ),
        {"node": node_id, "path": path},
    )
    return found is not None


# ------------------------------------------------------------------ saved domains


def record_saved(session: Session, node_id: int, path: str, uuid: str) -> None:
    """A domain's memory is in this file, anew."""
    session.execute(
        text(
            "INSERT INTO saved_domain (node_id, path, uuid) VALUES (:n, :p, :u) ON CONFLICT (node_id, path)"
            " DO UPDATE SET uuid = excluded.uuid, saved_at = clock_timestamp(), restored_at = NULL"
        ),
        {"n": node_id, "p": path, "u": uuid_module.UUID(uuid)},
    )


def take_saved(session: Session, node_id: int, path: str, uuid: str) -> bool:
    """Have a file be restored, once. False: it was."""
    found = session.execute(
        text(
            "INSERT INTO saved_domain AS s (node_id, path, uuid, restored_at) VALUES (:n, :p, :u, clock_timestamp())"
            " ON CONFLICT (node_id, path) DO UPDATE SET restored_at = clock_timestamp() WHERE s.restored_at IS NULL"
            " RETURNING 1"
        ),
        {"n": node_id, "p": path, "u": uuid_module.UUID(uuid)},
    )
    return found.first() is not None


def give_back_saved(session: Session, node_id: int, path: str) -> None:
    """libvirt refused to restore it."""
    session.execute(
        text("UPDATE saved_domain SET restored_at = NULL WHERE node_id = :n AND path = :p"), {"n": node_id, "p": path}
    )
