"""Public addresses by CC1's names: by the leases that are behind them."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.results.public_address import PublicAddress, PublicIP
from cm.rpc.errors import InvalidParameter, ObjectNotFound
from cm.services import public_address
from cm.services.context import ClusterCall
from cm.store.public_address import list_public_addresses
from cm.store.public_ip import leases_behind, nic_of_lease


def add(caller: ClusterCall, start: str, count: int) -> None:
    """``public_address.add`` of so many addresses from one on."""
    first = public_address.parse_address(start)
    try:
        last = first + (count - 1)
    except ValueError:
        raise InvalidParameter("count", "so many addresses do not follow it") from None
    public_address.add(caller, [f"{first}-{last}"], False, "", "")


def _shown(found: PublicAddress, lease_id: int | None) -> PublicIP:
    return {
        "ip_id": found["public_address_id"],
        "public_ip_id": found["public_address_id"],
        "address": found["address"],
        "lease_id": lease_id,
        "vm_name": found["vm_name"] or "",
        "user_id": found["user_id"],
    }


def list_all(session: Session, account_id: int | None) -> list[PublicIP]:
    """An account's; None: all there are."""
    leases = leases_behind(session)
    found = list_public_addresses(session, account_id)
    return [_shown(each, leases.get(each["public_address_id"])) for each in found]


def assign(caller: ClusterCall, lease_id: int, address_id: int) -> PublicAddress:
    """
    ``public_address.assign`` by the address that is behind it.

    :raises ObjectNotFound: no VM of the caller's has it.
    """
    found = nic_of_lease(caller.session, lease_id)
    if found is None:
        raise ObjectNotFound("lease", lease_id)
    return public_address.assign(caller, address_id, found.vm_id, found.number)


def unassign(caller: ClusterCall, lease_id: int, account_id: int | None) -> PublicAddress:
    """
    ``public_address.unassign`` of the address that leads to it.

    :raises ObjectNotFound: none does that is the account's.
    """
    found = next(iter(leases_behind(caller.session, lease_id)), None)
    if found is None:
        raise ObjectNotFound("lease", lease_id)
    return public_address.unassign(caller, found, account_id)
