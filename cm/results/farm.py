"""Farms: a head and its workers, and what was asked of them."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from cm.results.vm import VMOutcome
from cm.rpc.fields import (
    Address,
    LoginName,
    MiB,
    Named,
    Number,
    Owner,
    Prose,
    Seconds,
    SizeCpus,
    Text,
    Time,
    Total,
    Uuid,
    Version,
)
from cm.rpc.vocabulary import FarmRole, FarmState, VMState


class FarmVM(TypedDict):
    """A VM of a farm."""

    vm_id: Number
    uuid: Uuid
    name: Named
    host: Annotated[str, Meta(examples=["sums-worker-1"], description="Its name among the farm's hosts.")]
    role: FarmRole
    number: Annotated[int, Meta(ge=0, examples=[1], description="In its farm; 0 is the head.")]
    state: VMState
    contextualized: bool
    error: Annotated[str, Meta(examples=[""], description="Why it is in the state error; empty otherwise.")]
    template_name: Named
    cpu: SizeCpus
    memory_mib: MiB
    disk_mib: MiB
    addresses: list[Address]
    launched: Annotated[Time | None, Meta(description="When it was started last.")]
    operation_id: Annotated[Number | None, Meta(description="What is under way.")]
    waiting_for: Annotated[str, Meta(examples=[""], description="Why that is not further.")]


class Farm(TypedDict):
    """A head and its workers, with CC1's names where it had them; those that are destroyed are left out."""

    farm_id: Number
    uuid: Uuid
    name: Named
    description: Text
    user_id: Owner
    state: FarmState
    cc1_state: Annotated[int, Meta(examples=[3], description="CC1's number of the state.")]
    image_name: Annotated[Named | None, Meta(description="The head's; null of one that is destroyed.")]
    head_template_name: Annotated[Named | None, Meta(description="The size of the head.")]
    template_name: Annotated[Named, Meta(description="The size of new workers.")]
    vms: Annotated[list[FarmVM], Meta(description="The head, then the workers, the eldest first.")]
    workers: Total
    cpu: Annotated[int, Meta(ge=0, examples=[6], description="CPUs, of all of them.")]
    memory_mib: MiB
    disk_mib: Annotated[MiB, Meta(description="Of all disks that go with them.")]
    started: Annotated[Time | None, Meta(description="When the head was started; null: it does not run.")]
    uptime_s: Annotated[Seconds, Meta(description="Since then.")]
    operation_id: Annotated[Number | None, Meta(description="The operation that starts its VMs.")]
    shared_key: Annotated[bool, Meta(description="Whether workers have the private key, too.")]
    public_key: Annotated[str, Meta(examples=["ssh-ed25519 AAAA"], description="Of the farm's pair of SSH keys.")]
    joined: Annotated[
        bool,
        Meta(description="Whether all its VMs are on one network on which they reach each other; none of kind nat is."),
    ]
    version: Version
    created: Time


class ListedFarm(Farm):
    """A farm among everybody's."""

    user_login: LoginName


class GrownFarm(Farm):
    """A farm whose VMs are being made."""

    made: Annotated[list[Number], Meta(description="The VMs that are new.")]
    warning: Annotated[
        Prose, Meta(examples=[""], description="What of a farm this one will not have; empty: it lacks nothing.")
    ]
    vnc_password: NotRequired[Annotated[str, Meta(examples=["k3y"], description="Of the head; told this once.")]]


class FarmEnd(TypedDict):
    """What became of the VMs of a farm that ends, or shrinks."""

    farm_id: Number
    status: Annotated[str, Meta(examples=["ok"], description='"ok", or an error\'s slug.')]
    vms: list[VMOutcome]
    message: NotRequired[Prose]


class SavedFarm(TypedDict):
    """A farm that ends, of whose head an image is being made."""

    farm_id: Number
    vm_id: Annotated[Number, Meta(description="The head.")]
    operation_id: Annotated[Number, Meta(description="That saves it.")]
    image_id: Annotated[int, Meta(ge=1, examples=[23], description="The image to be.")]
    workers: list[VMOutcome]
