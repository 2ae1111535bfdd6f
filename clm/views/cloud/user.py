"""Users of the cloud."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from clm.results.user import EndedSessions, User
from clm.services import password as passwords
from clm.services import user as service
from clm.services.context import AsyncCloudCall, CloudCall
from clm.store import user as store
from clm.views.types import NoEmail, PersonName
from cm.rpc.types import Id, Limit, Login, Name, Secret
from cm.rpc.view import cloud_view


@cloud_view
def get_list(
    caller: CloudCall,
    state: Literal["registered", "confirmed", "active", "blocked"] | None = None,
    search: Name | None = None,
    limit: Limit = 1000,
    after: Id | None = None,
) -> list[User]:
    """Users by id. search: a part of login, address or name. after: the last user_id of the page before."""
    return store.list_users(caller.session, state=state, search=search, limit=limit, after=after)


@cloud_view
def get_by_id(caller: CloudCall, user_id: Id) -> User:
    """One user."""
    return store.get_user(caller.session, user_id)


@cloud_view(changing=True)
async def add(
    caller: AsyncCloudCall,
    login: Login,
    email: NoEmail = "",
    password: Secret | None = None,
    first_name: PersonName = "",
    last_name: PersonName = "",
    organization: PersonName = "",
    is_cloud_admin: bool = False,
) -> User:
    """Add a user, who is active at once. Without a password nobody logs in until one is set."""
    values = {
        "login": login,
        "email": email,
        "first_name": first_name,
        "last_name": last_name,
        "organization": organization,
        "is_cloud_admin": is_cloud_admin,
    }
    return await service.add(caller, password, values)


@cloud_view(changing=True)
def edit(
    caller: CloudCall,
    user_id: Id,
    first_name: PersonName | None = None,
    last_name: PersonName | None = None,
    organization: PersonName | None = None,
    email: NoEmail | None = None,
    login: Login | None = None,
    default_cluster_id: Id | None = None,
) -> User:
    """Change a user; what is not given stays."""
    values = {
        "first_name": first_name,
        "last_name": last_name,
        "organization": organization,
        "email": email,
        "login": login,
        "default_cluster_id": default_cluster_id,
    }
    return service.edit(caller, user_id, values)


@cloud_view(changing=True)
def activate(caller: CloudCall, user_id: Id) -> User:
    """Let in somebody who has registered; they are mailed."""
    return service.activate(caller, user_id)


@cloud_view(changing=True)
def block(caller: CloudCall, user_id: Id, block: bool) -> User:
    """Keep somebody out at once, everywhere, or let them in again; they are mailed."""
    return service.block(caller, user_id, block)


@cloud_view(changing=True)
def set_admin(caller: CloudCall, user_id: Id, admin: bool) -> User:
    """Make somebody an administrator of the cloud, or no more; their sessions end."""
    return service.set_admin(caller, user_id, admin)


@cloud_view(changing=True)
async def set_password(caller: AsyncCloudCall, user_id: Id, new_password: Secret) -> None:
    """Give somebody a new password; their sessions end."""
    await passwords.set_password(caller, user_id, new_password)


@cloud_view(changing=True)
async def delete(caller: AsyncCloudCall, user_id: Id) -> None:
    """Delete somebody who leads no groups and has nothing on any cluster; login and address are free again."""
    await service.delete(caller, user_id)


@cloud_view(changing=True)
def reset_totp(caller: CloudCall, user_id: Id) -> None:
    """Turn somebody's second factor off, who has lost it."""
    service.reset_totp(caller, user_id)


@cloud_view(changing=True)
def end_sessions(caller: CloudCall, user_id: Id) -> EndedSessions:
    """End all of somebody's sessions; their API keys stay."""
    return {"ended": service.end_all_sessions(caller, user_id)}


@cloud_view(changing=True)
def set_permissions(
    caller: CloudCall, user_id: Id, permissions: Annotated[list[Name], Meta(max_length=50)] | None
) -> User:
    """Say what somebody may do; null: what the settings let everybody do. See cloud.permission.get_list."""
    return service.set_permissions(caller, user_id, permissions)
