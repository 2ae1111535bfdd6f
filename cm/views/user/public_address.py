"""
Public addresses of the caller's: a network card that has one is reached by it from outside, on whichever node its VM
runs. Ports of shared addresses are the VM's: ``user.vm.add_port``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cm.results.public_address import PublicAddress
from cm.rpc.types import LINE, Id, TagValues, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import TagKind
from cm.rules.access import Action
from cm.services import public_address as service
from cm.services.context import ClusterCall
from cm.services.tag import put_on_new
from cm.store.public_address import get_public_address, list_public_addresses
from cm.views.user.security_group import Card

AddressText = Annotated[str, Meta(min_length=1, max_length=45, pattern=LINE, description="An IP address.")]


@user_view(changing=True)
def request(
    caller: ClusterCall,
    address: AddressText | None = None,
    family: Literal[4, 6] = 4,
    description: Text = "",
    tags: TagValues | None = None,
) -> PublicAddress:
    """
    Get a public address, which stays the caller's until they release it.

    :param address: exactly this one, where it is free; else the first free one.
    :param family: 4 or 6: of IPv4 or IPv6.
    """
    made = service.request(caller, address, family, description)
    put_on_new(caller, TagKind.PUBLIC_ADDRESS, [made["public_address_id"]], tags)
    return made


@user_view
def get_list(caller: ClusterCall) -> list[PublicAddress]:
    """The caller's addresses, with the VMs that are reached by them."""
    return list_public_addresses(caller.session, caller.account_id)


@user_view
def get_by_id(caller: ClusterCall, public_address_id: Id) -> PublicAddress:
    """One of the caller's addresses."""
    return get_public_address(caller.session, public_address_id, account_id=caller.account_id)


@user_view(changing=True)
def edit(caller: ClusterCall, public_address_id: Id, description: Text) -> PublicAddress:
    """Change what is said of an address."""
    return service.edit(caller, public_address_id, description)


@user_view(changing=True, on={"vm_id": Action.EDIT})
def assign(caller: ClusterCall, public_address_id: Id, vm_id: Id, nic: Card = 0) -> PublicAddress:
    """
    Have a VM's network card be reached by an address of its owner's, as far as its security groups let others in. It
    keeps it until it is unassigned or the VM destroyed; while the VM does not run, nobody answers.
    """
    return service.assign(caller, public_address_id, vm_id, nic)


@user_view(changing=True)
def unassign(caller: ClusterCall, public_address_id: Id) -> PublicAddress:
    """Have nobody be reached by an address any more; it stays the caller's."""
    return service.unassign(caller, public_address_id, caller.account_id)


@user_view(changing=True)
def release(caller: ClusterCall, public_address_id: Id) -> None:
    """Give back an address that no VM has."""
    service.release(caller, public_address_id, caller.account_id)
