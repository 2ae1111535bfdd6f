"""Accounts: who may call this cluster, and how much they may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from cm.results.account import Account, QuotaUse
from cm.results.statistics import AccountStatistics
from cm.results.usage import PointsHistory, PointsOfAccount
from cm.rpc.types import LINE, Id, Limit, Login, Month, Secret
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import NAME_MAX
from cm.services import account as service
from cm.services import usage
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.store.account import get_account, list_accounts
from cm.store.statistics import account_statistics

Quota = Annotated[int, Meta(ge=0, le=2**40)]
FullName = Annotated[str, Meta(max_length=NAME_MAX, pattern=LINE)]


@admin_view(changing=True)
async def add(
    caller: AsyncClusterCall,
    login: Login,
    password: Secret | None = None,
    name: FullName = "",
    is_admin: bool = False,
    quota_cpu: Quota | None = None,
    quota_memory_mib: Quota | None = None,
    quota_storage_mib: Quota | None = None,
    quota_vms: Quota | None = None,
    quota_networks: Quota | None = None,
) -> Account:
    """Add a local account. Quotas that are not given are the cluster's defaults; without a password nobody logs in."""
    values = {
        "login": login,
        "name": name,
        "is_admin": is_admin,
        "quota_cpu": quota_cpu,
        "quota_memory_mib": quota_memory_mib,
        "quota_storage_mib": quota_storage_mib,
        "quota_vms": quota_vms,
        "quota_networks": quota_networks,
    }
    return await service.add(caller, password, values)


@admin_view
def get_list(caller: ClusterCall, limit: Limit = 1000, after: Id | None = None) -> list[Account]:
    """
    Accounts by id, with quotas and usage.

    :param after: the last ``user_id`` of the page before.
    """
    return list(list_accounts(caller.session, after=after, limit=limit))


@admin_view
def get_statistics(caller: ClusterCall, user_id: Id) -> AccountStatistics:
    """What of an account's takes room on storages, by what it serves."""
    return account_statistics(caller.session, user_id)


@admin_view
def get_by_id(caller: ClusterCall, user_id: Id) -> Account:
    """One account, with quotas and usage."""
    return get_account(caller.session, user_id)


@admin_view(changing=True)
def edit(
    caller: ClusterCall,
    user_id: Id,
    name: FullName | None = None,
    is_admin: bool | None = None,
    active: bool | None = None,
    quota_cpu: Quota | None = None,
    quota_memory_mib: Quota | None = None,
    quota_storage_mib: Quota | None = None,
    quota_vms: Quota | None = None,
    quota_networks: Quota | None = None,
    quota_public_addresses: Quota | None = None,
    quota_public_ports: Quota | None = None,
    quota_points: Quota | None = None,
) -> Account:
    """
    Change an account; what is not given stays. Blocking it (``active`` false) ends its sessions at once.

    An account of a cloud manager may be changed too; the next time it compares, it puts its own record back.
    """
    values = {
        "name": name,
        "is_admin": is_admin,
        "active": active,
        "quota_cpu": quota_cpu,
        "quota_memory_mib": quota_memory_mib,
        "quota_storage_mib": quota_storage_mib,
        "quota_vms": quota_vms,
        "quota_networks": quota_networks,
        "quota_public_addresses": quota_public_addresses,
        "quota_public_ports": quota_public_ports,
        "quota_points": quota_points,
    }
    return service.edit(caller, user_id, values)


@admin_view(changing=True)
async def set_password(caller: AsyncClusterCall, user_id: Id, new_password: Secret) -> None:
    """Give a local account a new password; its sessions end."""
    await service.set_password(caller, user_id, new_password)


@admin_view(changing=True)
def delete(caller: ClusterCall, user_id: Id) -> None:
    """Delete an account that has neither VMs nor images; its networks go with it, if no VM of others is on them."""
    service.delete(caller, user_id)


@admin_view
def check_quota(caller: ClusterCall, user_id: Id) -> QuotaUse:
    """An account's quotas, what is used of them and what is left."""
    return service.quota(caller.session, user_id)


@admin_view
def points_history(caller: ClusterCall, user_id: Id, month: Month = "") -> PointsHistory:
    """What an account's VMs cost in a month, by default the present one, and how it came to that."""
    return usage.history(caller, user_id, month)


@admin_view
def points_report(
    caller: ClusterCall, month: Month = "", after: Id | None = None, limit: Limit = 100
) -> Sequence[PointsOfAccount]:
    """What each account's VMs cost in a month, by default the present one: those that cost anything, by id."""
    return usage.report(caller, month, after=after or 0, most=limit)
