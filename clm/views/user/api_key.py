"""Keys for programs of the caller's."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.user import ApiKey, CreatedApiKey
from clm.services import api_key as service
from clm.services.context import CloudCall
from clm.store.api_key import list_api_keys
from cm.rpc.types import Id, Name
from cm.rpc.view import user_view

Scope = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=100)]],
    Meta(
        min_length=1,
        max_length=50,
        description="all, read (what changes nothing), names of views, and patterns such as user.vm.*",
    ),
]
Days = Annotated[int, Meta(ge=1, le=3650)]


@user_view(changing=True)
def create(
    caller: CloudCall, name: Name, scope: Scope, expires_days: Days | None = None, ec2: bool = False
) -> CreatedApiKey:
    """
    Make a key. The answer holds key, to be sent as Authorization: Bearer; this once, it is kept nowhere.

    ec2: an access key with secret_key, for EC2 clients.
    """
    return service.create(caller, name, scope, expires_days, ec2)


@user_view
def get_list(caller: CloudCall) -> list[ApiKey]:
    """The caller's keys by name, without their secrets; used tells when each was last used."""
    return list_api_keys(caller.session, caller.user_id)


@user_view(changing=True)
def delete(caller: CloudCall, api_key_id: Id) -> None:
    """Delete a key: it opens nothing from now on."""
    service.delete(caller, api_key_id)
