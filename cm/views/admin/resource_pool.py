"""
Resource pools: quotas that VMs share, in pools within pools, and who makes VMs in them by
``user.cloud_service.svc_create``.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cm.results.resource_pool import PoolGrant, ResourcePool
from cm.rpc.types import Id, Login, Name, Text
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import PoolResource, Privilege
from cm.services import resource_pool as service
from cm.services.context import ClusterCall
from cm.views.admin.acl import Issuer

Limit = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Resources = Annotated[list[PoolResource], Meta(max_length=len(PoolResource))]


@admin_view(changing=True)
def add(
    caller: ClusterCall,
    name: Name,
    description: Text = "",
    parent_pool_id: Id | None = None,
    hardware_pool: Name | None = None,
    cpu: Limit | None = None,
    memory_mib: Limit | None = None,
    storage_mib: Limit | None = None,
    vms: Limit | None = None,
    nics: Limit | None = None,
) -> ResourcePool:
    """
    Add a resource pool. What it has no limit of is limited by the pools that it is in.

    :param parent_pool_id: the pool that it is in, which gives it what it has limits of.
    :param hardware_pool: whose storages the disks of its VMs are on; without it as the pool says that it is in.
    """
    values: dict[str, Any] = {"name": name, "description": description, "parent_id": parent_pool_id}
    limits = _limits(cpu, memory_mib, storage_mib, vms, nics)
    return service.add(caller, {**values, "hardware_pool": hardware_pool, **limits})


@admin_view
def get_list(caller: ClusterCall) -> list[ResourcePool]:
    """All resource pools, by name, with their limits and what is used."""
    return service.list_all(caller.session)


@admin_view
def get_by_id(caller: ClusterCall, resource_pool_id: Id) -> ResourcePool:
    """One resource pool."""
    return service.detail(caller.session, resource_pool_id)


@admin_view(changing=True)
def edit(
    caller: ClusterCall,
    resource_pool_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    cpu: Limit | None = None,
    memory_mib: Limit | None = None,
    storage_mib: Limit | None = None,
    vms: Limit | None = None,
    nics: Limit | None = None,
    inherit: Resources | None = None,
) -> ResourcePool:
    """
    Change a resource pool; what is not given stays. No limit becomes less than what is used and given to pools within.

    :param inherit: what it has no limit of its own of from now on.
    """
    values: dict[str, Any] = {"name": name, "description": description}
    limits = _limits(cpu, memory_mib, storage_mib, vms, nics)
    return service.edit(caller, resource_pool_id, {**values, **limits}, inherit or ())


def _limits(
    cpu: int | None, memory_mib: int | None, storage_mib: int | None, vms: int | None, nics: int | None
) -> dict[str, int | None]:
    given = (cpu, memory_mib, storage_mib, vms, nics)
    return {f"quota_{each}": limit for each, limit in zip(PoolResource, given, strict=True)}


@admin_view(changing=True)
def delete(caller: ClusterCall, resource_pool_id: Id) -> None:
    """Delete a resource pool that neither VMs nor pools are in, and who had privileges on it."""
    service.delete(caller, resource_pool_id)


@admin_view
def get_grants(caller: ClusterCall, resource_pool_id: Id) -> list[PoolGrant]:
    """Who has which privilege on a resource pool; what they have on pools that it is in is not told."""
    return service.grants(caller.session, resource_pool_id)


@admin_view(changing=True)
def grant(
    caller: ClusterCall,
    resource_pool_id: Id,
    privilege: Privilege,
    login: Login | None = None,
    group_id: Id | None = None,
    issuer: Issuer | None = None,
) -> None:
    """
    Give an account or a group a privilege on a resource pool and those within.

    :param issuer: the cloud manager whose login or group it is; without it the caller's own, or this cluster's logins.
    """
    service.set_privilege(caller, resource_pool_id, privilege, True, login=login, group_id=group_id, issuer=issuer)


@admin_view(changing=True)
def revoke(
    caller: ClusterCall,
    resource_pool_id: Id,
    privilege: Privilege,
    login: Login | None = None,
    group_id: Id | None = None,
    issuer: Issuer | None = None,
) -> None:
    """
    Take a privilege back; VMs that were made stay.

    :param issuer: as of ``grant``.
    """
    service.set_privilege(caller, resource_pool_id, privilege, False, login=login, group_id=group_id, issuer=issuer)
