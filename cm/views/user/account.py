"""The caller's own account."""

from __future__ import annotations

from cm.results.account import Account, QuotaUse
from cm.results.statistics import AccountStatistics
from cm.results.usage import PointsHistory
from cm.rpc.types import Month, Secret
from cm.rpc.view import user_view
from cm.services import account as service
from cm.services import usage
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.store.account import get_account
from cm.store.statistics import account_statistics


@user_view
def get(caller: ClusterCall) -> Account:
    """The caller's account, with quotas and usage."""
    return get_account(caller.session, caller.account_id)


@user_view
def get_statistics(caller: ClusterCall) -> AccountStatistics:
    """What of the caller's takes room on storages, by what it serves."""
    return account_statistics(caller.session, caller.account_id)


@user_view(changing=True)
async def set_password(caller: AsyncClusterCall, old_password: Secret, new_password: Secret) -> None:
    """Change the caller's password; all their sessions end, this one too."""
    await service.change_password(caller, old_password, new_password)


@user_view(name="user.user.check_quota")
def check_quota(caller: ClusterCall) -> QuotaUse:
    """The caller's quotas, what is used of them and what is left."""
    return service.quota(caller.session, caller.account_id)


@user_view(name="user.user.points_history")
def points_history(caller: ClusterCall, month: Month = "") -> PointsHistory:
    """What the caller's VMs cost in a month, by default the present one, and how it came to that."""
    return usage.history(caller, caller.account_id, month)
