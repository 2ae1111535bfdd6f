"""Logging in."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.user import LoggedIn
from clm.services.context import AsyncCloudCall
from cm.rpc.types import Login, Secret, matching
from cm.rpc.view import guest_view

OTP = Annotated[
    str,
    Meta(
        min_length=6,
        max_length=40,
        pattern=matching(r"[A-Za-z0-9 -]+", "it must be letters, digits, blanks and -"),
        description="The code of an authenticator, or a recovery code.",
    ),
]


@guest_view
async def login(caller: AsyncCloudCall, login: Login, password: Secret, otp: OTP | None = None) -> LoggedIn:
    """
    A token in exchange for a password, and for a second factor where there is one; send it as Authorization: Bearer.

    It ends early when the password or the role changes, or the account is blocked.
    """
    opened, identity = await caller.services.authenticator.log_in(login, password, otp, caller.remote)
    return {
        "token": opened.token,
        "expires": opened.expires,
        "user_id": identity.account_id,
        "login": identity.login,
        "roles": sorted(identity.roles),
    }
