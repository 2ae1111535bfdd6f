"""Queries about VMs that go to another node while they run: where from and to, and that they are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import Seen, SeenReason
from cm.rules.migration import migration_uri
from cm.runtime.prepared import Prepared


@dataclass(frozen=True)
class Way:
    """
    A node, as guests come to it.

    :ivar address: where its screens listen.
    :ivar uri: where other nodes reach its hypervisor; "": that is not known.
    :ivar info: what it told of itself, as ``NodeInfo``.
    """

    id: int
    name: str
    address: str
    uri: str
    info: Mapping[str, Any]


def ways(session: Session) -> Mapping[int, Way]:
    """To every node, by its id."""
    statement = "SELECT id, name, address, uri, migration_uri, info FROM node WHERE deleted_at IS NULL"
    found = session.execute(text(statement))
    return {
        row.id: Way(row.id, row.name, row.address, migration_uri(row.uri, row.migration_uri), row.info) for row in found
    }


def way_to(session: Session, node_id: int) -> Way:
    """:raises ObjectNotFound: there is no such node."""
    found = ways(session).get(node_id)
    if found is None:
        raise ObjectNotFound("node", node_id)
    return found


class Kept(NamedTuple):
    """
    :ivar storage: of a node's own, by its name.
    :ivar disk: whether a disk or a seed is there, else what its firmware keeps.
    """

    storage: str
    disk: bool


def kept_on(session: Session, vm_id: int) -> Kept | None:
    """A storage of its node's own that something of a VM is on; None: it may run elsewhere."""
    found = session.execute(
        text(
            "SELECT s.name AS storage, u.id IS NOT NULL AS disk FROM storage s LEFT JOIN volume u"
            " ON u.storage_id = s.id AND (u.id IN (SELECT k.volume_id FROM attachment a"
            " JOIN disk k ON k.id = a.disk_id WHERE a.vm_id = :id)"
            " OR u.id IN (SELECT volume_id FROM seed WHERE vm_id = :id))"
            " WHERE s.node_id IS NOT NULL"
            " AND (u.id IS NOT NULL OR s.id = (SELECT nvram_storage_id FROM vm WHERE id = :id))"
            " ORDER BY disk DESC, storage LIMIT 1"
        ),
        {"id": vm_id},
    ).first()
    return None if found is None else Kept(found.storage, found.disk)


def kept_port(session: Session, vm_id: int) -> int | None:
    """The port of a VM's screen at the node that it is going to."""
    port: int | None = session.scalar(text("SELECT port FROM vnc_port WHERE reserved_for = :id"), {"id": vm_id})
    return port


def mark_departure(session: Session, vm_id: int) -> None:
    """
    A VM's node is going to be asked to send it elsewhere, or was and did not: what hooks told before now is of an
    earlier run, or of an attempt that came to nothing.
    """
    session.execute(text("UPDATE vm SET migrated_at = clock_timestamp() WHERE id = :id"), {"id": vm_id})


_ARRIVED = Prepared(
    "write_arrival",
    """
WITH left_behind AS (INSERT INTO console_leftover (vm_id, node_id)
                     SELECT id, console_node_id FROM vm WHERE id = :id AND console_node_id <> node_id
                         ON CONFLICT DO NOTHING)
   , goes_on AS (DELETE FROM console_leftover c USING vm v
                  WHERE v.id = :id AND c.vm_id = v.id AND c.node_id = v.node_id)
UPDATE vm SET seen = :seen, seen_reason = :reason, seen_at = clock_timestamp(), doubt = '', doubt_since = NULL,
       error = '', console_node_id = node_id WHERE id = :id
""",
)


def write_arrival(session: Session, vm_id: int, seen: Seen, reason: SeenReason) -> None:
    """A VM's guest goes on at the node that the VM is placed on now. What it told its console before stays behind."""
    _ARRIVED(session, id=vm_id, seen=seen, reason=reason)


_AWAY = Prepared(
    "sent_away",
    "SELECT 1 FROM hook_event WHERE domain_uuid = CAST(:uuid AS uuid) AND operation = 'migrate' AND node_id <> :node_id"
    " AND happened_at > coalesce(CAST(:since AS timestamptz), '-infinity') LIMIT 1",
)


def sent_away(session: Session, uuid: str, node_id: int, since: Any) -> bool:
    """Whether another node than this one told that a domain was coming to it. :param since: the last launch."""
    return _AWAY(session, uuid=uuid, node_id=node_id, since=since).first() is not None
