"""What anybody may know of the clusters."""

from __future__ import annotations

from clm.results.cluster import NamedCluster
from clm.services.context import CloudCall
from clm.store.cluster import for_users, list_clusters
from cm.rpc.view import guest_view


@guest_view
def list_names(caller: CloudCall) -> list[NamedCluster]:
    """The clusters, by name; ``state`` is ok, unreachable, refused, incompatible, locked or unknown."""
    shown = (for_users(row) for row in list_clusters(caller.session))
    return [{"cluster_id": row["cluster_id"], "name": row["name"], "state": row["state"]} for row in shown]
