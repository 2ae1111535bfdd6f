"""``user.message.*``: what the caller was told of work that ended while they were not looking."""

from __future__ import annotations

from cm.results.message import AccountMessage
from cm.rpc.types import Id, IdList, Limit
from cm.rpc.view import user_view
from cm.services import message as service
from cm.services.context import ClusterCall
from cm.store.message import list_messages


@user_view
def get_list(caller: ClusterCall, limit: Limit = 100, before: Id | None = None) -> list[AccountMessage]:
    """
    The caller's messages, newest first: ``level`` (error, warn, info), ``code`` and ``params``, to be put in words by
    whoever shows them. They are kept for 30 days.

    :param before: the last ``message_id`` of the page before.
    """
    return list(list_messages(caller.session, caller.account_id, limit=limit, before=before))


@user_view(changing=True)
def delete(caller: ClusterCall, message_ids: IdList) -> None:
    """Delete some of the caller's messages."""
    service.delete(caller, message_ids)
