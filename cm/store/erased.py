"""
What erased VMs may still write to. An administrator erases a VM whose node does not answer (``services/release.py``);
its domain may run there all the same, so what it had is nobody else's to write to, nor to be deleted and its room used
anew, until that node was seen without it, or is no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import InUse
from cm.store.conditions import is_open

# Disks that are not its own, with what their snapshots hold; what a disk of it is being moved to, or has left and is
# being deleted; what is being made ready for it.
_NOTE = text(
    f"""
WITH d AS (SELECT disk_id AS id FROM attachment WHERE vm_id = :id AND disk_id IS NOT NULL AND NOT read_only),
w AS (
    SELECT volume_id AS id FROM disk WHERE id IN (SELECT id FROM d) UNION
    SELECT volume_id FROM snapshot WHERE disk_id IN (SELECT id FROM d) UNION
    SELECT spare_id FROM snapshot WHERE disk_id IN (SELECT id FROM d) UNION
    SELECT volume_id FROM reservation WHERE vm_id = :id UNION
    SELECT volume_id FROM suspension WHERE vm_id = :id UNION
    SELECT volume_id FROM seed WHERE vm_id = :id UNION
    SELECT id FROM volume WHERE mode = 'copy' AND backing_id IN
           (SELECT volume_id FROM disk WHERE id IN (SELECT id FROM d)) UNION
    SELECT CAST(v AS bigint) FROM operation o CROSS JOIN LATERAL jsonb_array_elements_text(o.objects -> 'volume') AS v
     WHERE ({is_open("o")}) AND (o.vm_id = :id OR o.kind = 'volume_delete' AND o.arguments ->> 'vm_id' = :text)
)
INSERT INTO leftover_volume (storage_id, name, vm_id, node_ids)
SELECT u.storage_id, u.name, :id, CAST(:nodes AS bigint[]) FROM volume u JOIN w ON w.id = u.id
ON CONFLICT (storage_id, name) DO UPDATE SET vm_id = excluded.vm_id, node_ids = excluded.node_ids
"""
)


def note_written(session: Session, vm_id: int, node_ids: Sequence[int]) -> None:
    """
    A VM is going to be erased: note all that its domain may write to.

    :param node_ids: that may run it.
    """
    session.execute(_NOTE, {"id": vm_id, "text": str(vm_id), "nodes": list(node_ids)})


# Of a volume ``u``.
MAY_BE_WRITTEN: Final = """EXISTS (SELECT 1 FROM leftover_volume l JOIN node n ON n.id = ANY(l.node_ids)
    AND n.deleted_at IS NULL WHERE l.storage_id = u.storage_id AND l.name = u.name)"""
_WRITERS: Final = """
SELECT u.name, v.id, n.name AS node FROM leftover_volume u JOIN vm v ON v.id = u.vm_id
  JOIN node n ON n.id = ANY(u.node_ids) AND n.deleted_at IS NULL
"""


def _told(vm_id: int, node: str) -> str:
    return f"VM {vm_id}, which was erased, and may run until node {node} is seen without it"


def written_volumes(session: Session, storage_id: int) -> Mapping[str, str]:
    """The volumes of a storage that erased VMs may write to, and which VM each."""
    found = session.execute(text(f"{_WRITERS} WHERE u.storage_id = :s"), {"s": storage_id})
    return {row.name: _told(row.id, row.node) for row in found}


def written_by(session: Session, object_id: int, kind: Literal["disk", "image"] = "disk") -> str:
    """The erased VM that may write to a disk, or to an entry of the catalogue, in words; "": none."""
    row = session.execute(
        text(
            f"{_WRITERS} JOIN volume w ON w.storage_id = u.storage_id AND w.name = u.name"
            f" WHERE w.id = (SELECT volume_id FROM {kind} WHERE id = :id) LIMIT 1"
        ),
        {"id": object_id},
    ).first()
    return "" if row is None else _told(row.id, row.node)


def refuse_erased(session: Session, object_id: int, kind: Literal["disk", "image"] = "disk") -> None:
    """:raises InUse: an erased VM may write to it."""
    told = written_by(session, object_id, kind)
    if told:
        raise InUse(kind, object_id, told)


def seen_without(session: Session, node_id: int, uuids: Sequence[str]) -> None:
    """
    A node was looked at. What was erased just now may be on its way there.

    :param uuids: of all domains that it has.
    """
    session.execute(
        text(
            "UPDATE leftover_volume l SET node_ids = array_remove(node_ids, CAST(:n AS bigint)) FROM vm v"
            " WHERE v.id = l.vm_id AND :n = ANY(l.node_ids) AND v.closed_at < now() - interval '1 minute'"
            " AND NOT v.uuid = ANY(CAST(:uuids AS uuid[]))"
        ),
        {"n": node_id, "uuids": list(uuids)},
    )
