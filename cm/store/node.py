"""Queries about nodes: the snapshot that placement decides on, rows for views."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import NodeId, NodeState, NodeTrouble, StorageId
from cm.rules.placement import NodeLoad
from cm.runtime.prepared import Prepared
from cm.store.conditions import leads_elsewhere
from cm.store.health import health, troubles

_LOADS = Prepared(
    "node_loads",
    f"""
SELECT n.id, n.name, n.state, n.locked, floor(n.cpu_total * n.cpu_overcommit)::bigint AS cpu_capacity, n.cpu_used,
       floor(n.memory_mib_total * n.memory_overcommit)::bigint AS memory_capacity, n.memory_mib_used, n.priority,
       {leads_elsewhere("n")} AS other_host,
       n.agent_silent_since IS NOT NULL AS agent_silent, n.unhooked_since IS NOT NULL AS hooks_silent,
       n.unfit,
       (SELECT array_agg(a.storage_id) FROM storage_attachment a
         WHERE a.node_id = n.id AND a.state = 'attached') AS storages
  FROM node n WHERE n.deleted_at IS NULL ORDER BY n.id
""",
)


def node_loads(session: Session) -> Sequence[NodeLoad]:
    """Every node of the cluster, as placement sees it."""
    return [
        NodeLoad(
            NodeId(row.id),
            row.name,
            NodeState(row.state),
            row.locked,
            row.cpu_capacity,
            row.cpu_used,
            row.memory_capacity,
            row.memory_mib_used,
            frozenset(StorageId(s) for s in row.storages or ()),
            row.priority,
            row.other_host,
            row.agent_silent,
            row.hooks_silent,
            NodeTrouble(row.unfit) if row.unfit else None,
        )
        for row in _LOADS(session)
    ]


REPORT: Final = "r.content"
BRIEF: Final = "r.content - 'bridges' - 'rules' - 'applied'"  # of five hundred nodes at once
_NODE = f"""
SELECT n.id, n.uuid::text AS uuid, n.name, n.address, n.uri, n.locked, n.comment, n.priority, n.cpu_total,
       n.memory_mib_total, n.cpu_overcommit, n.memory_overcommit, n.cpu_used, n.memory_mib_used, n.vms_used, n.state,
       n.state_reason, n.seen_at, n.passed_at, n.info, n.hooks, n.agent_seen_at, n.agent_version, n.hook_version,
       n.host_uuid, n.host_label, n.seen_host_uuid, n.seen_host_label, n.agent_silent_since, n.unhooked_since,
       n.hooked_at, n.agent_protocol, n.troubles AS reported,
       (SELECT json_build_object('received_at', r.received_at, 'behind_since', r.behind_since, 'content', {REPORT})
          FROM node_report r WHERE r.node_id = n.id) AS report,
       {leads_elsewhere("n")} AS other_host,
       n.version, n.created_at,
       (SELECT json_agg(json_build_object('storage_id', a.storage_id, 'name', s.name, 'state', a.state,
                                          'last_error', a.last_error) ORDER BY a.storage_id)
          FROM storage_attachment a JOIN storage s ON s.id = a.storage_id WHERE a.node_id = n.id) AS storages
  FROM node n WHERE n.deleted_at IS NULL
"""


def _node(row: Any) -> dict[str, Any]:
    found = dict(row._mapping)
    found["node_id"] = found.pop("id")
    found["created"] = found.pop("created_at")
    found["storages"] = found["storages"] or []
    found["report"] = _report(row.report)
    found["troubles"] = troubles(row)
    found["health"] = health(found["troubles"])
    for name in ("agent_silent_since", "unhooked_since", "other_host", "reported"):
        del found[name]  # told as troubles
    return found


def _report(kept: dict[str, Any] | None) -> dict[str, Any] | None:
    """A node's last report as it is shown, but for what counts reports; None: its agent does not report."""
    if kept is None:
        return None
    told = {name: value for name, value in kept["content"].items() if name not in ("run", "sequence", "protocol")}
    for name in ("received_at", "behind_since"):
        told[name] = datetime.fromisoformat(kept[name]) if kept[name] else None
    if hook := told.get("hook"):
        told["hook"] = {**hook, "last": datetime.fromtimestamp(hook["last"], UTC) if hook["last"] else None}
    return told


def get_node(session: Session, node_id: int) -> dict[str, Any]:
    """
    :raises ObjectNotFound: absent or deleted.
    """
    row = session.execute(text(_NODE + " AND n.id = :id"), {"id": node_id}).first()
    if row is None:
        raise ObjectNotFound("node", node_id)
    return _node(row)


def list_nodes(session: Session) -> list[dict[str, Any]]:
    return [_node(row) for row in session.execute(text(_NODE.replace(REPORT, BRIEF) + " ORDER BY n.id"))]


def managed_addresses(session: Session) -> list[str]:
    """
    IPv4 addresses of nodes and of storages' servers (CIDR). Names are left out: where one leads is not known here.
    """
    listed = session.scalars(
        text(
            "SELECT address FROM node WHERE deleted_at IS NULL"
            " UNION SELECT address FROM storage WHERE deleted_at IS NULL"
        )
    )
    found = []
    for address in listed:
        try:
            found.append(str(IPv4Network(address)))
        except ValueError:
            continue
    return found
