"""The audit of logins."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.services.context import CloudCall
from cm.rpc.types import LINE, Id, Limit
from cm.rpc.view import cloud_view
from cm.runtime.logins import LoginEntry, list_logins

Claimed = Annotated[str, Meta(min_length=1, max_length=64, pattern=LINE, description="As it was claimed.")]
Remote = Annotated[str, Meta(min_length=1, max_length=100, pattern=LINE, description="An address.")]


@cloud_view
def get_list(
    caller: CloudCall,
    login: Claimed | None = None,
    user_id: Id | None = None,
    remote: Remote | None = None,
    refused: bool | None = None,
    limit: Limit = 100,
    before: Id | None = None,
) -> list[LoginEntry]:
    """
    Logins, good and refused, the newest first: who was claimed, from where, how, and the outcome. Alike ones are one
    row with their count. refused: only those, or only the others. before: the last login_id of the page before.
    """
    return list_logins(
        caller.session, login=login, user_id=user_id, remote=remote, refused=refused, limit=limit, before=before
    )
