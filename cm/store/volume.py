"""Which volumes should be on a storage, and whose the others were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.names import console_volume
from cm.store.conditions import is_open


@dataclass(frozen=True)
class Expected:
    """What should be on a storage, read before it was listed."""

    live: frozenset[str]  # volumes that must be there
    passing: frozenset[str]  # volumes of work under way, which may come and go


def expected(session: Session, storage_id: int) -> Expected:
    live = session.scalars(
        text(
            "SELECT d.volume FROM disk d JOIN vm v ON v.id = d.vm_id WHERE d.storage_id = :s AND d.deleted_at IS NULL"
            " AND d.made AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id"
            f"  AND {is_open('o')})"
            " UNION ALL SELECT volume FROM image WHERE storage_id = :s AND state = 'ok' AND deleted_at IS NULL"
        ),
        {"s": storage_id},
    )
    passing = session.scalars(
        text(
            "SELECT volume FROM disk WHERE storage_id = :s AND deleted_at IS NULL"
            " UNION ALL SELECT volume FROM image WHERE storage_id = :s AND (deleted_at IS NULL OR EXISTS"
            "  (SELECT 1 FROM operation_object h WHERE h.kind = 'image' AND h.object_id = image.id AND h.exclusive))"
        ),
        {"s": storage_id},
    )
    open_vms = session.scalars(text("SELECT uuid FROM vm WHERE closed_at IS NULL"))
    return Expected(frozenset(live), frozenset(passing) | {console_volume(uuid) for uuid in open_vms})


@dataclass(frozen=True)
class Ended:
    """Of the uuids in volumes' names, those of closed VMs and of images that ended."""

    over: frozenset[str]
    last_on: Mapping[str, int]  # those of VMs that may still run, where one was erased; by uuid, the node's id


def ended(session: Session, uuids: Sequence[str]) -> Ended:
    """A VM may be closed without its node's word (``release.erase``): until that node answers or is deleted, its domain
    may be there, and write."""
    found = session.execute(
        text(
            "SELECT v.uuid::text AS uuid, n.id AS node_id FROM vm v"
            " LEFT JOIN node n ON n.id = v.node_id AND n.deleted_at IS NULL"
            " WHERE v.uuid = ANY(CAST(:u AS uuid[])) AND v.closed_at < now() - interval '1 minute'"
            " UNION ALL SELECT uuid::text, NULL FROM image WHERE uuid = ANY(CAST(:u AS uuid[]))"
            " AND deleted_at < now() - interval '1 minute'"
        ),
        {"u": list(uuids)},
    ).all()
    return Ended(
        frozenset(row.uuid for row in found if row.node_id is None),
        {row.uuid: row.node_id for row in found if row.node_id is not None},
    )
