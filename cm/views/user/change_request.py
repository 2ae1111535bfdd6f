"""Requests of the caller's to administrators: another size, a longer lease, larger quotas."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.change_request import ChangeRequest
from cm.rpc.types import ID_MAX, Id, Limit, Name, Text
from cm.rpc.view import user_view
from cm.rules.access import Action
from cm.services import change_request as service
from cm.services.context import ClusterCall
from cm.store.change_request import get_change_request, list_change_requests

Wanted = Annotated[int, Meta(ge=0, le=ID_MAX - 1, description="That it is to be, not how much more.")]


@user_view(changing=True, on={"vm_id": Action.RESIZE})
def ask_resize(caller: ClusterCall, vm_id: Id, template_id: Id, text: Text = "") -> ChangeRequest:
    """
    Ask that a VM get another size, which the caller's quota may not have room for.

    :param template_id: the size, as of ``user.template.get_list``.
    :param text: why.
    """
    return service.ask_resize(caller, vm_id, template_id, text)


@user_view(changing=True, on={"vm_id": Action.RENEW})
def ask_expiry(caller: ClusterCall, vm_id: Id, lease: Name, text: Text = "") -> ChangeRequest:
    """
    Ask that a VM get a lease that is not the caller's to choose.

    :param lease: which, in words.
    :param text: why.
    """
    return service.ask_expiry(caller, vm_id, lease, text)


@user_view(changing=True)
def ask_quota(
    caller: ClusterCall,
    quota_cpu: Wanted | None = None,
    quota_memory_mib: Wanted | None = None,
    quota_storage_mib: Wanted | None = None,
    quota_vms: Wanted | None = None,
    quota_networks: Wanted | None = None,
    text: Text = "",
) -> ChangeRequest:
    """
    Ask for larger quotas. Those of a cloud manager's account are that manager's to give.

    :param text: why.
    """
    wanted = {
        "quota_cpu": quota_cpu,
        "quota_memory_mib": quota_memory_mib,
        "quota_storage_mib": quota_storage_mib,
        "quota_vms": quota_vms,
        "quota_networks": quota_networks,
    }
    return service.ask_quota(caller, wanted, text)


@user_view
def get_list(
    caller: ClusterCall, answered: bool = False, limit: Limit = 100, before: Id | None = None
) -> list[ChangeRequest]:
    """
    The caller's requests, newest first.

    :param answered: also those that are answered or withdrawn; they are kept as long as messages.
    :param before: the last ``change_request_id`` of the page before.
    """
    return list_change_requests(caller.session, caller.account_id, open_only=not answered, limit=limit, before=before)


@user_view
def get_by_id(caller: ClusterCall, change_request_id: Id) -> ChangeRequest:
    """One of the caller's requests."""
    return get_change_request(caller.session, change_request_id, caller.account_id)


@user_view(changing=True)
def withdraw(caller: ClusterCall, change_request_id: Id) -> ChangeRequest:
    """Take back a request that nobody has answered."""
    return service.withdraw(caller, change_request_id)
