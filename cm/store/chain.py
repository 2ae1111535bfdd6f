"""The chains of volumes that guests read their disks through."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.operation import GAVE_WAY
from cm.store.conditions import is_open, unsettled

# Of a disk: what it is written to, and the snapshots' volumes below that.
_CHAIN: Final = """
SELECT k.id AS disk_id, u.backing_id, 1 AS depth, CAST(NULL AS bigint) AS snapshot_id
  FROM disk k JOIN volume u ON u.id = k.volume_id WHERE {which}
UNION ALL
SELECT c.disk_id, u.backing_id, c.depth + 1, s.id
  FROM chain c JOIN volume u ON u.id = c.backing_id JOIN snapshot s ON s.volume_id = u.id AND s.disk_id = c.disk_id
"""

_LONG: Final = f"""
WITH RECURSIVE many AS (
    SELECT s.disk_id, a.vm_id FROM snapshot s JOIN attachment a ON a.disk_id = s.disk_id AND NOT a.read_only
      JOIN vm v ON v.id = a.vm_id AND v.closed_at IS NULL AND v.seen IN ('running', 'paused')
     GROUP BY s.disk_id, a.vm_id HAVING count(*) >= :limit
), chain AS ({_CHAIN.format(which="k.id IN (SELECT disk_id FROM many)")})
SELECT m.disk_id, m.vm_id FROM many m JOIN chain c ON c.disk_id = m.disk_id
 WHERE NOT EXISTS (SELECT 1 FROM operation_object h WHERE h.kind = 'disk' AND h.object_id = m.disk_id AND h.exclusive)
   AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = m.vm_id AND o.kind = 'disk_flatten' AND {is_open("o")})
   AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = m.vm_id AND o.kind = 'disk_flatten'
                      AND o.state IN ('failed', 'abandoned') AND (o.objects -> 'disk' ->> 0)::bigint = m.disk_id
                      AND o.finished_at > now() - make_interval(secs => CASE
                          WHEN o.state = 'abandoned' AND o.result ->> '{GAVE_WAY}' IS NOT NULL THEN :soon_s
                          ELSE :again_s END))
   AND {unsettled("m.disk_id")} IS NULL
 GROUP BY m.disk_id, m.vm_id HAVING max(c.depth) > :limit ORDER BY max(c.depth) DESC, m.disk_id LIMIT :most
"""
_LOWEST: Final = f"""
WITH RECURSIVE chain AS ({_CHAIN.format(which="k.id = :id")})
SELECT snapshot_id FROM chain WHERE depth > 1 ORDER BY depth DESC LIMIT 1
"""


def long_chains(session: Session, limit: int, most: int, again_s: float, soon_s: float) -> list[tuple[int, int]]:
    """
    Disks of running VMs that are read through more than ``limit`` volumes of their own, with these VMs, the longest
    first; without those that something is under way on, or whose domain may write to another volume than is on record.

    :param again_s: nor those for which it came to nothing since so long; ``soon_s``: or gave way to other work.
    """
    found = session.execute(text(_LONG), {"limit": limit, "most": most, "again_s": again_s, "soon_s": soon_s})
    return [(row.disk_id, row.vm_id) for row in found]


def lowest_of(session: Session, disk_id: int) -> int | None:
    """The snapshot that is at the bottom of what a disk stands on; None: it stands on none of its own."""
    found: int | None = session.scalar(text(_LOWEST), {"id": disk_id})
    return found
