"""
Networks of the caller's own: VMs on one reach each other, whichever nodes they are on, and others' VMs do not. CC1's
functions with their names, and what they lacked beside.

They may be shared (``user.acl``): a user has VMs on one, an operator edits it, an owner releases it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.network import AvailableNetwork, ListedNetwork, Network, NetworkLease
from cm.results.security_group import Passage
from cm.rpc.types import LINE, Id, Limit, Name, TagValues, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import TagKind
from cm.rules.access import Action
from cm.services import network as service
from cm.services import passage
from cm.services.access import person_of
from cm.services.context import ClusterCall
from cm.services.tag import put_on_new
from cm.store import network as store
from cm.store.pool import list_pools
from cm.views.user.security_group import Card, Protocol

Mask = Annotated[int, Meta(ge=8, le=32, description="Bits: 26 is a network of 61 VMs.")]
Servers = Annotated[str, Meta(max_length=100)]
AddressText = Annotated[str, Meta(min_length=1, max_length=45, pattern=LINE, description="An IP address.")]
Port = Annotated[int, Meta(ge=1, le=65535, description="Of the receiver.")]


@user_view(changing=True)
def request(
    caller: ClusterCall,
    mask: Mask | None = None,
    name: Name = "network",
    network: str | None = None,
    pool: Name | None = None,
    description: Text = "",
    dns: Servers = "",
    tags: TagValues | None = None,
    ipv6: bool | None = None,
) -> Network:
    """
    Get a network of one's own.

    :param mask: its size; without it as its pool says.
    :param network: exactly this one, such as 10.130.4.0/26, where it is free.
    :param pool: the name of one of ``list_available_networks``; else the first one that has room is taken.
    :param dns: servers that its guests' questions go to, addresses with blanks between; else the nodes' own.
    :param ipv6: whether its guests have IPv6, too; without it they have where the pool, or the cluster, has any.
    """
    made = service.request(
        caller, name, mask=mask, prefix=network, pool=pool, description=description, dns=dns, ipv6=ipv6
    )
    put_on_new(caller, TagKind.NETWORK, [made["network_id"]], tags)
    return made


@user_view(changing=True, on={"network_id": Action.EDIT})
def edit(
    caller: ClusterCall, network_id: Id, name: Name | None = None, description: Text | None = None,
    dns: Servers | None = None,
) -> Network:  # fmt: skip
    """Change a network's name, description or servers; what is left out stays. Its domain stays what it was made as."""
    return service.edit(caller, network_id, name, description, dns)


@user_view(changing=True, on={"network_id": Action.DELETE})
def release(caller: ClusterCall, network_id: Id) -> None:
    """Give back a network that no VM is on."""
    service.release(caller, network_id)


@user_view
def list_available_networks(caller: ClusterCall) -> list[AvailableNetwork]:
    """The pools that networks are cut from."""
    return [service.available(caller, row) for row in list_pools(caller.session, open_only=True)]


@user_view
def list_user_networks(caller: ClusterCall, shared: bool = False) -> list[ListedNetwork]:
    """
    The caller's networks, with how many of their addresses are used.

    :param shared: those that are not the caller's and that their VMs may be on instead: everybody's, and others' that
        are shared with them; with ``user_login`` and ``access``, the caller's level.
    """
    return list(service.list_for(caller, shared))


@user_view(on={"network_id": Action.SEE})
def get_by_id(caller: ClusterCall, network_id: Id) -> ListedNetwork:
    """One of the caller's networks, or one that is shared with them."""
    return service.detail(caller, network_id)


@user_view(on={"network_id": Action.SEE})
def list_leases(
    caller: ClusterCall, network_id: Id, used_only: bool = False, limit: Limit = 1000, after: Id | None = None
) -> list[NetworkLease]:
    """
    The addresses of one of the caller's networks, or one that is shared with them, by id, with the VMs that have them.

    :param after: the last ``lease_id`` of the page before.
    """
    service.authorized(caller, network_id)
    return list(store.list_leases(caller.session, network_id, used_only=used_only, after=after, limit=limit))


@user_view(on={"vm_id": Action.SEE, "to_vm_id": Action.SEE})
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
    who = person_of(caller.identity)
    return passage.explain(caller, who, vm_id, nic, to_vm_id, to_nic, address, incoming, protocol, port)
