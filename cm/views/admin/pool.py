"""
Address pools: ranges that users' networks are cut from. Networks that are everybody's are pools of their own.

And the managed-node model's class Pool, a storage as libvirt has it on a node. What is called says which is meant: an
address pool is ``pool_id``, a number; a storage pool is ``pool``, its ``object_id``.
"""

from __future__ import annotations

from typing import Annotated, Final, cast

from msgspec import Meta

from cm.interfaces.managed import PoolVerb, VolumeBy
from cm.results.managed import Description, ManagedPool, VolumeReference
from cm.results.network import AddressPool
from cm.rpc.errors import InvalidParameter
from cm.rpc.types import Id, Limit, Name, Text, matching
from cm.rpc.view import admin_view
from cm.rules import managed as names
from cm.services import managed
from cm.services import pool as service
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.store.managed import find_objects
from cm.store.pool import describe, get_pool, list_pools
from cm.views.admin.domain import HostAccess, Value, XmlDesc

PoolId = Annotated[
    str,
    Meta(
        max_length=80,
        pattern=matching(names.POOL, "it must be a storage pool's object_id, as a list tells it"),
        examples=[f"pool:{names.EXAMPLE}"],
    ),
]
ONE: Final = "say either pool_id, an address pool, or pool, a storage pool"
Word = Annotated[str, Meta(min_length=1, max_length=4096)]

Bits = Annotated[int, Meta(ge=20, le=30, description="Bits of a network's mask.")]


@admin_view(changing=True)
def add(
    caller: ClusterCall,
    name: Name,
    network: str = "10.130.0.0/16",
    network6: str | None = None,
    overlap: bool = False,
    prefix_default: Bits | None = None,
    prefix_min: Bits | None = None,
    prefix_max: Bits = 29,
    description: Text = "",
) -> AddressPool:
    """
    Add a pool of addresses, of which users get networks of their own, over all nodes that have VMs on them. Nodes need
    an agent that makes links, and an address that others' tunnels reach. Once there is such a pool, VMs that name no
    network are on one of their user's.

    :param network6: a /64 of it is each network's, too.
    :param overlap: its networks may share addresses with those of other users and other pools.
    :param prefix_default: of networks that are asked for without a size: 26, or the pool's own where that is more.
    :param prefix_min: others are bounded by this, of which the same is true of 22, and by ``prefix_max``.
    """
    return service.add(caller, name, network, network6, overlap, (prefix_default, prefix_min, prefix_max), description)


@admin_view
def get_list(caller: ClusterCall) -> list[AddressPool]:
    """All pools, with how many networks were cut from each; those that are one network, too."""
    return [describe(row) for row in list_pools(caller.session)]


@admin_view
def get_by_id(caller: ClusterCall, pool_id: Id) -> AddressPool:
    """One pool."""
    return describe(get_pool(caller.session, pool_id))


@admin_view(changing=True)
def edit(
    caller: ClusterCall,
    pool_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    network: str | None = None,
    network6: str | None = None,
    overlap: bool | None = None,
    prefix_default: Bits | None = None,
    prefix_min: Bits | None = None,
    prefix_max: Bits | None = None,
) -> AddressPool:
    """
    Change a pool; what is left out stays, and networks that were cut from it stay as they are. Of one that is a network
    by itself only the description can be changed.

    :param network: a range that has all networks' addresses; it may grow, and shrink by what none has.
    :param network6: likewise; "" where none is cut of it any more, after which networks have unique local addresses of
        the cluster's, if the operator has not switched that off.
    :param overlap: true is for networks that are cut from now on; false takes a pool of which none shares addresses.
    :param prefix_default: sizes of networks that are cut from now on; so are ``prefix_min`` and ``prefix_max``.
    """
    values = {
        "name": name, "description": description, "network": network, "network6": network6, "overlap": overlap,
        "prefix_default": prefix_default, "prefix_min": prefix_min, "prefix_max": prefix_max,
    }  # fmt: skip
    return service.edit(caller, pool_id, values)


@admin_view(changing=True)
def lock(caller: ClusterCall, pool_id: Id) -> AddressPool:
    """Cut no more networks from a pool; those that were cut stay."""
    return service.set_locked(caller, pool_id, True)


@admin_view(changing=True)
def unlock(caller: ClusterCall, pool_id: Id) -> AddressPool:
    """Cut networks from a pool again."""
    return service.set_locked(caller, pool_id, False)


async def _delete_storage_pool(caller: AsyncClusterCall, pool: str, pool_id: int | None = None) -> None:
    if pool_id is not None:
        raise InvalidParameter("pool_id", ONE)
    await managed.act_on_pool(caller, pool, PoolVerb.DELETE)


@admin_view(changing=True, outside=("pool", _delete_storage_pool))
def delete(caller: ClusterCall, pool_id: Id | None = None, pool: PoolId | None = None) -> None:
    """
    Delete a pool of addresses without networks. Or, by ``pool``, stop a storage pool and forget its definition; what
    lies on it stays.

    :param pool_id: an address pool; ``pool`` a storage pool. One of the two.
    """
    if pool_id is None:
        raise InvalidParameter("pool_id", ONE)
    service.delete(caller, pool_id)


# ------------------------------------------------------------------ the managed-node model's class Pool


@admin_view
def lookup(
    caller: ClusterCall,
    node_id: Id | None = None,
    uuid: Value | None = None,
    name: Value | None = None,
    state: Value | None = None,
    limit: Limit = 1000,
    after: Id | None = None,
) -> list[ManagedPool]:
    """
    Storage pools of all nodes with these properties, ours too, as they were seen in the last seconds.

    :param after: the last ``feed_id`` of the page before.
    """
    asked = {"uuid": uuid, "name": name, "state": state}
    return find_objects(caller.session, "pool", asked, node_id=node_id, after=after, limit=limit)


@admin_view
def get(caller: ClusterCall, pool: PoolId) -> ManagedPool:
    """One storage pool, as it was seen in the last seconds."""
    about = names.reference(pool)
    return cast(ManagedPool, managed.get_object(caller.session, "pool", pool, about.node_id, about.uuid))


@admin_view
async def xml_desc(caller: AsyncClusterCall, pool: PoolId) -> Description:
    """A storage pool's definition as libvirt has it now."""
    return await managed.pool_xml(caller, pool)


@admin_view(changing=True)
async def create(caller: AsyncClusterCall, pool: PoolId) -> None:
    """Start a storage pool that is not active. A storage of ours is refused, with the name of its call, here and
    below."""
    await managed.act_on_pool(caller, pool, PoolVerb.CREATE)


@admin_view(changing=True)
async def destroy(caller: AsyncClusterCall, pool: PoolId) -> None:
    """Stop a storage pool. Its definition stays, if it has one, and so does what lies on it."""
    await managed.act_on_pool(caller, pool, PoolVerb.DESTROY)


@admin_view(changing=True)
async def create_volume_xml(
    caller: AsyncClusterCall, pool: PoolId, xml_desc: XmlDesc, host_access: HostAccess = False
) -> VolumeReference:
    """Make a volume in a storage pool. A raw one without ``<allocation>`` is written in full, which takes its time."""
    return await managed.create_volume(caller, pool, xml_desc, host_access)


@admin_view
async def lookup_volume_by_name(caller: AsyncClusterCall, pool: PoolId, volume_name: Word) -> VolumeReference:
    """The volume of a storage pool that has this name, as far as libvirt knows it: a refresh finds newer ones."""
    return await managed.look_up_volume(caller, pool, VolumeBy.NAME, volume_name)


@admin_view
async def lookup_volume_by_key(caller: AsyncClusterCall, pool: PoolId, volume_key: Word) -> VolumeReference:
    """Likewise by its key, of this pool alone."""
    return await managed.look_up_volume(caller, pool, VolumeBy.KEY, volume_key)


@admin_view
async def lookup_volume_by_path(caller: AsyncClusterCall, pool: PoolId, volume_path: Word) -> VolumeReference:
    """Likewise by its path, of this pool alone."""
    return await managed.look_up_volume(caller, pool, VolumeBy.PATH, volume_path)
