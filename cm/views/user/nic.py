"""``user.nic.*``: the network cards of VMs that are there, running or stopped."""

from __future__ import annotations

from cm.results.network import Nic, NicWork
from cm.rpc.types import Id, Ids, Limit
from cm.rpc.view import user_view
from cm.rpc.vocabulary import NicModel
from cm.rules.access import Action
from cm.services import nic as service
from cm.services.context import ClusterCall
from cm.views.user.network import AddressText
from cm.views.user.security_group import Card


@user_view(on={"vm_id": Action.SEE})
def get_list(
    caller: ClusterCall, vm_id: Id | None = None, limit: Limit = 1000, after: Id | None = None
) -> list[Nic]:
    """
    The network cards of the caller's VMs by ``nic_id``, with their networks, addresses and security groups.

    :param vm_id: those of that VM instead, by number.
    :param after: the last ``nic_id`` of the page before.
    """
    return service.own_list(caller, vm_id, limit, after)


@user_view(changing=True, on={"vm_id": Action.ATTACH, "network_id": Action.USE})
def attach(
    caller: ClusterCall,
    vm_id: Id,
    network_id: Id,
    address: AddressText | None = None,
    model: NicModel | None = None,
    security_group_ids: Ids | None = None,
) -> NicWork:
    """
    Give a VM, running or stopped, another network card. A running guest sees it when the operation is done.

    :param network_id: the caller's, everybody's, or one that is shared with them.
    :param address: which of the network's it gets; without it the first that is free.
    :param model: without it, as the VM's first card. A VM that runs takes virtio, and others if it has one of them.
    :param security_group_ids: that it is in; without it the default group, on networks of users.
    """
    return service.attach(caller, vm_id, network_id, address, model, security_group_ids)


@user_view(changing=True, on={"vm_id": Action.ATTACH})
def edit(caller: ClusterCall, vm_id: Id, nic: Card, spoofing: bool) -> Nic:
    """
    Change what nodes let a network card do, without a restart.

    :param spoofing: whether it may send from addresses that are not its own, as routers do. It takes an administrator
        to allow that, unless the cluster leaves it to VMs' owners; who may not allow it may still take it back.
    """
    return service.edit(caller, vm_id, nic, spoofing)


@user_view(changing=True, on={"vm_id": Action.ATTACH})
def detach(caller: ClusterCall, vm_id: Id, nic: Card) -> NicWork:
    """
    Take a network card from a VM, running or stopped. The operation is done when the guest has let go of the card, and
    its addresses are free then; a guest that does not within the time that the operator grants keeps it: the operation
    fails.
    """
    return service.detach(caller, vm_id, nic)
