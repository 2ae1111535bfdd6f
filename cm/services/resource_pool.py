"""
Use cases of resource pools: quotas that VMs share, in pools within pools, and who makes VMs in them. A pool's limits
hold for VMs that are made in it and for their sizes; the quota of their account holds beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy.orm import Session

from cm.results.resource_pool import ListedResourcePool, PoolGrant, PoolLimits, PoolUse, ResourcePool
from cm.rpc.errors import InUse, InvalidParameter, NameTaken, ObjectNotFound, QuotaReached
from cm.rpc.vocabulary import PoolResource, Privilege
from cm.rules.resource_pool import (
    DEPTH_MAX,
    Pools,
    PrivilegeNeeded,
    check_limits,
    check_room,
    limited_by,
    privileges,
    upwards,
)
from cm.runtime.taken import refused_by
from cm.services.access import person_of
from cm.services.acl import shown_subject, subject_of
from cm.services.context import ClusterCall
from cm.store.resource_pool import (
    PoolRow,
    close_resource_pool,
    count_resource_pools,
    delete_pool_grant,
    hold_resource_pool,
    insert_resource_pool,
    list_pool_grants,
    list_resource_pools,
    pool_of,
    privileges_of,
    update_resource_pool,
    write_pool_grant,
)

POOLS_MAX: Final = 1000  # all are looked at when a VM is made in one


def _told(rows: Mapping[int, PoolRow], pools: Pools, row: PoolRow) -> ResourcePool:
    effective: dict[str, int | None] = {}
    for each in PoolResource:
        owner = limited_by(pools, row.pool.id, each)
        effective[each.value] = None if owner is None else owner.limits[each]
    inside = _inside(pools, row.pool.id)
    current = {each.value: sum(rows[i].now[each] for i in inside) for each in PoolResource}
    pending = {each.value: sum(rows[i].pool.used[each] for i in inside) for each in PoolResource}
    return {
        "resource_pool_id": row.pool.id,
        "uuid": row.uuid,
        "name": row.name,
        "description": row.description,
        "parent_pool_id": row.pool.parent_id,
        "hardware_pool": row.hardware_pool,
        "limits": cast(PoolLimits, {each.value: row.pool.limits[each] for each in PoolResource}),
        "effective": cast(PoolLimits, effective),
        "current": cast(PoolUse, current),
        "pending": cast(PoolUse, pending),
        "version": row.version,
        "created": row.created,
    }


def _inside(pools: Pools, pool_id: int) -> list[int]:
    """A pool and all within."""
    return [each for each in pools if any(pool.id == pool_id for pool in upwards(pools, each))]


def _pools(rows: Mapping[int, PoolRow]) -> Pools:
    return {pool_id: row.pool for pool_id, row in rows.items()}


def list_all(session: Session) -> list[ResourcePool]:
    """All pools, by name."""
    rows = list_resource_pools(session)
    pools = _pools(rows)
    return [_told(rows, pools, row) for row in rows.values()]


def list_for(caller: ClusterCall, needs: Privilege = Privilege.CLOUD_VIEW) -> list[ListedResourcePool]:
    """The pools on which the caller has a privilege, by name."""
    session = caller.session
    rows, held = list_resource_pools(session), privileges_of(session, person_of(caller.identity))
    pools = _pools(rows)
    found: list[ListedResourcePool] = []
    for row in rows.values():
        has = privileges(pools, row.pool.id, held)
        if needs in has:
            found.append({**_told(rows, pools, row), "privileges": sorted(has)})
    return found


def detail(session: Session, pool_id: int) -> ResourcePool:
    """:raises ObjectNotFound: there is no such pool."""
    rows = list_resource_pools(session)
    if pool_id not in rows:
        raise ObjectNotFound("resource_pool", pool_id)
    return _told(rows, _pools(rows), rows[pool_id])


def add(caller: ClusterCall, values: dict[str, Any]) -> ResourcePool:
    """
    :raises ObjectNotFound: there is no such pool to be in.
    :raises NameTaken: another has the name.
    :raises PoolTooSmall: the pool that it is in has not so much to give.
    :raises InvalidParameter: too many are within each other; or its hardware pool is not that of the pool it is in.
    :raises QuotaReached: there are as many as there may be.
    """
    session, parent_id = caller.session, values["parent_id"]
    if parent_id is not None:
        hold_resource_pool(session, parent_id)
        rows = list_resource_pools(session)
        above = list(upwards(_pools(rows), parent_id))
        if len(above) >= DEPTH_MAX:
            raise InvalidParameter("parent_pool_id", f"more than {DEPTH_MAX} pools would be within each other")
        hardware = next((rows[pool.id].hardware_pool for pool in above if rows[pool.id].hardware_pool), None)
        if values["hardware_pool"] and hardware and values["hardware_pool"] != hardware:
            raise InvalidParameter("hardware_pool", f"that of resource pool {parent_id} is {hardware}")
    used = count_resource_pools(session)
    if used >= POOLS_MAX:
        raise QuotaReached("resource pools", POOLS_MAX, used, 1)
    with refused_by(session, {"uq_resource_pool_name": NameTaken("resource_pool", values["name"])}):
        pool_id = insert_resource_pool(session, values)
    check_limits(_pools(list_resource_pools(session)), pool_id)
    caller.note("add resource pool", resource_pool_id=pool_id, name=values["name"])
    return detail(session, pool_id)


def edit(caller: ClusterCall, pool_id: int, values: dict[str, Any], inherit: Sequence[PoolResource]) -> ResourcePool:
    """
    Change what is not None.

    :param inherit: what it has no limit of its own of from now on.
    :raises ObjectNotFound: there is no such pool.
    :raises NameTaken: another has the name.
    :raises PoolTooSmall: its limit would be less than what is used and given to pools in it, or the pool that it is in
        has not so much to give.
    :raises InvalidParameter: something gets a limit and none at once.
    """
    session = caller.session
    both = next((each for each in inherit if values[f"quota_{each}"] is not None), None)
    if both is not None:
        raise InvalidParameter("inherit", f"{both} gets a limit by the same call")
    hold_resource_pool(session, pool_id, caller.if_version)
    with refused_by(session, {"uq_resource_pool_name": NameTaken("resource_pool", values["name"] or "")}):
        update_resource_pool(session, pool_id, values, inherit)
    check_limits(_pools(list_resource_pools(session)), pool_id)
    caller.note("edit resource pool", resource_pool_id=pool_id, inherit=sorted(inherit))
    return detail(session, pool_id)


def delete(caller: ClusterCall, pool_id: int) -> None:
    """
    :raises InUse: pools or VMs are in it, which are named.
    """
    session = caller.session
    hold_resource_pool(session, pool_id, caller.if_version)
    rows = list_resource_pools(session)
    users = [f"resource pool {row.pool.id}" for row in rows.values() if row.pool.parent_id == pool_id]
    if rows[pool_id].pool.used[PoolResource.VMS]:
        users.append(f"{rows[pool_id].pool.used[PoolResource.VMS]} VMs")
    if users:
        raise InUse("resource_pool", pool_id, ", ".join(users))
    close_resource_pool(session, pool_id)
    caller.note("delete resource pool", resource_pool_id=pool_id)


# ------------------------------------------------------------------ privileges


def set_privilege(
    caller: ClusterCall,
    pool_id: int,
    privilege: Privilege,
    given: bool,
    *,
    login: str | None,
    group_id: int | None,
    issuer: str | None,
) -> None:
    """
    :param issuer: whose login or group it is; without it the caller's own cloud manager, or this cluster.
    :raises ObjectNotFound: there is no such pool, or no account of this login.
    :raises InvalidParameter: neither an account nor a group, or both.
    """
    session = caller.session
    hold_resource_pool(session, pool_id)
    subject = subject_of(caller, login, group_id, None, issuer or caller.identity.issuer, administrator=True)
    (write_pool_grant if given else delete_pool_grant)(session, pool_id, privilege, subject)
    caller.note("set privilege", resource_pool_id=pool_id, privilege=privilege, given=given, login=login)


def grants(session: Session, pool_id: int) -> list[PoolGrant]:
    """:raises ObjectNotFound: there is no such pool."""
    detail(session, pool_id)
    return [
        {"subject": shown_subject(row.grant, row.login, row.account_number), "privilege": row.privilege}
        for row in list_pool_grants(session, pool_id)
    ]


# ------------------------------------------------------------------ VMs


def choose(caller: ClusterCall, pool_id: int | None) -> ListedResourcePool:
    """
    The pool that the caller makes VMs in.

    :param pool_id: None: their only one.
    :raises PrivilegeNeeded: they may make VMs in none, or see this one and may make none in it.
    :raises ObjectNotFound: they do not see it.
    :raises InvalidParameter: they have several.
    """
    seen = list_for(caller)
    may = [pool for pool in seen if Privilege.CLOUD_CREATE in pool["privileges"]]
    if pool_id is None:
        if not may:
            raise PrivilegeNeeded(Privilege.CLOUD_CREATE)
        if len(may) > 1:
            raise InvalidParameter("resource_pool_id", f"say which of {len(may)} resource pools")
        return may[0]
    for pool in may:
        if pool["resource_pool_id"] == pool_id:
            return pool
    if any(pool["resource_pool_id"] == pool_id for pool in seen):
        raise PrivilegeNeeded(Privilege.CLOUD_CREATE)
    raise ObjectNotFound("resource_pool", pool_id)


def claim(session: Session, pool_id: int, asked: Mapping[PoolResource, int]) -> None:
    """
    Hold a pool until the transaction ends, which has room for so much more.

    :raises QuotaReached: it has not.
    """
    hold_resource_pool(session, pool_id)
    check_room(_pools(list_resource_pools(session)), pool_id, asked)


def claim_more(session: Session, vm_id: int, asked: Mapping[PoolResource, int]) -> None:
    """
    Likewise for a VM that is there; one that is in no pool asks none.

    :raises QuotaReached: its pool has no room.
    """
    pool_id = pool_of(session, vm_id)
    if pool_id is not None:
        claim(session, pool_id, asked)


def hardware_of(session: Session, pool_id: int) -> str | None:
    """The hardware pool of a resource pool, or of the nearest upwards that has one."""
    rows = list_resource_pools(session)
    above = upwards(_pools(rows), pool_id)
    return next((rows[pool.id].hardware_pool for pool in above if rows[pool.id].hardware_pool), None)
