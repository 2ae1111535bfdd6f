"""``user.nic.*``: the network cards of VMs that are there, running or stopped."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.network import Nic, NicWork
from cm.rpc.types import Id, Ids, Limit
from cm.rpc.view import user_view
from cm.rpc.vocabulary import NicModel
from cm.rules.access import Action
from cm.rules.network import KBIT_MAX
from cm.services import nic as service
from cm.services.context import ClusterCall
from cm.store.nic import Bandwidth
from cm.views.user.network import AddressText
from cm.views.user.security_group import Card

Kbit = Annotated[int, Meta(ge=0, le=KBIT_MAX, description="kbit/s, at least 64; 0: as the cluster's settings say.")]


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
    kbit_in: Kbit | None = None,
    kbit_out: Kbit | None = None,
) -> NicWork:
    """
    Give a VM, running or stopped, another network card. A running guest sees it when the operation is done.

    :param network_id: the caller's, everybody's, or one that is shared with them.
    :param address: which of the network's it gets; without it the first that is free.
    :param model: without it, as the VM's first card. A VM that runs takes virtio, and others if it has one of them.
    :param security_group_ids: that it is in; without it the default group, on networks of users.
    :param kbit_in: what it gets at the most, and ``kbit_out`` what it sends; as of ``edit``.
    """
    bandwidth = Bandwidth(kbit_in, kbit_out)
    return service.attach(caller, vm_id, network_id, address, model, security_group_ids, bandwidth)


@user_view(changing=True, on={"vm_id": Action.ATTACH})
def edit(
    caller: ClusterCall,
    vm_id: Id,
    nic: Card,
    spoofing: bool | None = None,
    kbit_in: Kbit | None = None,
    kbit_out: Kbit | None = None,
) -> Nic:
    """
    Change what nodes let a network card do, without a restart; what is left out stays.

    :param spoofing: whether it may send from addresses that are not its own, as routers do. It takes an administrator
        to allow that, unless the cluster leaves it to VMs' owners; who may not allow it may still take it back.
    :param kbit_in: what the guest gets at the most, up to the cluster's own limit, where it has one; an administrator
        grants more. 0: as much as the cluster allows. Of a VM whose node cannot hold limits it is refused.
    :param kbit_out: what the guest sends; likewise.
    """
    return service.edit(caller, vm_id, nic, spoofing, Bandwidth(kbit_in, kbit_out))


@user_view(changing=True, on={"vm_id": Action.ATTACH})
def detach(caller: ClusterCall, vm_id: Id, nic: Card) -> NicWork:
    """
    Take a network card from a VM, running or stopped. The operation is done when the guest has let go of the card, and
    its addresses are free then; a guest that does not within the time that the operator grants keeps it: the operation
    fails.
    """
    return service.detach(caller, vm_id, nic)
