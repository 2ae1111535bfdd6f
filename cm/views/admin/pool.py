"""Address pools: ranges that users' networks are cut from. Networks that are everybody's are pools of their own."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.network import AddressPool
from cm.rpc.types import Id, Name
from cm.rpc.view import admin_view
from cm.services import pool as service
from cm.services.context import ClusterCall
from cm.store.pool import describe, get_pool, list_pools

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
    return service.add(caller, name, network, network6, overlap, (prefix_default, prefix_min, prefix_max))


@admin_view
def get_list(caller: ClusterCall) -> list[AddressPool]:
    """All pools, with how many networks were cut from each; those that are one network, too."""
    return [describe(row) for row in list_pools(caller.session)]


@admin_view
def get_by_id(caller: ClusterCall, pool_id: Id) -> AddressPool:
    """One pool."""
    return describe(get_pool(caller.session, pool_id))


@admin_view(changing=True)
def lock(caller: ClusterCall, pool_id: Id) -> AddressPool:
    """Cut no more networks from a pool; those that were cut stay."""
    return service.set_locked(caller, pool_id, True)


@admin_view(changing=True)
def unlock(caller: ClusterCall, pool_id: Id) -> AddressPool:
    """Cut networks from a pool again."""
    return service.set_locked(caller, pool_id, False)


@admin_view(changing=True)
def delete(caller: ClusterCall, pool_id: Id) -> None:
    """Delete a pool without networks."""
    service.delete(caller, pool_id)
