"""Nodes: rows for views, changes; ``reconcile.py`` has what is seen, ``node_load.py`` what placement decides on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Node
from cm.results import node as results
from cm.rpc.errors import NodeUnreachable, ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import NodeHealth, NodeMode
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, edit_row, has_row
from cm.store.conditions import is_disabled, is_open, is_set_aside, leads_elsewhere, node_mode
from cm.store.health import health, troubles
from cm.store.rendered import Rendered, rendered, shown

REPORT: Final = "r.content"
# Of five hundred nodes at once.
BRIEF: Final = "r.content - 'bridges' - 'rules' - 'applied' - 'public' - 'differences' - 'uplinks'"


@dataclass(frozen=True)
class NodeAddress:
    """:ivar uri: libvirt's."""

    id: int
    name: str
    uri: str


def node_address(session: Session, node_id: int) -> NodeAddress:
    """
    :raises ObjectNotFound: absent or deleted.
    :raises NodeUnreachable: it is disabled.
    """
    found = session.execute(
        text(f"SELECT id, name, uri, {is_disabled()} AS disabled FROM node WHERE id = :id AND deleted_at IS NULL"),
        {"id": node_id},
    ).first()
    if found is None:
        raise ObjectNotFound("node", node_id)
    if found.disabled:
        raise NodeUnreachable(found.name, "it is disabled: unlock it first")
    return NodeAddress(found.id, found.name, found.uri)


_COLUMNS = f"""n.id, n.uuid::text AS uuid, n.name, n.address, n.uri, n.locked, {node_mode("n")} AS mode,
       n.locked_reason AS mode_reason, n.locked_by AS mode_by, n.locked_at AS mode_since,
       {is_set_aside("n")} AS set_aside, n.comment, n.priority, n.traits, n.cpu_total,
       n.memory_mib_total, n.cpu_overcommit, n.memory_overcommit, n.cpu_used, n.memory_mib_used, n.vms_used, n.state,
       n.state_reason, n.seen_at, n.passed_at, n.info, n.hooks, n.agent_seen_at, n.agent_version, n.hook_version,
       n.host_uuid, n.host_label, n.seen_host_uuid, n.seen_host_label, n.agent_silent_since, n.unhooked_since,
       n.hooked_at, n.agent_protocol, n.tunnel_address, n.migration_uri, n.troubles AS reported,
       (SELECT json_build_object('received_at', r.received_at, 'behind_since', r.behind_since, 'content', {REPORT})
          FROM node_report r WHERE r.node_id = n.id) AS report,
       {leads_elsewhere("n")} AS other_host,
       n.version, n.created_at,
       (SELECT json_agg(json_build_object('storage_id', a.storage_id, 'name', s.name, 'state', a.state,
                                          'last_error', a.last_error) ORDER BY a.storage_id)
          FROM storage_attachment a JOIN storage s ON s.id = a.storage_id WHERE a.node_id = n.id) AS storages"""
_NODE = f"SELECT {_COLUMNS} FROM node n WHERE n.deleted_at IS NULL"
_FEED = Prepared(
    "feed_node",
    f"SELECT {_COLUMNS.replace(REPORT, BRIEF)}, n.id AS _id, n.deleted_at IS NOT NULL AS _gone FROM node n"
    " WHERE n.id = ANY(:ids)",
)


def render_nodes(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids), _node)


def _node(row: Any) -> results.Node:
    found = shown(row)
    found["node_id"] = found.pop("id")
    found["created"] = found.pop("created_at")
    found["storages"] = found["storages"] or []
    found["report"] = _report(row.report)
    found["troubles"] = troubles(row)
    found["health"] = NodeHealth.OK if row.set_aside else health(found["troubles"])
    for name in ("agent_silent_since", "unhooked_since", "other_host", "reported"):
        del found[name]  # told as troubles
    return cast(results.Node, found)


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


def get_node(session: Session, node_id: int) -> results.Node:
    """
    :raises ObjectNotFound: absent or deleted.
    """
    row = session.execute(text(_NODE + " AND n.id = :id"), {"id": node_id}).first()
    if row is None:
        raise ObjectNotFound("node", node_id)
    return _node(row)


def list_nodes(session: Session) -> list[results.Node]:
    return [_node(row) for row in session.execute(text(_NODE.replace(REPORT, BRIEF) + " ORDER BY n.id"))]


def managed_addresses(session: Session) -> list[str]:
    """
    IPv4 addresses of nodes and of storages' servers (CIDR). Names are left out: where one leads is not known here.
    """
    listed = session.scalars(
        text(
            "SELECT address FROM node WHERE deleted_at IS NULL"
            " UNION SELECT tunnel_address FROM node WHERE deleted_at IS NULL AND tunnel_address <> ''"
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


# ------------------------------------------------------------------ change

EDITED: Final[Columns] = (
    Node.name, Node.uri, Node.address, Node.cpu_total, Node.memory_mib_total, Node.cpu_overcommit,
    Node.memory_overcommit, Node.priority, Node.comment, Node.tunnel_address,
    Node.migration_uri, Node.traits,
)  # fmt: skip

# Of what it tells of itself, once more where placement reads it.
OFFERS: Final = "ARRAY(SELECT jsonb_array_elements_text(coalesce(CAST(:info AS jsonb)->'offers', '[]')))"
_INSERT = text(
    f"""
INSERT INTO node (name, address, uri, comment, priority, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit,
                  traits, host_uuid, host_label, seen_host_uuid, seen_host_label, state, seen_at, info,
                  offers)
VALUES (:name, :address, :uri, :comment, :priority, :cpu_total, :memory_mib_total, :cpu_overcommit, :memory_overcommit,
        :traits, :host_uuid, :host_label, :host_uuid, :host_label, 'ok', clock_timestamp(), CAST(:info AS jsonb),
        {OFFERS})
RETURNING id
"""
)


def insert_node(session: Session, values: Mapping[str, Any]) -> int:
    """
    A node that has just answered.

    :param values: the columns of ``EDITED``, ``host_uuid``, ``host_label`` and ``info``, which is JSON.
    :return: its id.
    """
    return int(session.execute(_INSERT, values).scalar_one())


def insert_ports(session: Session, node_id: int, first: int, last: int) -> None:
    """The ports of a node's screens."""
    session.execute(
        text("INSERT INTO vnc_port (node_id, port) SELECT :id, generate_series(:first, :last)"),
        {"id": node_id, "first": first, "last": last},
    )


def node_exists(session: Session, node_id: int) -> bool:
    return has_row(session, "SELECT 1 FROM node WHERE id = :id AND deleted_at IS NULL", {"id": node_id})


def takes_vms(session: Session, node_id: int | None) -> bool:
    """Whether a node answers and is not locked."""
    return has_row(
        session,
        "SELECT 1 FROM node WHERE id = :id AND state = 'ok' AND NOT locked AND deleted_at IS NULL",
        {"id": node_id},
    )


_HOOKS = Prepared("node_hooks", "SELECT hooks FROM node WHERE id = :id")


def enabled_nodes(session: Session) -> Sequence[int]:
    """Those that are asked for anything at all."""
    statement = f"SELECT id FROM node WHERE deleted_at IS NULL AND NOT {is_disabled()} ORDER BY id"
    return list(session.scalars(text(statement)))


def has_hooks(session: Session, node_id: int) -> bool:
    """Whether ends of a node's domains are told by hooks."""
    return bool(_HOOKS(session, id=node_id).scalar())


@dataclass(frozen=True)
class LockedNode:
    """:ivar vms_used: how many VMs are placed there, or claimed a place."""

    name: str
    uri: str
    vms_used: int
    mode: NodeMode


def lock_node(session: Session, node_id: int, version: int | None = None) -> LockedNode:
    """
    A node, its row held until the transaction ends.

    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    found = session.execute(
        text(
            f"SELECT name, uri, version, vms_used, {node_mode()} AS mode FROM node"
            " WHERE id = :id AND deleted_at IS NULL FOR UPDATE"
        ),
        {"id": node_id},
    ).first()
    if found is None:
        raise ObjectNotFound("node", node_id)
    if version is not None and found.version != version:
        raise VersionChanged("node", node_id, found.version, version)
    return LockedNode(found.name, found.uri, found.vms_used, NodeMode(found.mode))


def update_node(session: Session, node_id: int, values: Mapping[str, Any]) -> None:
    """Write what is not None of ``EDITED``."""
    edit_row(session, Node, node_id, EDITED, values)


def forget_machine(session: Session, node_id: int) -> None:
    """A node's address has changed: it may lead to another machine, with which the node begins anew."""
    session.execute(
        text(
            "UPDATE node SET state = 'new', host_uuid = '', host_label = '', seen_host_uuid = '', seen_host_label = ''"
            " WHERE id = :id"
        ),
        {"id": node_id},
    )


def write_mode(session: Session, node_id: int, mode: NodeMode, reason: str, login: str) -> None:
    """
    What a node is there for, why, and who says so. One that is active again has had its hooks mended; of one that is
    disabled nothing is seen.
    """
    session.execute(
        text(
            "UPDATE node SET locked = :locked, locked_for = :mode, locked_reason = :reason, locked_by = :login,"
            " locked_at = CASE WHEN :locked THEN clock_timestamp() END, version = version + 1,"
            " state = CASE WHEN :disabled THEN 'new' ELSE state END,"
            " state_reason = CASE WHEN :disabled THEN '' ELSE state_reason END,"
            " hooks_since = CASE WHEN :locked THEN hooks_since ELSE clock_timestamp() END,"
            " unhooked_since = CASE WHEN :locked THEN unhooked_since END WHERE id = :id"
        ),
        {
            "locked": mode is not NodeMode.ACTIVE,
            "disabled": mode is NodeMode.DISABLED,
            "mode": mode if mode not in (NodeMode.ACTIVE, NodeMode.PASSIVE) else "",
            "reason": reason,
            "login": login if mode is not NodeMode.ACTIVE else "",
            "id": node_id,
        },
    )


# VMs that rest there hold nothing of it, unless something is just being done to them.
_HELD = text(
    f"""
SELECT v.id FROM vm v WHERE (v.node_id = :id OR v.moves_to = :id) AND v.closed_at IS NULL
   AND (v.node_claimed OR EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id
                                   AND {is_open("o")}))
 ORDER BY v.id
"""
)


def held_vms(session: Session, node_id: int) -> Sequence[int]:
    """Live VMs that are placed on a node, move there or are being worked on there."""
    return list(session.scalars(_HELD, {"id": node_id}))


def lock_vms_of(session: Session, node_id: int) -> None:
    """Hold the rows of the live VMs that were on a node last: VMs before nodes is the order of those who place them."""
    session.execute(
        text("SELECT 1 FROM vm WHERE node_id = :id AND closed_at IS NULL ORDER BY id FOR NO KEY UPDATE"),
        {"id": node_id},
    )


def close_node(session: Session, node_id: int) -> None:
    """
    A node is no more, with its ports, attachments, tokens and credential. Its rows and its VMs' are locked; VMs that
    rested there are placed nowhere.
    """
    for statement in (
        "UPDATE vm SET node_id = NULL WHERE node_id = :id AND closed_at IS NULL",
        "DELETE FROM vnc_port WHERE node_id = :id",
        "DELETE FROM storage_attachment WHERE node_id = :id",
        "DELETE FROM enrolment_token WHERE node_id = :id",
        "UPDATE node SET deleted_at = clock_timestamp(), credential_key = NULL, version = version + 1 WHERE id = :id",
    ):
        session.execute(text(statement), {"id": node_id})


def attached_storages(session: Session, node_id: int) -> Sequence[int]:
    return list(
        session.scalars(
            text("SELECT storage_id FROM storage_attachment WHERE node_id = :id AND state = 'attached' ORDER BY 1"),
            {"id": node_id},
        )
    )


def write_info(session: Session, node_id: int, info: str) -> None:
    """:param info: what the node told of itself, JSON."""
    session.execute(
        text(f"UPDATE node SET info = CAST(:info AS jsonb), offers = {OFFERS} WHERE id = :id AND deleted_at IS NULL"),
        {"id": node_id, "info": info},
    )
