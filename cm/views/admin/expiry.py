"""Expiry leases: which there are, who may choose them (``admin.acl``), and which VMs have them."""

from __future__ import annotations

from typing import Any

from cm.results.expiry import ExpiryLease, GivenExpiry, SimulatedExpiry, VMExpiry
from cm.rpc.errors import InvalidParameter
from cm.rpc.types import Id, Limit, Name, Text
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import PAGE_MAX
from cm.services import expiry as service
from cm.services.context import ClusterCall
from cm.store.expiry import get_expiry, list_expiries
from cm.views.user.expiry import Interval


@admin_view(changing=True)
def add(
    caller: ClusterCall,
    name: Name,
    suspend_s: Interval | None = None,
    delete_s: Interval | None = None,
    description: Text = "",
    for_all: bool = False,
) -> ExpiryLease:
    """
    Add a lease, which is the caller's.

    :param suspend_s: from a VM's last renewal to its suspension; null: never. ``delete_s`` likewise, to its deletion.
    :param for_all: everybody may choose it; else those to whom it is granted (``admin.acl.set``, kind "expiry").
    """
    values: dict[str, Any] = {"name": name, "suspend_s": suspend_s, "delete_s": delete_s}
    return service.add(caller, {**values, "description": description, "for_all": for_all})


@admin_view
def get_list(caller: ClusterCall) -> list[ExpiryLease]:
    """All leases, by name."""
    return list(list_expiries(caller.session, None))


@admin_view
def get_by_id(caller: ClusterCall, expiry_id: Id) -> ExpiryLease:
    """One lease."""
    return get_expiry(caller.session, expiry_id).shown


@admin_view(changing=True)
def edit(
    caller: ClusterCall,
    expiry_id: Id,
    name: Name | None = None,
    suspend_s: Interval | None = None,
    delete_s: Interval | None = None,
    never: bool = False,
    description: Text | None = None,
    for_all: bool | None = None,
) -> ExpiryLease:
    """
    Change a lease; what is not given stays. VMs that have it keep their times until they are renewed.

    :param never: an interval that is not given is null from now on, in place of what it was.
    """
    values: dict[str, Any] = {"name": name, "description": description, "for_all": for_all}
    given = {"suspend_s": suspend_s, "delete_s": delete_s}
    values |= given if never else {name: value for name, value in given.items() if value is not None}
    return service.edit(caller, None, expiry_id, values)


@admin_view(changing=True)
def delete(caller: ClusterCall, expiry_id: Id) -> None:
    """Delete a lease: nobody can choose or renew it any more. VMs that have it keep their times."""
    service.delete(caller, expiry_id)


@admin_view(changing=True)
def set_default(caller: ClusterCall, expiry_id: Id | None = None) -> None:
    """
    Say which lease VMs get that are made without another; everybody may choose it, then. VMs that are there already
    stay as they are: ``apply`` is for these.

    :param expiry_id: null: they get none.
    """
    service.set_default(caller, expiry_id)


@admin_view
def simulate(
    caller: ClusterCall,
    expiry_id: Id | None = None,
    suspend_s: Interval | None = None,
    delete_s: Interval | None = None,
    user_id: Id | None = None,
    limit: Limit = 1000,
    after: Id | None = None,
) -> list[SimulatedExpiry]:
    """
    What a lease would do to live VMs that got it now, whichever they have: when each would be suspended and deleted,
    and its owners be told, as things are. Nothing is changed, and nobody is told.

    :param expiry_id: the lease; without it intervals as they are given.
    :param user_id: of one user.
    :param after: the last ``vm_id`` of the page before.
    """
    if expiry_id is not None:
        if suspend_s is not None or delete_s is not None:
            raise InvalidParameter("expiry_id", "give either a lease or intervals")
        found = get_expiry(caller.session, expiry_id)
        suspend_s, delete_s = found.suspend_s, found.delete_s
    return service.simulate(caller, suspend_s, delete_s, user_id, limit=limit, after=after)


@admin_view(changing=True)
def apply(caller: ClusterCall, expiry_id: Id, user_id: Id | None = None, replace: bool = False) -> GivenExpiry:
    """
    Give live VMs a lease, from now on.

    :param user_id: of one user; else everybody's.
    :param replace: also those that have one; else those without.
    """
    return service.apply(caller, expiry_id, user_id, replace)


@admin_view(changing=True)
def set(caller: ClusterCall, vm_id: Id, expiry_id: Id | None) -> VMExpiry:
    """Give a VM another lease, from now on. expiry_id: null: it ends by nothing of this any more."""
    return service.give(caller, None, vm_id, expiry_id)


@admin_view(changing=True)
def renew(caller: ClusterCall, vm_id: Id) -> VMExpiry:
    """Have both of a VM's intervals begin anew from now."""
    return service.renew(caller, None, vm_id)


@admin_view
def list_vms(
    caller: ClusterCall,
    user_id: Id | None = None,
    expiry_id: Id | None = None,
    limit: Limit = PAGE_MAX,
    after: Id | None = None,
) -> list[VMExpiry]:
    """
    VMs that have a lease, by id: what will become of them, when, and what it waits for.

    :param user_id: of one user; ``expiry_id`` of one lease.
    :param after: the last ``vm_id`` of the page before.
    """
    return service.list_vms(caller, None, user_id, limit=limit, after=after, expiry_id=expiry_id)
