"""Sessions of local accounts."""

from __future__ import annotations

from cm.results.account import OpenedSession
from cm.rpc.types import Login, Secret
from cm.rpc.view import guest_view
from cm.services.context import AsyncClusterCall


@guest_view
async def login(caller: AsyncClusterCall, login: Login, password: Secret) -> OpenedSession:
    """
    A token for twelve hours, in exchange for a password; send it as ``Authorization: Bearer``.

    It ends early when the account's password or role changes, or the account is blocked.
    """
    opened = await caller.services.authenticator.open_session(login, password, caller.remote)
    return {"token": opened.token, "expires": opened.expires}
