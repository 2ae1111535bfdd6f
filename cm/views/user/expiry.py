"""
``user.expiry.*``: for how long one's VMs run and stay when nobody renews them.

A lease has two intervals: VMs that have it are suspended after the one and deleted after the other, from their last
renewal on. Their owners are told once a tenth of it is left, and nothing ends earlier than a tenth after that.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cm.results.expiry import ExpiryLease, VMExpiry
from cm.rpc.types import Id, IdList, Limit, Name, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import PAGE_MAX
from cm.rules.access import Action
from cm.services import expiry as service
from cm.services.access import person_of
from cm.services.context import ClusterCall
from cm.store.expiry import list_expiries

# At the least as long as ten rounds of looks at what is due; ten years at the most.
Interval = Annotated[int, Meta(ge=600, le=315_576_000, description="Seconds.")]


@user_view
def get_list(caller: ClusterCall) -> list[ExpiryLease]:
    """The leases that the caller may choose, by name."""
    return list(list_expiries(caller.session, person_of(caller.identity)))


@user_view(on={"vm_ids": Action.SEE})
def get_vms(caller: ClusterCall, vm_ids: IdList) -> list[VMExpiry]:
    """What will become of VMs by their leases, when, and what it waits for; in the order of their ids in the call."""
    return service.of_vms(caller, vm_ids)


@user_view
def list_vms(caller: ClusterCall, limit: Limit = PAGE_MAX, after: Id | None = None) -> list[VMExpiry]:
    """
    The caller's VMs that have a lease, by id.

    :param after: the last ``vm_id`` of the page before.
    """
    return service.list_vms(caller, person_of(caller.identity), caller.account_id, limit=limit, after=after)


@user_view(changing=True, on={"vm_id": Action.RENEW})
def renew(caller: ClusterCall, vm_id: Id) -> VMExpiry:
    """
    Have both of a VM's intervals begin anew from now. Its operators may, who may choose its lease.
    """
    return service.renew(caller, person_of(caller.identity), vm_id)


@user_view(changing=True, on={"vm_id": Action.RENEW, "expiry_id": Action.USE})
def set(caller: ClusterCall, vm_id: Id, expiry_id: Id) -> VMExpiry:
    """Give a VM another lease, from now on. Its operators may, who may choose that lease."""
    return service.give(caller, person_of(caller.identity), vm_id, expiry_id)


@user_view(changing=True, on={"expiry_id": Action.EDIT})
def edit(caller: ClusterCall, expiry_id: Id, name: Name | None = None, description: Text | None = None) -> ExpiryLease:
    """Change the name of a lease, or what it says. Its owners may; its intervals are administrators' to change."""
    values: dict[str, Any] = {"name": name, "description": description}
    return service.edit(caller, person_of(caller.identity), expiry_id, values)
