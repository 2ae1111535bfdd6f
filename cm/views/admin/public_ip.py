"""Public addresses by CC1's names; ``admin.public_address`` has the same and more."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.public_address import PublicIP
from cm.rpc.types import Id, Ids
from cm.rpc.view import admin_view
from cm.rules.public_address import ADDRESSES_MAX
from cm.services import public_address
from cm.services import public_ip as service
from cm.services.context import ClusterCall
from cm.views.user.public_address import AddressText

Amount = Annotated[int, Meta(ge=1, le=ADDRESSES_MAX)]


@admin_view
def get_list(caller: ClusterCall) -> list[PublicIP]:
    """All addresses, free ones, too."""
    return service.list_all(caller.session, None)


@admin_view(changing=True)
def add(caller: ClusterCall, start_address: AddressText, count: Amount = 1) -> None:
    """Add an address, and those that follow it; those that are there already stay as they are."""
    service.add(caller, start_address, count)


@admin_view(changing=True)
def delete(caller: ClusterCall, public_ip_id_list: Ids) -> None:
    """Delete addresses that are nobody's."""
    for address_id in public_ip_id_list:
        public_address.delete(caller, address_id)


@admin_view(changing=True)
def unassign(caller: ClusterCall, lease_id: Id) -> None:
    """Have a VM's own address be reached from outside no more; the public address stays its owner's."""
    service.unassign(caller, lease_id, None)


@admin_view(changing=True)
def release(caller: ClusterCall, public_ip_id_list: Ids) -> None:
    """Take addresses from their owners, and from the VMs that have them."""
    for address_id in public_ip_id_list:
        public_address.release(caller, address_id, None, force=True)
