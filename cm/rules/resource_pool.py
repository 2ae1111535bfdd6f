"""
Resource pools: who may make VMs in one, and how many, by limits of its own or of the pools that it is in.

Of each resource the nearest pool upwards that has a limit counts. What it limits is the VMs below it, but for those
below a pool that has a limit itself: of these the limit counts, be it used or not, so that no pool is promised more
than it has.

Source: oVirt's "Vm Templates" and its VmResourcePool with a quota, which is looked up at the nearest ancestor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cm.rpc.errors import Conflict, NotPermitted, QuotaReached
from cm.rpc.vocabulary import PoolResource, Privilege

DEPTH_MAX: Final = 8  # pools within each other


@dataclass(eq=False)
class PrivilegeNeeded(NotPermitted):
    """The caller has it on no resource pool, or not on the one that they name."""

    code = "privilege_needed"
    message = "This needs the privilege {privilege} on a resource pool."
    privilege: Privilege


@dataclass(eq=False)
class PoolTooSmall(Conflict):
    """A limit would be less than what is used of it and given to pools within."""

    code = "resource_pool_too_small"
    message = "{resource} of resource pool {pool_id} cannot be {limit}: {promised} are used, or given to pools in it."
    resource: PoolResource
    pool_id: int
    limit: int
    promised: int


@dataclass(frozen=True)
class Pool:
    """
    :ivar limits: None: none of its own.
    :ivar used: by the VMs that are in it, and in no pool within.
    """

    id: int
    parent_id: int | None
    limits: Mapping[PoolResource, int | None]
    used: Mapping[PoolResource, int]


Pools = Mapping[int, Pool]


def upwards(pools: Pools, pool_id: int) -> Iterator[Pool]:
    """A pool and those that it is in, itself first."""
    pool: Pool | None = pools[pool_id]
    while pool is not None:
        yield pool
        pool = None if pool.parent_id is None else pools[pool.parent_id]


def limited_by(pools: Pools, pool_id: int, resource: PoolResource) -> Pool | None:
    """The nearest pool that has a limit; None: there is none."""
    return next((pool for pool in upwards(pools, pool_id) if pool.limits[resource] is not None), None)


def promised(pools: Pools, pool_id: int, resource: PoolResource) -> int:
    """What a pool's limit has to hold: what is used, and what pools within have as theirs."""
    total = pools[pool_id].used[resource]
    for child in pools.values():
        if child.parent_id == pool_id:
            limit = child.limits[resource]
            total += promised(pools, child.id, resource) if limit is None else limit
    return total


def check_room(pools: Pools, pool_id: int, asked: Mapping[PoolResource, int]) -> None:
    """
    :raises QuotaReached: VMs that ask for so much more do not fit, naming the first resource that would go over.
    """
    for resource, more in asked.items():
        owner = limited_by(pools, pool_id, resource)
        if owner is None or more <= 0:
            continue
        limit, used = owner.limits[resource], promised(pools, owner.id, resource)
        assert limit is not None
        if used + more > limit:
            raise QuotaReached(f"{resource} of resource pool {owner.id}", limit, used, more)


def check_limits(pools: Pools, pool_id: int) -> None:
    """
    As the pools would be with other limits of one of them, its own limits and those of the pools that it is in.

    :raises PoolTooSmall: one would be less than what it has promised.
    """
    for resource in PoolResource:
        for pool in upwards(pools, pool_id):
            limit = pool.limits[resource]
            if limit is not None and promised(pools, pool.id, resource) > limit:
                raise PoolTooSmall(resource, pool.id, limit, promised(pools, pool.id, resource))


def privileges(pools: Pools, pool_id: int, held: Mapping[int, Collection[Privilege]]) -> frozenset[Privilege]:
    """
    What somebody has on a pool: what they were given on it, or on one that it is in. Whoever makes VMs in one sees it.

    :param held: by pool, what they were given there.
    """
    found = {each for pool in upwards(pools, pool_id) for each in held.get(pool.id, ())}
    return frozenset(found | {Privilege.CLOUD_VIEW} if found else ())
