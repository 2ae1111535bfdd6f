"""Networks: pools of addresses that guests get."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.network import Network, NetworkLease
from cm.results.security_group import Passage
from cm.rpc.types import Id, Limit, Name, Text
from cm.rpc.view import admin_view
from cm.services import network as service
from cm.services import passage
from cm.services.context import ClusterCall
from cm.store import network as pools
from cm.store.network import describe, get_network, list_networks
from cm.views.user.network import AddressText, Port
from cm.views.user.security_group import Card, Protocol

Vlan = Annotated[int, Meta(ge=1, le=4094, description="The tag of its frames.")]
Mtu = Annotated[int, Meta(ge=1280, le=9000, description="Bytes; without it 1500.")]


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


@admin_view(changing=True)
def add_bridge(
    caller: ClusterCall,
    name: Name,
    uplink: Name,
    vlan: Vlan | None = None,
    network: str | None = None,
    user_id: Id | None = None,
    description: Text = "",
    dns: str = "",
    mtu: Mtu | None = None,
) -> Network:
    """
    Add a network on a bridge that nodes have, or on a VLAN of an interface of theirs. VMs on it are placed on nodes
    that have it, as their agents tell (``uplinks`` of a node's report).

    :param uplink: a bridge of the nodes, which is used as it is; with ``vlan`` an interface, on which agents make the
        VLAN's.
    :param network: addresses that guests get from us, a /20 to a /30, on a VLAN alone: the nodes are the gateway there.
        Without it guests have theirs from elsewhere, are not known by them, and get no metadata.
    :param user_id: whose it is, who may share it; without one it is everybody's.
    """
    return service.add_bridge(
        caller, name, uplink, vlan, network, account_id=user_id, description=description, dns=dns, mtu=mtu
    )


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
