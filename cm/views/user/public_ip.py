"""Public addresses by CC1's names; ``user.public_address`` has the same and more."""

from __future__ import annotations

from cm.results.public_address import PublicIP
from cm.rpc.types import Id
from cm.rpc.view import user_view
from cm.services import public_address
from cm.services import public_ip as service
from cm.services.context import ClusterCall


@user_view
def get_list(caller: ClusterCall) -> list[PublicIP]:
    """The caller's addresses."""
    return service.list_all(caller.session, caller.account_id)


@user_view(changing=True)
def request(caller: ClusterCall) -> str:
    """Get a free public address of IPv4."""
    return public_address.request(caller, None, 4, "")["address"]


@user_view(changing=True)
def assign(caller: ClusterCall, lease_id: Id, public_ip_id: Id) -> None:
    """
    Have a VM be reached by an address, as ``user.public_address.assign`` does.

    :param lease_id: the VM's own address, of ``user.network.list_leases``.
    """
    service.assign(caller, lease_id, public_ip_id)


@user_view(changing=True)
def unassign(caller: ClusterCall, lease_id: Id) -> None:
    """Have a VM's own address be reached from outside no more; the public address stays the caller's."""
    service.unassign(caller, lease_id, caller.account_id)


@user_view(changing=True)
def release(caller: ClusterCall, public_ip_id: Id) -> None:
    """Give back an address that no VM has."""
    public_address.release(caller, public_ip_id, caller.account_id)
