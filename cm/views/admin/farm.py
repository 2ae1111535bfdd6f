"""Everybody's farms."""

from __future__ import annotations

from cm.results.farm import Farm, FarmEnd, ListedFarm
from cm.rpc.types import Id, IdList, Limit
from cm.rpc.view import admin_view
from cm.services import farm as service
from cm.services.context import ClusterCall
from cm.store.farm import list_farms


@admin_view
def get_list(
    caller: ClusterCall, user_id: Id | None = None, limit: Limit = 1000, before: Id | None = None
) -> list[ListedFarm]:
    """
    Farms, newest first; those whose VMs are all destroyed are left out.

    :param user_id: of one user.
    :param before: the last ``farm_id`` of the page before.
    """
    return list_farms(caller.session, user_id, limit=limit, before=before)


@admin_view
def get_by_id(caller: ClusterCall, farm_id: Id) -> Farm:
    """Anybody's farm, also a destroyed one."""
    return service.detail(caller, farm_id, None)


@admin_view(changing=True)
def destroy(caller: ClusterCall, farm_ids: IdList) -> list[FarmEnd]:
    """Destroy anybody's farms: of each its head and all workers, or none of them, with the error as its status."""
    return service.destroy_each(caller, farm_ids)
