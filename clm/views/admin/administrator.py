"""Who administers a cluster. Everyone who does decides; the cloud's administrators do so at every cluster."""

from __future__ import annotations

from clm.results.cluster import Administrator
from clm.services import administrator as service
from clm.services.context import CloudCall
from cm.rpc.types import Id
from cm.rpc.view import admin_view


@admin_view
def get_list(caller: CloudCall, cluster: int | str) -> list[Administrator]:
    """
    A cluster's administrators, besides the cloud's own.

    :param cluster: its id, name or uuid.
    """
    return service.get_list(caller, cluster)


@admin_view(changing=True)
def add(caller: CloudCall, cluster: int | str, user_id: Id) -> list[Administrator]:
    """Make a user an administrator of a cluster: its ``admin`` views are open to them from now on."""
    return service.add(caller, cluster, user_id)


@admin_view(changing=True)
def delete(caller: CloudCall, cluster: int | str, user_id: Id) -> list[Administrator]:
    """Take the administration of a cluster from a user. The last may go: the cloud's administrators remain."""
    return service.delete(caller, cluster, user_id)
