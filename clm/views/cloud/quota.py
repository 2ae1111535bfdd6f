"""What each cluster is to allow whom. What is used of it, the cluster tells: ``admin.user.check_quota``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.results.cluster import WantedQuota
from clm.services import quota as service
from clm.services.context import CloudCall
from cm.rpc.types import Id, IdList
from cm.rpc.view import cloud_view

UNSET = -1
Setting = Annotated[
    int, Meta(ge=-1, le=1_000_000_000, description="-1 leaves it as it is, null is the cluster's default.")
]


@cloud_view
def get(caller: CloudCall, cluster: int | str, user_id: Id) -> WantedQuota:
    """
    A user's quotas at a cluster, as the cloud wants them: null is left to the cluster. ``synced`` tells whether the
    cluster has been told.
    """
    return service.get(caller, cluster, user_id)


@cloud_view(changing=True)
def edit(
    caller: CloudCall,
    cluster: int | str,
    user_ids: IdList,
    cpu: Setting | None = UNSET,
    memory_mib: Setting | None = UNSET,
    storage_mib: Setting | None = UNSET,
    vms: Setting | None = UNSET,
    networks: Setting | None = UNSET,
) -> list[WantedQuota]:
    """
    Set quotas of one or many users at a cluster; it is told in the next moment.

    A quota that is not given stays. One that is null becomes the cluster's default again.
    """
    given = {
        "quota_cpu": cpu, "quota_memory_mib": memory_mib, "quota_storage_mib": storage_mib, "quota_vms": vms,
        "quota_networks": networks,
    }  # fmt: skip
    return service.edit(caller, cluster, user_ids, {name: value for name, value in given.items() if value != UNSET})
