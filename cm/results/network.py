"""Networks and their leases."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Address, Named, Number, Time, Total, Uuid, Version


class Network(TypedDict):
    """A pool of addresses."""

    pool_id: Number
    uuid: Uuid
    name: Named
    network: Annotated[str, Meta(examples=["10.128.0.0/24"], description="CIDR.")]
    address: Annotated[str, Meta(examples=["10.128.0.0"], description="The network's own.")]
    mask: Annotated[int, Meta(examples=[24], description="Bits.")]
    gateway: Address
    bridge: Annotated[str, Meta(examples=["wbr1"], description="On the nodes.")]
    dns: Annotated[str, Meta(examples=["192.0.2.53"], description="Addresses, with blanks between; may be empty.")]
    locked: bool
    leases: Total
    leases_used: Total
    version: Version
    created: Time


class NetworkLease(TypedDict):
    """An address of a network, and the VM that has it."""

    lease_id: Number
    address: Address
    vm_id: Number | None
    nic: Annotated[int | None, Meta(examples=[0], description="Which of the VM's network cards; null without a VM.")]
    vm_name: Named | None
    user_id: Annotated[Number | None, Meta(description="Whose VM it is.")]
