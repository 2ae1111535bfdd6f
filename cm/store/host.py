"""The machines that nodes are: as they were added or accepted, and as their addresses lead to them now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import CloudError, SameHost
from cm.rules.host import Host
from cm.runtime.prepared import Prepared
from cm.runtime.taken import refused_by


@dataclass(frozen=True)
class NodeHost:
    """:ivar accepted: unknown where the node's machine was never seen, or its address has changed since."""

    accepted: Host
    seen: Host


_GET = Prepared(
    "node_host",
    "SELECT host_uuid, host_label, seen_host_uuid, seen_host_label FROM node"
    " WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE",
)


def lock_host(session: Session, node_id: int) -> NodeHost | None:
    """Of a node, whose row is locked; None where it is gone."""
    row = _GET(session, id=node_id).first()
    if row is None:
        return None
    return NodeHost(Host(row.host_uuid, row.host_label), Host(row.seen_host_uuid, row.seen_host_label))


def node_of(session: Session, host: Host, but: int = 0) -> SameHost | None:
    """
    The refusal of a machine that is another node already.

    :param but: the node that may be it.
    """
    if not host.known:
        return None
    row = session.execute(
        text(
            "SELECT id, name FROM node WHERE host_uuid = :uuid AND host_label = :label AND id <> :but"
            " AND deleted_at IS NULL"
        ),
        {"uuid": host.uuid, "label": host.label, "but": but},
    ).first()
    return None if row is None else SameHost(str(host), row.name, row.id)


def write_seen(session: Session, node_id: int, host: Host) -> None:
    session.execute(
        text("UPDATE node SET seen_host_uuid = :uuid, seen_host_label = :label WHERE id = :id"),
        {"uuid": host.uuid, "label": host.label, "id": node_id},
    )


def accept_host(session: Session, node_id: int, host: Host) -> None:
    """
    :raises SameHost: it is another node already.
    """
    other = node_of(session, host, node_id)
    if other is not None:
        raise other
    with refused_by(session, hosts_taken(host)):
        session.execute(
            text(
                "UPDATE node SET host_uuid = :uuid, host_label = :label, seen_host_uuid = :uuid,"
                " seen_host_label = :label WHERE id = :id"
            ),
            {"uuid": host.uuid, "label": host.label, "id": node_id},
        )


def hosts_taken(host: Host) -> Mapping[str, CloudError]:
    """For ``refused_by``: somebody was faster."""
    return {"uq_node_host": SameHost(str(host), "that was added just now", 0)}


def machine_node(session: Session, machine_id: str, label: str, but: int) -> SameHost | None:
    """Likewise of the machine that an agent runs on, by a digest of its own id."""
    row = session.execute(
        text(
            "SELECT id, name FROM node WHERE machine_id = :machine AND machine_label = :label AND id <> :but"
            " AND machine_id <> '' AND deleted_at IS NULL"
        ),
        {"machine": machine_id, "label": label, "but": but},
    ).first()
    return None if row is None else SameHost(label, row.name, row.id)
