"""Logging in by an OpenID Connect provider."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.user import BegunLogin, LoggedIn, LoginProvider
from clm.services import oidc
from clm.services.context import AsyncCloudCall, CloudCall
from cm.rpc.types import matching
from cm.rpc.view import guest_view

ProviderName = Annotated[str, Meta(min_length=1, max_length=100)]
Uri = Annotated[str, Meta(min_length=1, max_length=1000)]
State = Annotated[
    str, Meta(min_length=1, max_length=4000, pattern=matching(r"[A-Za-z0-9_-]+", "it is not as it was given out"))
]
Code = Annotated[str, Meta(min_length=1, max_length=4000)]


@guest_view
def get_list(caller: CloudCall) -> list[LoginProvider]:
    """The providers that one may log in by: name, and title for people."""
    return oidc.list_providers(caller.policy)


@guest_view
async def begin(caller: AsyncCloudCall, provider: ProviderName, redirect_uri: Uri) -> BegunLogin:
    """
    Begin a login: send the person to url; they come back to redirect_uri with a code and the state.

    redirect_uri is http://127.0.0.1:<port>/..., or one of the cloud's own pages. The caller must compare the state that
    comes back with the one given here, and finish only if they are the same.
    """
    return await oidc.begin(caller, provider, redirect_uri)


@guest_view
async def finish(caller: AsyncCloudCall, state: State, code: Code) -> LoggedIn:
    """
    A token in exchange for what the person came back with, as guest.session.login gives it.

    A second factor is the provider's business: none is asked for here.
    """
    return await oidc.finish(caller, state, code)
