"""Network cards of everybody's VMs."""

from __future__ import annotations

from cm.results.network import Nic
from cm.rpc.types import Id
from cm.rpc.view import admin_view
from cm.services import nic as service
from cm.services.context import ClusterCall
from cm.store.nic import Bandwidth
from cm.views.user.nic import Kbit
from cm.views.user.security_group import Card


@admin_view
def get_list(caller: ClusterCall, vm_id: Id) -> list[Nic]:
    """A VM's network cards by number, with their networks, addresses and security groups."""
    return service.of_vm(caller, vm_id)


@admin_view(changing=True)
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

    :param spoofing: whether it may send from addresses that are not its own, as routers and VPN gateways do. Nodes'
        own addresses and other guests' metadata stay out of its reach.
    :param kbit_in: what the guest gets at the most, also beyond what owners may set. 0: as the cluster's settings say.
    :param kbit_out: what the guest sends; likewise.
    """
    return service.edit(caller, vm_id, nic, spoofing, Bandwidth(kbit_in, kbit_out), administrator=True)
