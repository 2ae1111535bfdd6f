"""Affinity groups: which of one's VMs are to run on one node, and which each on another."""

from __future__ import annotations

from cm.results.affinity_group import AffinityGroup
from cm.rpc.types import Id, Name
from cm.rpc.view import user_view
from cm.rpc.vocabulary import Affinity
from cm.services import affinity_group as service
from cm.services.context import ClusterCall
from cm.store.affinity_group import get_affinity_group, list_affinity_groups


@user_view(changing=True)
def create(caller: ClusterCall, name: Name, affinity: Affinity, strict: bool = False) -> AffinityGroup:
    """
    Make a group. VMs are put into it when they are made, or by ``user.vm.set_affinity_group``.

    :param strict: rather none of them starts than in another place; else it is a wish.
    """
    return service.create(caller, name, affinity, strict)


@user_view
def get_list(caller: ClusterCall) -> list[AffinityGroup]:
    """The caller's groups, by name."""
    return list(list_affinity_groups(caller.session, caller.account_id))


@user_view
def get_by_id(caller: ClusterCall, affinity_group_id: Id) -> AffinityGroup:
    """One of the caller's groups."""
    return get_affinity_group(caller.session, affinity_group_id, account_id=caller.account_id)


@user_view(changing=True)
def edit(
    caller: ClusterCall, affinity_group_id: Id, name: Name | None = None, strict: bool | None = None
) -> AffinityGroup:
    """Change the name of a group, or whether it is strict; none that runs is moved for it."""
    return service.edit(caller, affinity_group_id, name, strict, caller.account_id)


@user_view(changing=True)
def delete(caller: ClusterCall, affinity_group_id: Id) -> None:
    """Delete a group that no VM is in."""
    service.delete(caller, affinity_group_id)
