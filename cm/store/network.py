"""Queries about networks, with the pools that they are cut from, and about their leases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm import models
from cm.results import network as results
from cm.results.network import NetworkLease
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import NetworkKind
from cm.rules.access import Level, Person, highest
from cm.rules.names import LINK_PREFIX
from cm.rules.network import Address, Network
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, close_row, edit_row, insert_row
from cm.store.access import FOR_CALLER, values_of
from cm.store.rendered import Rendered, rendered, shown


@dataclass(frozen=True)
class NetworkRow:
    """
    ``used`` of its ``leases`` belong to VMs. ``account_id``: whose it is; None: everybody's. Without a ``prefix``
    guests have their addresses from elsewhere.
    """

    id: int
    uuid: str
    pool_id: int
    account_id: int | None
    kind: str
    name: str
    description: str
    prefix: Network | None
    gateway: Address | None
    prefix6: Network | None
    gateway6: Address | None
    domain: str
    is_default: bool
    bridge: str
    uplink: str
    vlan: int | None
    dns: str
    locked: bool
    version: int
    created_at: datetime
    leases: int
    used: int


_SHOWN = """w.id, w.uuid::text AS uuid, w.pool_id, w.account_id, w.kind, w.name, w.description,
       w.prefix::text AS prefix, host(w.gateway) AS gateway, w.prefix6::text AS prefix6, host(w.gateway6) AS gateway6,
       w.domain, w.is_default, w.bridge, w.uplink, w.vlan, w.dns, w.locked, w.version, w.created_at"""
_COLUMNS = f"""{_SHOWN}, l.leases, l.used
  FROM network w CROSS JOIN LATERAL
       (SELECT count(*) AS leases, count(nic_id) AS used FROM network_lease
         WHERE network_id = w.id AND family(address) = family(w.prefix)) l"""
_NETWORK = f"SELECT {_COLUMNS} WHERE w.deleted_at IS NULL"
_FEED = Prepared(
    "feed_network", f"SELECT w.id AS _id, w.deleted_at IS NOT NULL AS _gone, {_COLUMNS} WHERE w.id = ANY(:ids)"
)


def describe(row: NetworkRow) -> results.Network:
    """A network as callers see it."""
    return {
        "network_id": row.id,
        "pool_id": row.pool_id,
        "user_id": row.account_id,
        "kind": NetworkKind(row.kind),
        "uuid": row.uuid,
        "name": row.name,
        "description": row.description,
        "network": "" if row.prefix is None else str(row.prefix),
        "address": "" if row.prefix is None else str(row.prefix.network_address),
        "mask": 0 if row.prefix is None else row.prefix.prefixlen,
        "gateway": "" if row.gateway is None else str(row.gateway),
        "network6": None if row.prefix6 is None else str(row.prefix6),
        "gateway6": None if row.gateway6 is None else str(row.gateway6),
        "domain": row.domain,
        "is_default": row.is_default,
        "bridge": row.bridge,
        "uplink": row.uplink,
        "vlan": row.vlan,
        "dns": row.dns,
        "locked": row.locked,
        "leases": row.leases,
        "leases_used": row.used,
        "version": row.version,
        "created": row.created_at,
    }


def render_networks(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids), lambda row: describe(_network(row)))


def _network(found: Any) -> NetworkRow:
    values = shown(found)
    if values["prefix"] is not None:
        values["prefix"], values["gateway"] = ip_network(values["prefix"]), ip_address(values["gateway"])
    if values["prefix6"] is not None:
        values["prefix6"], values["gateway6"] = ip_network(values["prefix6"]), ip_address(values["gateway6"])
    return NetworkRow(**values)


def list_networks(session: Session, account_id: int | None = None) -> Sequence[NetworkRow]:
    """:param account_id: whose; None: all."""
    whose = "" if account_id is None else " AND w.account_id = :account_id"
    found = session.execute(text(f"{_NETWORK}{whose} ORDER BY w.id"), {"account_id": account_id} if whose else {})
    return [_network(row) for row in found]


_SHARED = Prepared(
    "networks_shared",
    f"""
SELECT a.login AS _login, s.levels AS _levels, {_COLUMNS}
  LEFT JOIN account a ON a.id = w.account_id
  LEFT JOIN (SELECT g.object_id, array_agg(g.level) AS levels FROM acl g WHERE g.kind = 'network' AND {FOR_CALLER}
              GROUP BY g.object_id) s ON s.object_id = w.id AND w.account_id <> :account_id
 WHERE w.deleted_at IS NULL AND (w.account_id IS NULL OR s.object_id IS NOT NULL)
 ORDER BY w.id
""",
)


def list_shared_networks(session: Session, person: Person) -> Sequence[results.ListedNetwork]:
    """Networks that are not a person's own, and that their VMs may be on: everybody's, and those that are shared."""
    return [
        {
            **describe(_network(row)),
            "user_login": row._login,
            "access": highest(map(Level, row._levels or ())) or Level.USER,
        }
        for row in _SHARED(session, **values_of(person))
    ]


def count_networks(session: Session, account_id: int) -> tuple[int, int]:
    """How many networks an account has and may have; nobody adds to them until the transaction ends."""
    held = text("SELECT quota_networks FROM account WHERE id = :id FOR NO KEY UPDATE")
    quota = session.execute(held, {"id": account_id}).scalar_one()
    counted = text("SELECT count(*) FROM network WHERE account_id = :id AND deleted_at IS NULL")
    return int(session.execute(counted, {"id": account_id}).scalar_one()), int(quota)


def get_network(session: Session, network_id: int, *, lock: bool = False, version: int | None = None) -> NetworkRow:
    """
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:
        # Not FOR UPDATE: a NIC's key waits for that, with a lease that whoever holds the row may then wait for.
        session.execute(text("SELECT 1 FROM network WHERE id = :id FOR NO KEY UPDATE"), {"id": network_id})
    found = session.execute(text(_NETWORK + " AND w.id = :id"), {"id": network_id}).first()
    if found is None:
        raise ObjectNotFound("network", network_id)
    row = _network(found)
    if version is not None and row.version != version:
        raise VersionChanged("network", network_id, row.version, version)
    return row


_NETWORKS_OF_VM = Prepared(
    "networks_of_vm",
    f"SELECT {_SHOWN}, 0 AS leases, 0 AS used FROM network w WHERE w.id IN (SELECT network_id FROM nic"
    " WHERE vm_id = :vm_id) AND w.kind = 'nat' AND w.deleted_at IS NULL ORDER BY w.id",
)


def networks_of_vm(session: Session, vm_id: int) -> Sequence[NetworkRow]:
    """
    The networks of kind ``nat`` of a VM's NICs, each once; without counts of their leases, for which a launch has no
    use.
    """
    return [_network(row) for row in _NETWORKS_OF_VM(session, vm_id=vm_id)]


# Pools take their numbers from networks: of a pool that is one network, pool and network have one.
_INSERT = text(
    """
WITH next AS (SELECT nextval(pg_get_serial_sequence('network', 'id')) AS id), pool AS (
    INSERT INTO address_pool (id, name, network) SELECT id, :name, CAST(:network AS cidr) FROM next RETURNING id
)
INSERT INTO network (id, pool_id, kind, name, prefix, gateway, bridge, dns)
SELECT id, id, 'nat', :name, CAST(:network AS cidr), CAST(:gateway AS inet), coalesce(:bridge, 'wbr' || id), :dns
  FROM pool
RETURNING id
"""
)

_INSERT_BRIDGE = text(
    """
WITH next AS (SELECT nextval(pg_get_serial_sequence('network', 'id')) AS id), pool AS (
    INSERT INTO address_pool (id, name, kind, network)
    SELECT id, :name, 'bridge', CAST(:network AS cidr) FROM next RETURNING id
)
INSERT INTO network (id, pool_id, account_id, kind, name, description, prefix, gateway, bridge, uplink, vlan, mtu,
                     domain, dns, dhcp, masquerade, metadata_served)
SELECT id, id, :account_id, 'bridge', :name, :description, CAST(:network AS cidr), CAST(:gateway AS inet),
       CASE WHEN CAST(:vlan AS smallint) IS NULL THEN :uplink ELSE :link || id END, :uplink, :vlan, :mtu, :domain,
       :dns, :served, :served, :served FROM pool
RETURNING id
"""
)

_LEASES = text(
    """
INSERT INTO network_lease (network_id, address)
SELECT :id, CAST(:first AS inet) + n FROM generate_series(0, :count - 1) AS n
 WHERE CAST(:first AS inet) + n <> CAST(:gateway AS inet)
"""
)


def insert_nat(session: Session, *, name: str, network: Network, gateway: Address, bridge: str | None, dns: str) -> int:
    """A network for everybody with its pool, and a free lease for each host address but the gateway's."""
    network_id = int(
        session.execute(
            _INSERT,
            {"name": name, "network": str(network), "gateway": str(gateway), "bridge": bridge, "dns": dns},
        ).scalar_one()
    )
    _insert_leases(session, network_id, network, gateway)
    return network_id


def insert_bridge(session: Session, network: Network | None, values: Mapping[str, Any]) -> int:
    """
    A network on a bridge or a VLAN of the nodes, with its pool.

    :param network: its addresses, the first of which is the nodes'; None: it has none of ours.
    """
    gateway = None if network is None else network.network_address + 1
    told = {
        "network": None if network is None else str(network),
        "gateway": None if gateway is None else str(gateway),
        "served": network is not None,
        "link": LINK_PREFIX,
    }
    network_id = int(session.execute(_INSERT_BRIDGE, {**values, **told}).scalar_one())
    if network is not None and gateway is not None:
        _insert_leases(session, network_id, network, gateway)
    return network_id


def _insert_leases(session: Session, network_id: int, prefix: Network, gateway: Address) -> None:
    first, count = str(prefix.network_address + 1), prefix.num_addresses - 2
    session.execute(_LEASES, {"id": network_id, "first": first, "count": count, "gateway": str(gateway)})


def next_id(session: Session) -> int:
    """The number that a new network will have."""
    return int(session.execute(text("SELECT nextval(pg_get_serial_sequence('network', 'id'))")).scalar_one())


_CUT: Final[Columns] = (
    models.Network.id, models.Network.account_id, models.Network.pool_id, models.Network.kind, models.Network.name,
    models.Network.description, models.Network.prefix, models.Network.prefix6, models.Network.gateway,
    models.Network.gateway6, models.Network.overlap, models.Network.bridge, models.Network.domain, models.Network.dns,
    models.Network.is_default,
)  # fmt: skip


def insert_network(session: Session, values: Mapping[str, Any]) -> None:
    """
    A network of somebody's, with a free lease for each host address but the gateway's, which is the first.

    :param values: the columns of ``_CUT``; ``prefix`` is an ``IPv4Network``.
    """
    prefix = values["prefix"]
    insert_row(session, models.Network, _CUT, {**values, "prefix": str(prefix)})
    _insert_leases(session, values["id"], prefix, prefix.network_address + 1)


def edit_network(session: Session, network_id: int, values: Mapping[str, Any]) -> None:
    """Write what is not None of name, description and dns."""
    columns = (models.Network.name, models.Network.description, models.Network.dns)
    edit_row(session, models.Network, network_id, columns, values)


def find_overlap(session: Session, network: Network, but: int = 0) -> str | None:
    """The name of a live pool that shares addresses with this network. :param but: it is another than this one."""
    name: str | None = session.scalar(
        text(
            "SELECT name FROM address_pool"
            " WHERE network && CAST(:network AS inet) AND deleted_at IS NULL AND id <> :but LIMIT 1"
        ),
        {"network": str(network), "but": but},
    )
    return name


def lock_network(session: Session, network_id: int, locked: bool) -> None:
    """Have a network give leases no more, or again."""
    edit_row(session, models.Network, network_id, (models.Network.locked,), {"locked": locked})


def lock_leases(session: Session, network_id: int) -> Sequence[int]:
    """Hold every lease of a network until the transaction ends; the ids of the VMs that have a NIC on it."""
    wanted = {"id": network_id}
    session.execute(text("SELECT 1 FROM network_lease WHERE network_id = :id ORDER BY id FOR UPDATE"), wanted)
    return list(session.scalars(text("SELECT DISTINCT vm_id FROM nic WHERE network_id = :id ORDER BY vm_id"), wanted))


def close_network(session: Session, row: NetworkRow) -> None:
    """Delete a network of which no lease is used, and its pool where that is for it alone."""
    session.execute(text("DELETE FROM network_lease WHERE network_id = :id AND nic_id IS NULL"), {"id": row.id})
    close_row(session, models.Network, row.id)
    if row.pool_id == row.id:
        close_row(session, models.AddressPool, row.pool_id)


def lease_used(session: Session, network_id: int, address: str) -> bool | None:
    """Whether a NIC has an address of a network; None: guests do not get it."""
    found: bool | None = session.scalar(
        text("SELECT nic_id IS NOT NULL FROM network_lease WHERE network_id = :id AND address = CAST(:a AS inet)"),
        {"id": network_id, "a": address},
    )
    return found


def list_leases(
    session: Session, network_id: int, *, used_only: bool, after: int | None, limit: int
) -> Sequence[NetworkLease]:
    """A page of a network's leases by id, with whose VM has each."""
    found = session.execute(
        text(
            "SELECT l.id AS lease_id, host(l.address) AS address, n.vm_id, coalesce(n.number, 0) AS nic,"
            " v.name AS vm_name, v.account_id AS user_id FROM network_lease l LEFT JOIN nic n ON n.id = l.nic_id"
            " LEFT JOIN vm v ON v.id = n.vm_id"
            " WHERE l.network_id = :id AND (NOT :used_only OR l.nic_id IS NOT NULL) AND l.id > :after"
            " ORDER BY l.id LIMIT :limit"
        ),
        {"id": network_id, "used_only": used_only, "after": after or 0, "limit": limit},
    )
    return [cast(NetworkLease, dict(row._mapping)) for row in found]
