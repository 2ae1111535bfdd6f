"""What the cloud and its clusters have told the caller."""

from __future__ import annotations

from clm.results.cloud import Message, MessageCount
from clm.services import message as service
from clm.services.context import CloudCall
from clm.store.message import count_messages, list_messages
from cm.rpc.types import Id, IdList, Limit
from cm.rpc.view import user_view


@user_view
def get_list(
    caller: CloudCall, unread_only: bool = False, limit: Limit = 100, before: Id | None = None
) -> list[Message]:
    """The caller's messages, the newest first. before: message_id of the last one of the page before."""
    return list_messages(caller.session, caller.user_id, unread_only, limit, before)


@user_view
def count(caller: CloudCall) -> MessageCount:
    """How many messages the caller has, and how many of them are unread."""
    return count_messages(caller.session, caller.user_id)


@user_view(changing=True)
def mark_read(caller: CloudCall, message_ids: IdList) -> None:
    """Mark messages as read."""
    service.mark_read(caller, message_ids)


@user_view(changing=True)
def delete(caller: CloudCall, message_ids: IdList) -> None:
    """Delete messages."""
    service.delete(caller, message_ids)
