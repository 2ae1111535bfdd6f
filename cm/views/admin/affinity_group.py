"""Everybody's affinity groups."""

from __future__ import annotations

from cm.results.affinity_group import AffinityGroup
from cm.rpc.types import Id
from cm.rpc.view import admin_view
from cm.services import affinity_group as service
from cm.services.context import ClusterCall
from cm.store.affinity_group import list_affinity_groups


@admin_view
def get_list(caller: ClusterCall) -> list[AffinityGroup]:
    """All groups, by whose they are."""
    return list(list_affinity_groups(caller.session, None))


@admin_view(changing=True)
def edit(caller: ClusterCall, affinity_group_id: Id, strict: bool) -> AffinityGroup:
    """Say whether a group is strict: one that is may keep a node from being emptied."""
    return service.edit(caller, affinity_group_id, None, strict, None)
