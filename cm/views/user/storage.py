"""Storages that users may choose."""

from __future__ import annotations

from cm.results.storage import OfferedStorage
from cm.rpc.view import user_view
from cm.services.context import ClusterCall
from cm.store.storage import list_offered


@user_view
def get_list(caller: ClusterCall) -> list[OfferedStorage]:
    """Storages that may be chosen for new disks and images, the one that is taken by default first; often none."""
    return list(list_offered(caller.session))
