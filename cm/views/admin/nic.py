"""Network cards of everybody's VMs."""

from __future__ import annotations

from cm.results.network import Nic
from cm.rpc.types import Id
from cm.rpc.view import admin_view
from cm.services import nic as service
from cm.services.context import ClusterCall
from cm.views.user.security_group import Card


@admin_view
def get_list(caller: ClusterCall, vm_id: Id) -> list[Nic]:
    """A VM's network cards by number, with their networks, addresses and security groups."""
    return service.of_vm(caller, vm_id)


@admin_view(changing=True)
def edit(caller: ClusterCall, vm_id: Id, nic: Card, spoofing: bool) -> Nic:
    """
    Change what nodes let a network card do, without a restart.

    :param spoofing: whether it may send from addresses that are not its own, as routers and VPN gateways do. Nodes'
        own addresses and other guests' metadata stay out of its reach.
    """
    return service.edit(caller, vm_id, nic, spoofing, administrator=True)
