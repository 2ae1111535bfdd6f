"""Who has access to everybody's VMs, images, networks and VM templates."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.access import AccessEntry
from cm.rpc.types import Id, Login
from cm.rpc.view import admin_view
from cm.rules.access import Level, Shared
from cm.services import acl as service
from cm.services.context import ClusterCall

Issuer = Annotated[str, Meta(min_length=1, max_length=200)]


@admin_view
def get_list(caller: ClusterCall, kind: Shared, object_id: Id) -> list[AccessEntry]:
    """Who has which level on an object of these kinds, its own account first."""
    return service.get_list(caller, kind, object_id, administrator=True)


@admin_view(changing=True)
def set(
    caller: ClusterCall,
    kind: Shared,
    object_id: Id,
    level: Level | None,
    login: Login | None = None,
    group_id: Id | None = None,
    issuer: Issuer | None = None,
) -> None:
    """
    Change what an account or a group may do with an object of these kinds; null takes it back.

    :param issuer: the cloud manager whose login or group it is; without it the caller's own, or this cluster's logins.
    """
    service.set_level(caller, kind, object_id, level, login=login, group_id=group_id, administrator=True, issuer=issuer)
