"""Queries about address pools and their leases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import AddressPool
from cm.results import network as results
from cm.results.network import NetworkLease
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rules.network import Address, Network
from cm.runtime.prepared import Prepared
from cm.runtime.rows import close_row, edit_row
from cm.store.rendered import Rendered, rendered, shown


@dataclass(frozen=True)
class PoolRow:
    """``used`` of the pool's ``leases`` belong to VMs."""

    id: int
    uuid: str
    name: str
    network: Network
    gateway: Address
    bridge: str
    dns: str
    locked: bool
    version: int
    created_at: datetime
    leases: int
    used: int


_SHOWN = """p.id, p.uuid::text AS uuid, p.name, p.network::text AS network, host(p.gateway) AS gateway, p.bridge,
       p.dns, p.locked, p.version, p.created_at"""
_COLUMNS = f"""{_SHOWN}, coalesce(l.leases, 0) AS leases, coalesce(l.used, 0) AS used
  FROM address_pool p
  LEFT JOIN (SELECT pool_id, count(*) AS leases, count(nic_id) AS used FROM network_lease GROUP BY pool_id) l
         ON l.pool_id = p.id"""
_POOL = f"SELECT {_COLUMNS} WHERE p.deleted_at IS NULL"
_FEED = Prepared(
    "feed_network", f"SELECT p.id AS _id, p.deleted_at IS NOT NULL AS _gone, {_COLUMNS} WHERE p.id = ANY(:ids)"
)


def describe(row: PoolRow) -> results.Network:
    """A network as callers see it."""
    return {
        "pool_id": row.id,
        "uuid": row.uuid,
        "name": row.name,
        "network": str(row.network),
        "address": str(row.network.network_address),
        "mask": row.network.prefixlen,
        "gateway": str(row.gateway),
        "bridge": row.bridge,
        "dns": row.dns,
        "locked": row.locked,
        "leases": row.leases,
        "leases_used": row.used,
        "version": row.version,
        "created": row.created_at,
    }


def render_networks(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids), lambda row: describe(_pool(row)))


def _pool(found: Any) -> PoolRow:
    values = shown(found)
    values["network"] = ip_network(values["network"])
    values["gateway"] = ip_address(values["gateway"])
    return PoolRow(**values)


def list_pools(session: Session) -> Sequence[PoolRow]:
    return [_pool(row) for row in session.execute(text(_POOL + " ORDER BY p.id"))]


def get_pool(session: Session, pool_id: int, *, lock: bool = False, version: int | None = None) -> PoolRow:
    """
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        # Not FOR UPDATE: a NIC's key waits for that, with a lease that whoever holds the row may then wait for.
        session.execute(text("SELECT 1 FROM address_pool WHERE id = :id FOR NO KEY UPDATE"), {"id": pool_id})
    found = session.execute(text(_POOL + " AND p.id = :id"), {"id": pool_id}).first()
    if found is None:
        raise ObjectNotFound("network", pool_id)
    row = _pool(found)
    if version is not None and row.version != version:
        raise VersionChanged("network", pool_id, row.version, version)
    return row


_POOLS_OF_VM = Prepared(
    "pools_of_vm",
    f"SELECT {_SHOWN}, 0 AS leases, 0 AS used FROM address_pool p WHERE p.id IN (SELECT pool_id FROM nic"
    " WHERE vm_id = :vm_id) AND p.deleted_at IS NULL ORDER BY p.id",
)


def pools_of_vm(session: Session, vm_id: int) -> Sequence[PoolRow]:
    """The pools of a VM's NICs, each once; without counts of their leases, for which a launch has no use."""
    return [_pool(row) for row in _POOLS_OF_VM(session, vm_id=vm_id)]


_INSERT = text(
    """
WITH next AS (SELECT nextval(pg_get_serial_sequence('address_pool', 'id')) AS id)
INSERT INTO address_pool (id, name, network, gateway, bridge, dns)
SELECT id, :name, CAST(:network AS cidr), CAST(:gateway AS inet), coalesce(:bridge, 'wbr' || id), :dns FROM next
RETURNING id
"""
)

_LEASES = text(
    """
INSERT INTO network_lease (pool_id, address)
SELECT :id, CAST(:first AS inet) + n FROM generate_series(0, :count - 1) AS n
 WHERE CAST(:first AS inet) + n <> CAST(:gateway AS inet)
"""
)


def insert_pool(
    session: Session, *, name: str, network: Network, gateway: Address, bridge: str | None, dns: str
) -> int:
    """The pool with a free lease for each host address but the gateway's."""
    pool_id = int(
        session.execute(
            _INSERT,
            {"name": name, "network": str(network), "gateway": str(gateway), "bridge": bridge, "dns": dns},
        ).scalar_one()
    )
    session.execute(
        _LEASES,
        {
            "id": pool_id,
            "first": str(network.network_address + 1),
            "count": network.num_addresses - 2,
            "gateway": str(gateway),
        },
    )
    return pool_id


def find_overlap(session: Session, network: Network) -> str | None:
    """The name of a live pool that shares addresses with this network."""
    name: str | None = session.scalar(
        text("SELECT name FROM address_pool WHERE network && CAST(:network AS inet) AND deleted_at IS NULL LIMIT 1"),
        {"network": str(network)},
    )
    return name


def lock_pool(session: Session, pool_id: int, locked: bool) -> None:
    """Have a pool give leases no more, or again."""
    edit_row(session, AddressPool, pool_id, (AddressPool.locked,), {"locked": locked})


def lock_leases(session: Session, pool_id: int) -> Sequence[int]:
    """Hold every lease of a pool until the transaction ends; the ids of the VMs that have a NIC on it."""
    session.execute(text("SELECT 1 FROM network_lease WHERE pool_id = :id ORDER BY id FOR UPDATE"), {"id": pool_id})
    found = session.scalars(text("SELECT DISTINCT vm_id FROM nic WHERE pool_id = :id ORDER BY vm_id"), {"id": pool_id})
    return list(found)


def close_pool(session: Session, pool_id: int) -> None:
    """Delete a pool of which no lease is used."""
    session.execute(text("DELETE FROM network_lease WHERE pool_id = :id AND nic_id IS NULL"), {"id": pool_id})
    close_row(session, AddressPool, pool_id)


def list_leases(
    session: Session, pool_id: int, *, used_only: bool, after: int | None, limit: int
) -> Sequence[NetworkLease]:
    """A page of a pool's leases by id, with whose VM has each."""
    found = session.execute(
        text(
            "SELECT l.id AS lease_id, host(l.address) AS address, n.vm_id, coalesce(n.number, 0) AS nic,"
            " v.name AS vm_name, v.account_id AS user_id FROM network_lease l LEFT JOIN nic n ON n.id = l.nic_id"
            " LEFT JOIN vm v ON v.id = n.vm_id"
            " WHERE l.pool_id = :id AND (NOT :used_only OR l.nic_id IS NOT NULL) AND l.id > :after"
            " ORDER BY l.id LIMIT :limit"
        ),
        {"id": pool_id, "used_only": used_only, "after": after or 0, "limit": limit},
    )
    return [cast(NetworkLease, dict(row._mapping)) for row in found]
