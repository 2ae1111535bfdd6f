"""
The snapshot of all nodes that placement decides on.

Of five hundred nodes, rows would take ten times as long to come here, and to be made into records, as to be found. So a
node is a line of text: what has not changed since it was last seen is told by comparing, and not read again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import ImageId, NodeId, NodeMode, NodeState, NodeTrouble, StorageId
from cm.rules.placement import NodeLoad, OwnStorage
from cm.runtime.prepared import Prepared
from cm.store.conditions import leads_elsewhere, node_mode, tunnel_address


def lines_of(storages: str, image: str) -> str:
    """
    What gives ``NodeLines``: to be asked alone, or beside something else in one round trip.

    :param storages: SQL for the ids of those that matter, a bigint[]; NULL: all do. ``image``: for the id of an image
        of disks on nodes' own storages, a bigint; NULL: these do not matter.
    """
    return f"""
SELECT array_agg(concat_ws(' ', n.id, n.state, {node_mode("n")},
                           floor(n.cpu_total * n.cpu_overcommit)::bigint, n.cpu_used,
                           floor(n.memory_mib_total * n.memory_overcommit)::bigint, n.memory_mib_used, n.priority,
                           {leads_elsewhere("n")}::int, (n.agent_silent_since IS NOT NULL)::int,
                           (n.unhooked_since IS NOT NULL)::int, coalesce(nullif(n.unfit, ''), '-'),
                           (n.makes_links AND {tunnel_address("n")} <> '')::int,
                           coalesce(nullif(array_to_string(n.uplinks, ','), ''), '-'),
                           coalesce(nullif(array_to_string(n.traits, ','), ''), '-'),
                           coalesce(nullif(array_to_string(n.offers, ','), ''), '-'), n.name)) AS nodes,
       (SELECT string_agg(a.node_id || ' ' || a.storage_id, ',' ORDER BY a.node_id, a.storage_id)
          FROM storage_attachment a
         WHERE ({storages} IS NULL OR a.storage_id = ANY({storages}))
           AND a.state = 'attached') AS attached,
       (SELECT string_agg(concat_ws(' ', s.node_id, s.id,
                                    s.limit_bytes - s.claimed_bytes,
                                    (c.volume_id IS NOT NULL)::int), ',' ORDER BY s.node_id, s.id)
          FROM storage s JOIN storage_attachment a
            ON a.storage_id = s.id AND a.node_id = s.node_id AND a.state = 'attached'
          LEFT JOIN (cached_image c JOIN volume u ON u.id = c.volume_id)
            ON c.image_id = {image} AND u.storage_id = s.id
         WHERE {image} IS NOT NULL AND s.node_id IS NOT NULL AND s.deleted_at IS NULL AND NOT s.locked
           AND NOT s.draining) AS own
  FROM node n WHERE n.deleted_at IS NULL"""


_LINES = Prepared("node_lines", lines_of("CAST(:storages AS bigint[])", "CAST(:image AS bigint)"))


class NodeLines(NamedTuple):
    """
    Every node of the cluster, for ``read_line``; which of them have storages attached, for ``read_attached``; and what
    they have of their own, for ``read_own``.
    """

    nodes: frozenset[str]
    attached: str
    own: str = ""


def node_lines(
    session: Session, storages: Collection[StorageId] | None, image_id: ImageId | None = None
) -> NodeLines:
    """
    :param storages: that matter; None: all do.
    :param image_id: of disks on nodes' own storages; None: these do not matter.
    """
    return lines_in(_LINES(session, storages=None if storages is None else sorted(storages), image=image_id).one())


def lines_in(found: Any) -> NodeLines:
    """:param found: the columns of ``lines_of``."""
    return NodeLines(frozenset(found.nodes or ()), found.attached or "", found.own or "")


def node_of(line: str) -> NodeId:
    return NodeId(int(line[: line.index(" ")]))


def read_line(line: str, storages: frozenset[StorageId], own: tuple[OwnStorage, ...] = ()) -> NodeLoad:
    """:param storages: that the node has attached; ``own``: of its own."""
    # The name stands last: there may be anything in it.
    *words, name = line.split(" ", 16)
    node_id, cpu, cpu_used, memory, memory_used, priority = (int(words[n]) for n in (0, 3, 4, 5, 6, 7))
    other_host, agent_silent, hooks_silent = (words[n] == "1" for n in (8, 9, 10))
    unfit = None if words[11] == "-" else NodeTrouble(words[11])
    uplinks, traits, offers = (
        frozenset[str]() if words[n] == "-" else frozenset(words[n].split(",")) for n in (13, 14, 15)
    )
    return NodeLoad(
        NodeId(node_id), name, NodeState(words[1]), NodeMode(words[2]), cpu, cpu_used, memory, memory_used, storages,
        priority, other_host, agent_silent, hooks_silent, unfit, own, words[12] == "1", uplinks, traits, offers,
    )  # fmt: skip


def read_attached(attached: str) -> dict[NodeId, frozenset[StorageId]]:
    found: dict[NodeId, set[StorageId]] = {}
    for pair in filter(None, attached.split(",")):
        node_id, storage_id = pair.split(" ")
        found.setdefault(NodeId(int(node_id)), set()).add(StorageId(int(storage_id)))
    return {node_id: frozenset(storages) for node_id, storages in found.items()}


def read_own(own: str) -> dict[NodeId, tuple[OwnStorage, ...]]:
    found: dict[NodeId, tuple[OwnStorage, ...]] = {}
    for each in filter(None, own.split(",")):
        node_id, storage_id, free_bytes, cached = map(int, each.split(" "))
        storage = OwnStorage(StorageId(storage_id), free_bytes, bool(cached))
        found[NodeId(node_id)] = (*found.get(NodeId(node_id), ()), storage)
    return found


def node_loads(session: Session) -> Sequence[NodeLoad]:
    """Every node of the cluster, as placement sees it."""
    lines = node_lines(session, None)
    attached = read_attached(lines.attached)
    return sorted(read_line(line, attached.get(node_of(line), frozenset())) for line in lines.nodes)
