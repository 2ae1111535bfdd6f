"""
Messages to users: written by whatever transaction has something to tell them, and never into somebody else's answer.

A message is a code with parameters; each front words it for its readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from clm.services.context import CloudCall
from clm.store import message as store
from clm.store.change import record_change
from cm.rpc.errors import ObjectNotFound
from cm.rpc.fields import MessageLevel


def add_message(session: Session, user_id: int, level: MessageLevel, code: str, params: dict[str, Any]) -> int:
    """Tell a user something, once this transaction has been committed."""
    return _record(session, user_id, store.insert_message(session, user_id, level, code, params))


def take_over(
    session: Session,
    cluster_id: int,
    cluster_message_id: int,
    user_id: int,
    level: MessageLevel,
    code: str,
    params: dict[str, Any],
    created_at: datetime,
) -> int | None:
    """
    Tell a user what a cluster has to tell them. It may be repeated.

    :return: None when it was told before, or when the user is gone.
    """
    shown = store.insert_cluster_message(
        session, user_id, level, code, params, cluster_id, cluster_message_id, created_at
    )
    return None if shown is None else _record(session, user_id, shown)


def _record(session: Session, user_id: int, shown: dict[str, Any]) -> int:
    message_id: int = shown["message_id"]
    record_change(session, "message", message_id, "enter", users=[user_id], shown=shown)
    _gone(session, user_id, store.delete_old(session, user_id))
    return message_id


def _gone(session: Session, user_id: int, message_ids: Sequence[int]) -> None:
    for message_id in message_ids:
        record_change(session, "message", message_id, "exit", users=[user_id])


def take_back(session: Session, user_id: int, code: str, params: dict[str, Any]) -> None:
    """Delete a user's messages of this code whose parameters have these among them: what they tell has passed."""
    found = store.find_messages(session, user_id, code, params)
    if found:
        store.delete_messages(session, found)
        _gone(session, user_id, found)


def mark_read(caller: CloudCall, message_ids: Sequence[int]) -> None:
    """:raises ObjectNotFound: one of them is absent or another's; none is marked."""
    _require(caller, message_ids)
    for message_id in message_ids:
        caller.note("mark message read", message_id=message_id)
    for shown in store.mark_read(caller.session, message_ids):
        record_change(caller.session, "message", shown["message_id"], users=[caller.user_id], shown=shown)


def delete(caller: CloudCall, message_ids: Sequence[int]) -> None:
    """:raises ObjectNotFound: one of them is absent or another's; none is deleted."""
    _require(caller, message_ids)
    for message_id in message_ids:
        caller.note("delete message", message_id=message_id)
    store.delete_messages(caller.session, message_ids)
    _gone(caller.session, caller.user_id, message_ids)


def _require(caller: CloudCall, message_ids: Sequence[int]) -> None:
    there = store.lock_messages(caller.session, caller.user_id, message_ids)
    for message_id in message_ids:
        if message_id not in there:
            raise ObjectNotFound("message", message_id)
