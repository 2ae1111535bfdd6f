"""Resource pools that the caller makes VMs in, or sees."""

from __future__ import annotations

from cm.results.resource_pool import ListedResourcePool
from cm.rpc.view import user_view
from cm.services import resource_pool as service
from cm.services.context import ClusterCall


@user_view
def get_list(caller: ClusterCall) -> list[ListedResourcePool]:
    """The resource pools on which the caller has a privilege, by name, with their limits and what is used."""
    return service.list_for(caller)
