"""The clusters, as their users see them."""

from __future__ import annotations

from clm.results.cluster import UserCluster
from clm.services.connection import administers
from clm.services.context import CloudCall, CloudIdentity
from clm.store.cluster import for_users, list_clusters
from cm.rpc.view import user_view


@user_view
def get_list(caller: CloudCall) -> list[UserCluster]:
    """
    The clusters, by name, with their health: ``state`` (ok, unreachable, refused, incompatible, locked or unknown),
    ``release`` of the program, ``latency_ms`` and ``seen_at`` of its last answer; and whether it is the caller's
    default, and theirs to administer.
    """
    identity = caller.identity
    default = identity.default_cluster_id if isinstance(identity, CloudIdentity) else None
    return [
        {
            **for_users(row),
            "is_default": row["cluster_id"] == default,
            "administered": administers(identity, row["cluster_id"]),
        }
        for row in list_clusters(caller.session)
    ]
