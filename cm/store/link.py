"""
Links: networks that nodes' agents make, each on the nodes that carry it; what agents have told of them.

A node carries a network while it has a VM on it, or one is on its way there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.database import CHANNEL, note_notified
from cm.runtime.prepared import Prepared
from cm.store.node_document import DOCUMENT

LINKS: Final = "links"  # with a node's number: what launches wait for

_CARRIERS: Final = """
SELECT t.node_id, pg_notify(:channel, :document || ':' || t.node_id) FROM (
    SELECT DISTINCT unnest(ARRAY[v.node_id, v.moves_to]) AS node_id
      FROM network w JOIN nic c ON c.network_id = w.id JOIN vm v ON v.id = c.vm_id
     WHERE {networks} AND w.kind <> 'nat' AND v.closed_at IS NULL) t
 WHERE t.node_id IS NOT NULL
"""
_OF_VM = Prepared(
    "links_changed", _CARRIERS.format(networks="w.id IN (SELECT network_id FROM nic WHERE vm_id = :vm_id)")
)
_OF_NETWORK = Prepared("link_changed", _CARRIERS.format(networks="w.id = :network_id"))
_OF_NODE = Prepared(
    "tunnels_changed",
    _CARRIERS.format(
        networks="w.id IN (SELECT c.network_id FROM nic c JOIN vm v ON v.id = c.vm_id"
        " WHERE v.closed_at IS NULL AND (v.node_id = :node_id OR v.moves_to = :node_id))"
    ),
)


def links_changed(session: Session, vm_id: int) -> None:
    """
    The nodes that carry a VM's networks are told: it is new there, goes, was placed elsewhere, or is called otherwise.
    Who takes it from a node, or closes it, says so before that.
    """
    _tell(session, _OF_VM(session, vm_id=vm_id, channel=CHANNEL, document=DOCUMENT))


def link_changed(session: Session, network_id: int) -> None:
    """The nodes that carry a network are told that something of it is another."""
    _tell(session, _OF_NETWORK(session, network_id=network_id, channel=CHANNEL, document=DOCUMENT))


def tunnels_changed(session: Session, node_id: int) -> None:
    """The nodes that have tunnels to this one are told that they end elsewhere."""
    _tell(session, _OF_NODE(session, node_id=node_id, channel=CHANNEL, document=DOCUMENT))


def _tell(session: Session, nodes: Iterable[Any]) -> None:
    for row in nodes:
        note_notified(session, f"{DOCUMENT}:{row.node_id}")


_MISSING = Prepared(
    "missing_links",
    "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM node_report WHERE node_id = :node_id"
    " AND links @> CAST(:links AS text[]))",
)


def missing_links(session: Session, node_id: int, links: Sequence[str]) -> bool:
    """Whether a node's agent has not told that it has all of these bridges."""
    return _MISSING(session, node_id=node_id, links=list(links)).first() is not None


def makes_link(session: Session, node_id: int, uplink: str) -> bool:
    """Whether a node's agent makes networks, and has the node's own interface or bridge that one is on; "": on none."""
    asked = text("SELECT makes_links AND (:uplink = '' OR :uplink = ANY(uplinks)) FROM node WHERE id = :id")
    return bool(session.scalar(asked, {"id": node_id, "uplink": uplink}))


def forget_links(session: Session, node_id: int, links: Sequence[str]) -> None:
    """These bridges were found to be gone; its agent's next report tells."""
    session.execute(
        text(
            "UPDATE node_report SET links = ARRAY(SELECT unnest(links) EXCEPT SELECT unnest(CAST(:links AS text[])))"
            " WHERE node_id = :id"
        ),
        {"id": node_id, "links": list(links)},
    )
