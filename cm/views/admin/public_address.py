"""Public addresses of all accounts, free ones, and shared ones, of which VMs get single ports."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.public_address import PublicAddress
from cm.rpc.types import LINE, Id, Limit, Text
from cm.rpc.view import admin_view
from cm.services import public_address as service
from cm.services.context import ClusterCall
from cm.store.public_address import get_public_address, list_public_addresses

Range = Annotated[
    str,
    Meta(min_length=1, max_length=100, pattern=LINE, description="An address, first-last, or a network."),
]
Ranges = Annotated[list[Range], Meta(min_length=1, max_length=200)]
Uplink = Annotated[str, Meta(max_length=15, pattern=LINE, description="An interface of the nodes.")]


@admin_view(changing=True)
def add(
    caller: ClusterCall, addresses: Ranges, shared: bool = False, uplink: Uplink = "", description: Text = ""
) -> list[PublicAddress]:
    """
    Add addresses that the outside world sends to the nodes' links; those that are there already stay as they are.

    :param shared: accounts do not get them whole: VMs get single ports of them. Each is answered for by one node, so
        that there should be as many as nodes.
    :param uplink: that nodes announce them on; else their way out.
    """
    return service.add(caller, addresses, shared, uplink, description)


@admin_view
def get_list(
    caller: ClusterCall, user_id: Id | None = None, limit: Limit = 1000, after: Id | None = None
) -> list[PublicAddress]:
    """
    All addresses by id, or an account's.

    :param after: the last ``public_address_id`` of the page before.
    """
    return list_public_addresses(caller.session, user_id, after=after, limit=limit)


@admin_view
def get_by_id(caller: ClusterCall, public_address_id: Id) -> PublicAddress:
    """One address."""
    return get_public_address(caller.session, public_address_id, account_id=None)


@admin_view(changing=True)
def unassign(caller: ClusterCall, public_address_id: Id) -> PublicAddress:
    """Have nobody be reached by an address any more; it stays its owner's."""
    return service.unassign(caller, public_address_id, None)


@admin_view(changing=True)
def release(caller: ClusterCall, public_address_id: Id) -> None:
    """Take an address that no VM has from its owner."""
    service.release(caller, public_address_id, None)


@admin_view(changing=True)
def delete(caller: ClusterCall, public_address_id: Id) -> None:
    """Delete an address that is nobody's, and of which no port is given away."""
    service.delete(caller, public_address_id)
