"""Expiry leases, and what will become of VMs by them."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Number, Owner, Prose, Time, Total, Uuid, Version
from cm.rpc.vocabulary import VMState
from cm.rules.expiry import End, Waits

Interval = Annotated[
    Annotated[int, Meta(ge=1, examples=[691_200])] | None,
    Meta(description="Seconds from a renewal on; null: never."),
]


class ExpiryLease(TypedDict):
    """For how long VMs run and stay when nobody renews them."""

    expiry_id: Number
    uuid: Uuid
    name: Named
    description: Prose
    user_id: Owner
    suspend_s: Interval
    delete_s: Interval
    for_all: Annotated[bool, Meta(description="Whether everybody may choose it.")]
    is_default: Annotated[bool, Meta(description="Whether VMs get it that are made without another.")]
    version: Version
    created: Time


class ExpiryEnd(TypedDict):
    """What will become of a VM, and when."""

    end: Annotated[End, Meta(description="Its suspension, or its deletion.")]
    at: Annotated[Time, Meta(description="When its interval is over.")]
    told: Annotated[Time, Meta(description="When its owners were told, or are going to be.")]
    due: Annotated[Time | None, Meta(description="When it comes, as things are; null: not before ``waits`` ends.")]
    waits: Annotated[Waits, Meta(description="What it waits for, now that it is due; empty: for nothing but its time.")]


class VMExpiry(TypedDict):
    """A VM's lease."""

    vm_id: Number
    vm: Named
    user_id: Owner
    state: VMState
    expiry_id: Annotated[Number | None, Meta(description="null: it ends by nothing of this.")]
    expiry: Annotated[str, Meta(examples=["lab"], description="The lease's name; empty without one.")]
    renewable: Annotated[bool, Meta(description="Whether who asks may renew it: it is there, and theirs to choose.")]
    renewed: Time | None
    ends: Annotated[list[ExpiryEnd], Meta(description="In the order in which they come.")]
    reason: Annotated[str, Meta(examples=[""], description="Why it was refused when it was tried; for people.")]


class SimulatedExpiry(TypedDict):
    """What a lease would do to a VM that got it now."""

    vm_id: Number
    vm: Named
    user_id: Owner
    state: VMState
    expiry_id: Annotated[Number | None, Meta(description="The lease that it has now.")]
    ends: list[ExpiryEnd]


class GivenExpiry(TypedDict):
    """VMs were given a lease."""

    vms: Total
