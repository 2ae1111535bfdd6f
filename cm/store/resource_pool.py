"""Queries about resource pools: the tree of all of them with what is used, and who may do what in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import ResourcePool
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import PoolResource, Privilege
from cm.rules.access import Grant, Level, Person
from cm.rules.resource_pool import Pool
from cm.runtime.rows import Columns, close_row, edit_row, insert_row, table_of
from cm.store.access import FOR_CALLER, values_of
from cm.store.conditions import account_number

QUOTAS: Final[Columns] = (
    ResourcePool.quota_cpu, ResourcePool.quota_memory_mib, ResourcePool.quota_storage_mib, ResourcePool.quota_vms,
    ResourcePool.quota_nics,
)  # fmt: skip
EDITED: Final[Columns] = (ResourcePool.name, ResourcePool.description, *QUOTAS)
WRITTEN: Final[Columns] = (*EDITED, ResourcePool.parent_id, ResourcePool.hardware_pool)

# What VMs have of storages: disks that go with them, and those that are reserved for them.
_TREE: Final = """
SELECT p.id, p.uuid::text AS uuid, p.name, p.description, p.parent_id, p.hardware_pool, p.quota_cpu, p.quota_memory_mib,
       p.quota_storage_mib, p.quota_vms, p.quota_nics, p.version, p.created_at AS created,
       coalesce(u.cpu, 0) AS cpu, coalesce(u.memory_mib, 0) AS memory_mib, coalesce(u.vms, 0) AS vms,
       coalesce(u.nics, 0) AS nics, ceil(coalesce(u.bytes, 0) / 1048576.0)::bigint AS storage_mib,
       coalesce(u.cpu_now, 0) AS cpu_now, coalesce(u.memory_mib_now, 0) AS memory_mib_now,
       coalesce(u.vms_now, 0) AS vms_now
  FROM resource_pool p LEFT JOIN (
       SELECT v.resource_pool_id AS pool_id, sum(v.cpu) AS cpu, sum(v.memory_mib) AS memory_mib, count(*) AS vms,
              sum(v.cpu) FILTER (WHERE v.node_claimed) AS cpu_now,
              sum(v.memory_mib) FILTER (WHERE v.node_claimed) AS memory_mib_now,
              count(*) FILTER (WHERE v.node_claimed) AS vms_now,
              sum((SELECT count(*) FROM nic c WHERE c.vm_id = v.id)) AS nics,
              sum((SELECT coalesce(sum(o.size_bytes), 0) FROM attachment t JOIN disk k ON k.id = t.disk_id
                     JOIN volume o ON o.id = k.volume_id WHERE t.vm_id = v.id AND t.delete_with_vm)
                  + (SELECT coalesce(sum(o.size_bytes), 0) FROM reservation r JOIN volume o ON o.id = r.volume_id
                      WHERE r.vm_id = v.id)) AS bytes
         FROM vm v WHERE v.resource_pool_id IS NOT NULL AND v.closed_at IS NULL GROUP BY 1) u ON u.pool_id = p.id
 WHERE p.deleted_at IS NULL ORDER BY p.name, p.id
"""


class PoolRow(NamedTuple):
    """A pool with what it says itself. ``pool``: as rules know it; ``now``: used by VMs that have a node."""

    pool: Pool
    uuid: str
    name: str
    description: str
    hardware_pool: str | None
    version: int
    created: Any
    now: Mapping[PoolResource, int]


def list_resource_pools(session: Session) -> dict[int, PoolRow]:
    """All of them, by name."""
    found: dict[int, PoolRow] = {}
    for row in session.execute(text(_TREE)):
        values = row._mapping
        pool = Pool(
            row.id,
            row.parent_id,
            {each: values[f"quota_{each}"] for each in PoolResource},
            {each: int(values[each]) for each in PoolResource},
        )
        now = {each: int(values.get(f"{each}_now", values[each])) for each in PoolResource}
        told = (row.uuid, row.name, row.description, row.hardware_pool, row.version, row.created)
        found[row.id] = PoolRow(pool, *told, now)
    return found


def hold_resource_pool(session: Session, pool_id: int, version: int | None = None) -> None:
    """
    Nobody else changes what is used of a pool, of those that it is in or of those in these until the transaction ends:
    all of them are held by the topmost.

    :raises ObjectNotFound: there is no such pool.
    :raises VersionChanged: it is not at ``version``.
    """
    top = session.scalar(
        text(
            "WITH RECURSIVE up AS (SELECT id, parent_id FROM resource_pool WHERE id = :id"
            " UNION SELECT p.id, p.parent_id FROM up JOIN resource_pool p ON p.id = up.parent_id)"
            " SELECT id FROM up WHERE parent_id IS NULL"
        ),
        {"id": pool_id},
    )
    session.execute(text("SELECT 1 FROM resource_pool WHERE id = :id FOR NO KEY UPDATE"), {"id": top})
    statement = text("SELECT version FROM resource_pool WHERE id = :id AND deleted_at IS NULL")
    found = session.scalar(statement, {"id": pool_id})
    if found is None:
        raise ObjectNotFound("resource_pool", pool_id)
    if version is not None and found != version:
        raise VersionChanged("resource_pool", pool_id, found, version)


def count_resource_pools(session: Session) -> int:
    return int(session.execute(text("SELECT count(*) FROM resource_pool WHERE deleted_at IS NULL")).scalar_one())


def insert_resource_pool(session: Session, values: Mapping[str, Any]) -> int:
    """:param values: by the names of ``WRITTEN``. :return: its id."""
    return insert_row(session, ResourcePool, WRITTEN, values)


def update_resource_pool(
    session: Session, pool_id: int, values: Mapping[str, Any], inherit: Sequence[PoolResource]
) -> None:
    """
    Write what is not None of ``EDITED``.

    :param inherit: what it has no limit of its own of from now on.
    """
    edit_row(session, ResourcePool, pool_id, EDITED, values)
    if inherit:
        table = table_of(ResourcePool)
        opened: dict[str, Any] = {f"quota_{each}": None for each in inherit}
        session.execute(table.update().where(table.c.id == pool_id).values(opened))


def close_resource_pool(session: Session, pool_id: int) -> None:
    close_row(session, ResourcePool, pool_id)
    session.execute(text("DELETE FROM resource_pool_grant WHERE pool_id = :id"), {"id": pool_id})


def put_into_pool(session: Session, vm_ids: Sequence[int], pool_id: int) -> None:
    """New VMs are in a pool, and count there."""
    session.execute(
        text("UPDATE vm SET resource_pool_id = :pool WHERE id = ANY(:ids)"), {"ids": list(vm_ids), "pool": pool_id}
    )


def pool_of(session: Session, vm_id: int) -> int | None:
    found = session.scalar(text("SELECT resource_pool_id FROM vm WHERE id = :id"), {"id": vm_id})
    return None if found is None else int(found)


# ------------------------------------------------------------------ privileges


def privileges_of(session: Session, person: Person) -> dict[int, set[Privilege]]:
    """What a person was given, by pool."""
    statement = text(f"SELECT g.pool_id, g.privilege FROM resource_pool_grant g WHERE {FOR_CALLER}")
    found: dict[int, set[Privilege]] = {}
    for row in session.execute(statement, values_of(person)):
        found.setdefault(row.pool_id, set()).add(Privilege(row.privilege))
    return found


class GrantRow(NamedTuple):
    """Somebody's privilege."""

    privilege: Privilege
    grant: Grant
    login: str | None
    account_number: str | None


def list_pool_grants(session: Session, pool_id: int) -> list[GrantRow]:
    """Oldest first, but those of accounts that are no more."""
    found = session.execute(
        text(
            "SELECT g.privilege, g.account_id, g.issuer, g.group_id, a.login,"
            f" {account_number('a')} AS account_number FROM resource_pool_grant g"
            " LEFT JOIN account a ON a.id = g.account_id"
            " WHERE g.pool_id = :id AND a.deleted_at IS NULL ORDER BY g.id"
        ),
        {"id": pool_id},
    )
    return [
        GrantRow(
            Privilege(row.privilege),
            Grant(Level.USER, row.account_id, row.issuer, row.group_id),
            row.login,
            row.account_number,
        )
        for row in found
    ]


def write_pool_grant(session: Session, pool_id: int, privilege: Privilege, subject: Grant) -> None:
    """One that is there already stays."""
    session.execute(
        text(
            "INSERT INTO resource_pool_grant (pool_id, privilege, account_id, issuer, group_id)"
            " VALUES (:pool, :privilege, :account, :issuer, :group) ON CONFLICT DO NOTHING"
        ),
        _subject(pool_id, privilege, subject),
    )


def delete_pool_grant(session: Session, pool_id: int, privilege: Privilege, subject: Grant) -> None:
    session.execute(
        text(
            "DELETE FROM resource_pool_grant WHERE pool_id = :pool AND privilege = :privilege"
            " AND account_id IS NOT DISTINCT FROM CAST(:account AS bigint)"
            " AND issuer IS NOT DISTINCT FROM CAST(:issuer AS text)"
            " AND group_id IS NOT DISTINCT FROM CAST(:group AS bigint)"
        ),
        _subject(pool_id, privilege, subject),
    )


def _subject(pool_id: int, privilege: Privilege, subject: Grant) -> dict[str, Any]:
    return {
        "pool": pool_id,
        "privilege": privilege,
        "account": subject.account_id,
        "issuer": subject.issuer,
        "group": subject.group_id,
    }
