"""Networks: pools of addresses that guests get."""

from __future__ import annotations

from cm.results.network import Network, NetworkLease
from cm.results.security_group import Passage
from cm.rpc.types import Id, Limit, Name
from cm.rpc.view import admin_view
from cm.services import network as service
from cm.services import passage
from cm.services.context import ClusterCall
from cm.store import network as pools
from cm.store.network import describe, get_network, list_networks
from cm.views.user.network import AddressText, Port
from cm.views.user.security_group import Card, Protocol


@admin_view(changing=True)
def add(
    caller: ClusterCall,
    name: Name,
    network: str = "10.128.0.0/24",
    gateway: str | None = None,
    bridge: Name | None = None,
    dns: str = "",
) -> Network:
    """Add a network: a /20 to a /30 whose addresses, but the gateway's, guests may get."""
    return service.add(caller, name, network, gateway, bridge, dns)


@admin_view
def get_list(caller: ClusterCall) -> list[Network]:
    """All networks, with how many of their leases are used."""
    return [describe(row) for row in list_networks(caller.session)]


@admin_view
def get_by_id(caller: ClusterCall, pool_id: Id) -> Network:
    """One network."""
    return describe(get_network(caller.session, pool_id))


@admin_view
def list_leases(
    caller: ClusterCall, pool_id: Id, used_only: bool = True, limit: Limit = 1000, after: Id | None = None
) -> list[NetworkLease]:
    """
    A network's leases by id, with the VMs that have them.

    :param after: the last ``lease_id`` of the page before.
    """
    get_network(caller.session, pool_id)
    return list(pools.list_leases(caller.session, pool_id, used_only=used_only, after=after, limit=limit))


@admin_view
def explain(
    caller: ClusterCall,
    vm_id: Id,
    to_vm_id: Id | None = None,
    address: AddressText | None = None,
    protocol: Protocol = "tcp",
    port: Port | None = None,
    incoming: bool = False,
    nic: Card = 0,
    to_nic: Card = 0,
) -> Passage:
    """
    Whether the first packet of a flow would pass between a VM and another, or an address outside, and what decides.

    :param address: of the other side, where that is no VM.
    :param incoming: from the other side to the VM.
    """
    return passage.explain(caller, None, vm_id, nic, to_vm_id, to_nic, address, incoming, protocol, port)


@admin_view(changing=True)
def lock(caller: ClusterCall, pool_id: Id) -> Network:
    """Give no more leases of a network; those it gave stay."""
    return service.set_locked(caller, pool_id, True)


@admin_view(changing=True)
def unlock(caller: ClusterCall, pool_id: Id) -> Network:
    """Give leases of a network again."""
    return service.set_locked(caller, pool_id, False)


@admin_view(changing=True)
def delete(caller: ClusterCall, pool_id: Id) -> None:
    """Delete a network of which no lease is used."""
    service.delete(caller, pool_id)
