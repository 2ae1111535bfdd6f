"""Queries about address pools, which networks are cut from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import AddressPool
from cm.results import network as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import NetworkKind
from cm.runtime.rows import Columns, close_row, edit_row
from cm.store.rendered import shown


@dataclass(frozen=True)
class PoolRow:
    """:ivar networks: how many are cut from it."""

    id: int
    uuid: str
    name: str
    description: str
    kind: str
    network: IPv4Network | None
    network6: IPv6Network | None
    overlap: bool
    prefix_default: int
    prefix_min: int
    prefix_max: int
    locked: bool
    version: int
    created_at: datetime
    networks: int


_POOL = """
SELECT p.id, p.uuid::text AS uuid, p.name, p.description, p.kind, p.network::text AS network,
       p.network6::text AS network6, p.overlap, p.prefix_default, p.prefix_min, p.prefix_max, p.locked, p.version,
       p.created_at,
       (SELECT count(*) FROM network w WHERE w.pool_id = p.id AND w.deleted_at IS NULL) AS networks
  FROM address_pool p WHERE p.deleted_at IS NULL
"""


def describe(row: PoolRow) -> results.AddressPool:
    return {
        "pool_id": row.id,
        "uuid": row.uuid,
        "name": row.name,
        "description": row.description,
        "kind": NetworkKind(row.kind),
        "network": "" if row.network is None else str(row.network),
        "network6": None if row.network6 is None else str(row.network6),
        "overlap": row.overlap,
        "prefix_default": row.prefix_default,
        "prefix_min": row.prefix_min,
        "prefix_max": row.prefix_max,
        "locked": row.locked,
        "networks": row.networks,
        "version": row.version,
        "created": row.created_at,
    }


def _pool(found: Any) -> PoolRow:
    values = shown(found)
    values["network"] = None if values["network"] is None else ip_network(values["network"])
    values["network6"] = None if values["network6"] is None else ip_network(values["network6"])
    return PoolRow(**values)


def list_pools(session: Session, *, open_only: bool = False) -> Sequence[PoolRow]:
    """:param open_only: those that users' networks are cut from."""
    only = " AND p.kind = 'vxlan' AND NOT p.locked" if open_only else ""
    return [_pool(row) for row in session.execute(text(f"{_POOL}{only} ORDER BY p.id"))]


def get_pool(session: Session, pool_id: int, *, lock: bool = False, version: int | None = None) -> PoolRow:
    """
    :param lock: hold its row until the transaction ends: nobody else cuts a network from it.
    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        session.execute(text("SELECT 1 FROM address_pool WHERE id = :id FOR NO KEY UPDATE"), {"id": pool_id})
    found = session.execute(text(_POOL + " AND p.id = :id"), {"id": pool_id}).first()
    if found is None:
        raise ObjectNotFound("pool", pool_id)
    row = _pool(found)
    if version is not None and row.version != version:
        raise VersionChanged("pool", pool_id, row.version, version)
    return row


_INSERT = text(
    """
INSERT INTO address_pool (id, name, description, kind, network, network6, overlap, prefix_default, prefix_min,
                          prefix_max)
VALUES (nextval(pg_get_serial_sequence('network', 'id')), :name, :description, :kind, CAST(:network AS cidr),
        CAST(:network6 AS cidr), :overlap, :prefix_default, :prefix_min, :prefix_max)
RETURNING id
"""
)


def insert_pool(session: Session, **values: Any) -> int:
    """:param values: by the columns' names."""
    return int(session.execute(_INSERT, values).scalar_one())


def lock_pool(session: Session, pool_id: int, locked: bool) -> None:
    """Have no more networks be cut from it, or again."""
    edit_row(session, AddressPool, pool_id, (AddressPool.locked,), {"locked": locked})


_EDITED: Final[Columns] = (
    AddressPool.name, AddressPool.description, AddressPool.network, AddressPool.network6, AddressPool.overlap,
    AddressPool.prefix_default, AddressPool.prefix_min, AddressPool.prefix_max,
)  # fmt: skip


def edit_pool(session: Session, pool_id: int, values: Mapping[str, Any]) -> None:
    """:param values: of ``_EDITED``; what is None, or not there, stays."""
    edit_row(session, AddressPool, pool_id, _EDITED, values)


def drop_network6(session: Session, pool_id: int) -> None:
    """A pool has no IPv6 any more."""
    session.execute(text("UPDATE address_pool SET network6 = NULL WHERE id = :id"), {"id": pool_id})


_OUTSIDE: Final = text(
    """
SELECT w.id FROM network w JOIN address_pool p ON p.id = w.pool_id
 WHERE p.id = :id AND w.deleted_at IS NULL
   AND (NOT w.prefix <<= CAST(:four AS cidr)
        OR coalesce(w.prefix6 <<= p.network6, false) AND NOT coalesce(w.prefix6 <<= CAST(:six AS cidr), false))
 ORDER BY w.id
"""
)


def outside(session: Session, pool_id: int, range4: IPv4Network, range6: IPv6Network | None) -> Sequence[int]:
    """Live networks of a pool, of whose addresses of its own some are not in these ranges."""
    values = {"id": pool_id, "four": str(range4), "six": None if range6 is None else str(range6)}
    return list(session.scalars(_OUTSIDE, values))


def overlapping(session: Session, pool_id: int) -> Sequence[int]:
    """Live networks of a pool that may share addresses with others."""
    asked = text("SELECT id FROM network WHERE pool_id = :id AND overlap AND deleted_at IS NULL ORDER BY id")
    return list(session.scalars(asked, {"id": pool_id}))


def close_pool(session: Session, pool_id: int) -> None:
    close_row(session, AddressPool, pool_id)


def taken_in(session: Session, pool: PoolRow, account_id: int) -> Sequence[IPv4Network]:
    """Live networks within a pool that a new one of this account must be apart from; its row is locked."""
    mine = "account_id = :account_id" if pool.overlap else "NOT overlap"
    found = session.scalars(
        text(
            "SELECT prefix::text FROM network WHERE prefix && CAST(:network AS inet) AND deleted_at IS NULL"
            f" AND family(prefix) = 4 AND {mine}"
        ),
        {"network": str(pool.network), **({"account_id": account_id} if pool.overlap else {})},
    )
    return [IPv4Network(each) for each in found]


def taken6_in(session: Session, range6: IPv6Network) -> set[IPv6Network]:
    """The IPv6 prefixes of live networks within a range."""
    asked = text("SELECT prefix6::text FROM network WHERE prefix6 <<= CAST(:range AS cidr) AND deleted_at IS NULL")
    return {IPv6Network(each) for each in session.scalars(asked, {"range": str(range6)})}
