"""What people ask administrators for."""

from __future__ import annotations

from cm.results.change_request import ChangeRequest
from cm.rpc.types import Id, Limit, Text
from cm.rpc.view import admin_view
from cm.services import change_request as service
from cm.services.context import ClusterCall
from cm.store.change_request import list_change_requests


@admin_view
def get_list(
    caller: ClusterCall,
    user_id: Id | None = None,
    answered: bool = False,
    limit: Limit = 100,
    before: Id | None = None,
) -> list[ChangeRequest]:
    """
    Requests, newest first.

    :param user_id: of one user.
    :param answered: also those that are answered or withdrawn.
    :param before: the last ``change_request_id`` of the page before.
    """
    return list_change_requests(caller.session, user_id, open_only=not answered, limit=limit, before=before)


@admin_view(changing=True)
def accept(
    caller: ClusterCall, change_request_id: Id, expiry_id: Id | None = None, text: Text = ""
) -> ChangeRequest:
    """
    Do what is asked for, as the call for it would (``admin.vm.resize``, ``admin.expiry.set``, ``admin.user.edit``);
    what that refuses leaves the request as it is. Whoever asked is told.

    :param expiry_id: the lease that a VM gets for which a longer one was asked.
    :param text: for whoever asked.
    """
    return service.accept(caller, change_request_id, expiry_id, text)


@admin_view(changing=True)
def decline(caller: ClusterCall, change_request_id: Id, text: Text) -> ChangeRequest:
    """
    Decline a request; whoever asked is told.

    :param text: why.
    """
    return service.decline(caller, change_request_id, text)
