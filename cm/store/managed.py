"""
The objects of the managed-node model, as looks at nodes found them. Each look brings a node's rows up to date and tells
the feed of what is new, other or gone; how much memory and time a domain takes is kept apart, for that always changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple, cast

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.interfaces.managed import ManagedDomain, ManagedPool, ManagedVolume, NodeSeen
from cm.results import managed as results
from cm.rules.managed import domain_id, pool_id, volume_id
from cm.rules.names import storage_of_pool
from cm.runtime.prepared import Prepared
from cm.store.change import record_change
from cm.store.conditions import is_disabled
from cm.store.rendered import Rendered

DOMAINS: Final = ("node", "domain")  # what one look is about
STORAGE: Final = ("pool", "volume")  # and the other


@dataclass(frozen=True)
class Found:
    """An object that a look found. ``key``: within its kind and node."""

    kind: str
    key: str
    name: str
    properties: dict[str, Any]


# ------------------------------------------------------------------ what looks find


def found_node(seen: NodeSeen) -> Found:
    numbers = ("memory", "cpus", "mhz", "nodes", "sockets", "cores", "threads")
    values = (seen.memory_kib, seen.cpus, seen.mhz, seen.nodes, seen.sockets, seen.cores, seen.threads)
    return Found(
        "node",
        "",
        seen.hostname,
        {
            "type": seen.type,
            "hostname": seen.hostname,
            "version": _release(seen.version),
            "version_number": seen.version,
            "uri": seen.uri,
            "libvirt_version": _release(seen.libvirt_version),
            "libvirt_version_number": seen.libvirt_version,
            "host_info": {"model": seen.model, **dict(zip(numbers, values, strict=True))},
        },
    )


def _release(number: int) -> str:
    """libvirt's 1,000,000 * major + 1,000 * minor + release."""
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


def found_domain(seen: ManagedDomain) -> Found:
    """But for its figures, which are no change."""
    return Found(
        "domain",
        seen.uuid,
        seen.name,
        {
            "uuid": seen.uuid,
            "name": seen.name,
            "id": str(seen.id),
            "state": seen.state,
            "reason": seen.reason,
            "persistent": seen.persistent,
            "maximum_memory": seen.maximum_memory_kib,
            "num_vcpus": seen.vcpus,
        },
    )


def figures_of(domains: Iterable[ManagedDomain]) -> dict[str, list[int]]:
    """By uuid: KiB that it has, nanoseconds that it took."""
    return {each.uuid: [each.memory_kib, each.cpu_time_ns] for each in domains}


def found_pool(seen: ManagedPool) -> Found:
    """What of it is free moves with every write; what is told of it is how much there is, in the look's moment."""
    return Found(
        "pool",
        seen.uuid,
        seen.name,
        {
            "uuid": seen.uuid,
            "name": seen.name,
            "state": seen.state,
            "persistent": seen.persistent,
            "capacity": seen.capacity_bytes,
            "allocation": seen.allocation_bytes,
            "available": seen.available_bytes,
        },
    )


def found_volume(seen: ManagedVolume) -> Found:
    return Found(
        "volume",
        f"{seen.pool_uuid}:{seen.name}",
        seen.name,
        {"key": seen.key, "path": seen.path, "name": seen.name, "pool": seen.pool_uuid},
    )


# ------------------------------------------------------------------ turns

_KNOWN = Prepared(
    "managed_nodes",
    "INSERT INTO managed_look (node_id) SELECT id FROM node WHERE deleted_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM managed_look l WHERE l.node_id = node.id) ON CONFLICT DO NOTHING",
)
_TURNS = Prepared(
    "managed_turns",
    "UPDATE managed_look SET turn_at = clock_timestamp() WHERE node_id IN ("
    " SELECT l.node_id FROM managed_look l JOIN node n ON n.id = l.node_id WHERE n.deleted_at IS NULL"
    f"  AND NOT {is_disabled('n')}"
    "  AND (l.turn_at IS NULL OR l.turn_at <= clock_timestamp() - make_interval(secs => greatest("
    "   CAST(:every AS float8), (SELECT count(*) FROM managed_look) / CAST(:per_s AS float8))))"
    " ORDER BY l.turn_at NULLS FIRST FOR UPDATE OF l SKIP LOCKED) RETURNING node_id",
)


def take_looks(session: Session, every_s: float, per_s: float) -> list[int]:
    """
    Nodes whose turn it is, each given to one asker.

    :param per_s: looks of all nodes together, at the most.
    """
    _KNOWN(session)
    return sorted(_TURNS(session, every=every_s, per_s=per_s).scalars())


# ------------------------------------------------------------------ a look

_ROWS = Prepared(
    "managed_rows",
    "SELECT id, kind, key, properties FROM managed_object WHERE node_id = :node AND kind = ANY(:kinds)",
)
_LOOK = Prepared(
    "managed_look",
    "SELECT domains_stale, storage_stale, domains_digest, storage_digest, clock_timestamp() AS now"
    " FROM managed_look WHERE node_id = :node",
)


class Known(NamedTuple):
    """
    What is known of what is on record of a node, before it is looked at: reading the rows themselves, some forty of a
    node every few seconds, took more than all else that a look does.

    :ivar digest: of what is on record; None: it is not known whether that holds still.
    :ivar now: by the database's clock.
    """

    digest: bytes | None
    now: datetime


def known(session: Session, node_id: int, kinds: tuple[str, ...]) -> Known | None:
    """None: no node that is followed."""
    look = _LOOK(session, node=node_id).first()
    if look is None:
        return None
    stale, digest = (
        (look.domains_stale, look.domains_digest) if kinds == DOMAINS else (look.storage_stale, look.storage_digest)
    )
    return Known(None if stale or digest is None else bytes(digest), look.now)


def digest_of(found: Iterable[Found]) -> bytes:
    """Equal for the same objects with the same properties, in whatever order they were found."""
    told = [(each.kind, each.key, each.name, each.properties) for each in sorted(found, key=_place)]
    return blake2b(msgspec.json.encode(told), digest_size=16).digest()


def _place(found: Found) -> tuple[str, str]:
    return found.kind, found.key


def record_look(
    session: Session, node_id: int, kinds: tuple[str, ...], found: Sequence[Found], began: datetime
) -> None:
    """
    Bring a node's rows up to date, unless a later look did.

    :param kinds: that were looked at.
    :param began: when, by the database's clock.
    """
    part = _part(kinds)
    taken = session.execute(
        text(
            f"UPDATE managed_look SET {part}_stale = false, {part}_at = :began, {part}_digest = :digest"
            f" WHERE node_id = :node AND ({part}_at IS NULL OR {part}_at < :began) RETURNING 1"
        ),
        {"node": node_id, "began": began, "digest": digest_of(found)},
    ).first()
    if taken is None:
        return
    rows = _ROWS(session, node=node_id, kinds=list(kinds))
    left = {(row.kind, row.key): (row.id, row.properties) for row in rows}
    for each in found:
        row = left.pop((each.kind, each.key), None)
        if row is None:
            _insert(session, node_id, each)
        elif row[1] != each.properties:
            session.execute(
                text("UPDATE managed_object SET name = :name, properties = CAST(:p AS jsonb) WHERE id = :id"),
                {"id": row[0], "name": each.name, "p": json.dumps(each.properties)},
            )
            if not _only_room(row[1], each.properties):
                record_change(session, f"managed_{each.kind}", row[0], None)
    for (kind, _), (number, _) in left.items():
        session.execute(text("DELETE FROM managed_object WHERE id = :id"), {"id": number})
        record_change(session, f"managed_{kind}", number, None, "exit")


def _part(kinds: tuple[str, ...]) -> str:
    return "domains" if kinds == DOMAINS else "storage"


def _only_room(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether no more than a pool's free room is another, which it is all the time."""
    return all(now.get(name) == value for name, value in was.items() if name not in ("allocation", "available"))


def _insert(session: Session, node_id: int, found: Found) -> None:
    number = session.execute(
        text(
            "INSERT INTO managed_object (node_id, kind, key, name, properties)"
            " VALUES (:node, :kind, :key, :name, CAST(:p AS jsonb)) RETURNING id"
        ),
        {"node": node_id, "kind": found.kind, "key": found.key, "name": found.name,
         "p": json.dumps(found.properties)},
    ).scalar_one()  # fmt: skip
    record_change(session, f"managed_{found.kind}", int(number), None, "enter")


def mark_stale(session: Session, node_id: int, kinds: tuple[str, ...]) -> None:
    """A look had no answer. Readers of the node's own object hear of it, not those of each of its objects."""
    part = _part(kinds)
    changed = session.execute(
        text(
            f"UPDATE managed_look SET {part}_stale = true WHERE node_id = :node AND NOT {part}_stale RETURNING 1"
        ),
        {"node": node_id},
    ).first()
    number = None if changed is None else session.scalar(
        text("SELECT id FROM managed_object WHERE node_id = :node AND kind = 'node'"), {"node": node_id}
    )  # fmt: skip
    if number is not None:
        record_change(session, "managed_node", number, None)


def write_figures(session: Session, node_id: int, figures: Mapping[str, Sequence[int]]) -> None:
    session.execute(
        text("UPDATE managed_look SET figures = CAST(:f AS jsonb) WHERE node_id = :node"),
        {"node": node_id, "f": json.dumps(figures)},
    )


def forget_objects(session: Session, node_id: int) -> None:
    """Of a node that leaves."""
    session.execute(
        text(
            "WITH gone AS (DELETE FROM managed_object WHERE node_id = :node RETURNING id, kind)"
            " INSERT INTO change (kind, object_id, event) SELECT 'managed_' || kind, id, 'exit' FROM gone"
        ),
        {"node": node_id},
    )
    for table in ("managed_look", "saved_domain"):
        session.execute(text(f"DELETE FROM {table} WHERE node_id = :node"), {"node": node_id})


# ------------------------------------------------------------------ reading

_SHOWN: Final = """
SELECT o.id, o.kind, o.node_id, o.key, o.properties, l.figures -> o.key AS figures, v.id AS vm_id,
       n.state <> 'ok' OR CASE WHEN o.kind IN ('node', 'domain') THEN l.domains_stale ELSE l.storage_stale END AS stale
  FROM managed_object o JOIN node n ON n.id = o.node_id JOIN managed_look l ON l.node_id = o.node_id
  LEFT JOIN vm v ON v.uuid = CASE WHEN o.kind = 'domain' THEN CAST(o.key AS uuid) END
"""
_FEED = Prepared("feed_managed", _SHOWN + " WHERE o.id = ANY(:ids)")


def find_objects(
    session: Session, kind: str, properties: Mapping[str, Any], *, node_id: int | None, after: int | None, limit: int
) -> list[Any]:
    """
    Those of a kind whose properties have these values, the oldest first; None is any.

    :param properties: by names that are no caller's.
    """
    asked = {name: value for name, value in properties.items() if value is not None}
    conditions = ["o.kind = :kind", *(f"o.properties ->> '{name}' = :{name}" for name in asked)]
    conditions += ["o.name = :name"] if "name" in asked else []
    conditions += ["o.node_id = :node"] if node_id is not None else []
    conditions += ["o.id > :after"] if after is not None else []
    rows = session.execute(
        text(f"{_SHOWN} WHERE {' AND '.join(conditions)} ORDER BY o.id LIMIT :limit"),
        {"kind": kind, "node": node_id, "after": after, "limit": limit, **asked},
    )
    return [_show(row) for row in rows]


def find_object(session: Session, kind: str, node_id: int, key: str) -> Any | None:
    row = session.execute(
        text(f"{_SHOWN} WHERE o.kind = :kind AND o.node_id = :node AND o.key = :key"),
        {"kind": kind, "node": node_id, "key": key},
    ).first()
    return None if row is None else _show(row)


def render_managed(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    """For the feed. Its uuids are libvirt's, and those of VMs mean VMs: none is told as the object's."""
    return {row.id: Rendered(None, json.dumps(_show(row))) for row in _FEED(session, ids=ids)}


def _show(row: Any) -> Any:
    return _SHOW[row.kind](row)


def _node(row: Any) -> results.ManagedNode:
    shown = {"node_id": row.node_id, "feed_id": row.id, **row.properties, "stale": row.stale}
    return cast(results.ManagedNode, shown)


def _domain(row: Any) -> results.ManagedDomain:
    told, figures = row.properties, row.figures or (0, 0)
    return {
        "object_id": domain_id(row.node_id, told["uuid"]),
        "feed_id": row.id,
        "uuid": told["uuid"],
        "name": told["name"],
        "id": told["id"],
        "node": row.node_id,
        "domain_info": {
            "state": told["state"],
            "reason": told["reason"],
            "maximum_memory": told["maximum_memory"],
            "memory": figures[0],
            "num_vcpus": told["num_vcpus"],
            "cpu_time": figures[1],
        },
        "persistent": told["persistent"],
        "vm_id": row.vm_id,
        "stale": row.stale,
    }


def _pool(row: Any) -> results.ManagedPool:
    shown = {
        "object_id": pool_id(row.node_id, row.key),
        "feed_id": row.id,
        **row.properties,
        "node": row.node_id,
        "storage_id": storage_of_pool(row.properties["name"]),
        "stale": row.stale,
    }
    return cast(results.ManagedPool, shown)


def _volume(row: Any) -> results.ManagedVolume:
    told = row.properties
    return {
        "object_id": volume_id(row.node_id, told["pool"], told["name"]),
        "feed_id": row.id,
        "key": told["key"],
        "path": told["path"],
        "name": told["name"],
        "node": row.node_id,
        "storage_pool": pool_id(row.node_id, told["pool"]),
        "stale": row.stale,
    }


_SHOW: Final = {"node": _node, "domain": _domain, "pool": _pool, "volume": _volume}
