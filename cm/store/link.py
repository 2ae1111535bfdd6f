"""
Links: networks that nodes' agents make, each on the nodes that carry it; what agents have told of them.

A node carries a network while it has a VM on it, or one is on its way there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.database import CHANNEL, note_notified
from cm.runtime.prepared import Prepared
from cm.store.node_document import DOCUMENT

LINKS: Final = "links"  # with a node's number: what launches wait for

_CHANGED = Prepared(
    "links_changed",
    """
SELECT t.node_id, pg_notify(:channel, :document || ':' || t.node_id) FROM (
    SELECT DISTINCT unnest(ARRAY[v.node_id, v.moves_to]) AS node_id
      FROM nic own JOIN network w ON w.id = own.network_id AND w.kind <> 'nat' JOIN nic c ON c.network_id = w.id
      JOIN vm v ON v.id = c.vm_id WHERE own.vm_id = :vm_id AND v.closed_at IS NULL) t
 WHERE t.node_id IS NOT NULL
""",
)


def links_changed(session: Session, vm_id: int) -> None:
    """The nodes that carry a VM's networks are told: it is new there, has gone, or was placed elsewhere."""
    for row in _CHANGED(session, vm_id=vm_id, channel=CHANNEL, document=DOCUMENT):
        note_notified(session, f"{DOCUMENT}:{row.node_id}")


_MISSING = Prepared(
    "missing_links",
    "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM node_report WHERE node_id = :node_id"
    " AND links @> CAST(:links AS text[]))",
)


def missing_links(session: Session, node_id: int, links: Sequence[str]) -> bool:
    """Whether a node's agent has not told that it has all of these bridges."""
    return _MISSING(session, node_id=node_id, links=list(links)).first() is not None


def forget_links(session: Session, node_id: int, links: Sequence[str]) -> None:
    """These bridges were found to be gone; its agent's next report tells."""
    session.execute(
        text(
            "UPDATE node_report SET links = ARRAY(SELECT unnest(links) EXCEPT SELECT unnest(CAST(:links AS text[])))"
            " WHERE node_id = :id"
        ),
        {"id": node_id, "links": list(links)},
    )
