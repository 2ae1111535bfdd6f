"""Public addresses, ports of shared ones, and how VMs are reached by them."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Number, Prose, Text, Time, Total, Uuid, Version
from cm.rpc.vocabulary import PortProtocol, PublicState

Public = Annotated[str, Meta(examples=["203.0.113.7"], description="An IP address of the outside world.")]
PortNumber = Annotated[int, Meta(ge=1, le=65535, examples=[20022])]
CardNumber = Annotated[int, Meta(ge=0, examples=[0], description="Which of the VM's network cards.")]


class PublicAddress(TypedDict):
    """An address that a guest is reached by, or could be."""

    public_address_id: Number
    uuid: Uuid
    address: Public
    user_id: Annotated[Number | None, Meta(description="Whose it is; null: free, or shared.")]
    shared: Annotated[bool, Meta(description="Whether single ports of it are given away.")]
    uplink: Annotated[
        str, Meta(examples=["eth1"], description="Of nodes: where it is announced; empty: the way out.")
    ]
    description: Text
    state: PublicState
    reason: Annotated[Prose, Meta(description="Why it waits.")]
    vm_id: Annotated[Number | None, Meta(description="The VM that is reached by it.")]
    vm_name: Named | None
    nic: CardNumber | None
    guest: Annotated[str | None, Meta(examples=["10.130.0.5"], description="The VM's own address behind it.")]
    node_id: Annotated[Number | None, Meta(description="The node that is to answer for it.")]
    ports: Annotated[Total, Meta(description="How many ports of a shared one are given away.")]
    version: Version
    created: Time


class PublicPort(TypedDict):
    """A port of a shared address that leads to one of a VM's."""

    public_port_id: Number
    vm_id: Number
    nic: CardNumber
    protocol: PortProtocol
    guest_port: PortNumber
    address: Public
    port: PortNumber
    state: PublicState
    reason: Annotated[Prose, Meta(description="Why it waits.")]


class Connection(TypedDict):
    """One way to a VM from outside."""

    method: Literal["ssh", "rdp", "vnc", "http", "https"]
    command: Annotated[str, Meta(examples=["ssh -p 20022 debian@203.0.113.9"], description="To be typed, or opened.")]


class Entrance(TypedDict):
    """One way to a VM, and what leads to it."""

    method: Literal["ssh", "rdp", "vnc", "http", "https"]
    through: Annotated[
        Literal["public", "port", "network", "screen"],
        Meta(
            description="A public address of its own; a port of a shared one; its own address, for who is on its"
            " network or has a way there; its screen on its node."
        ),
    ]
    address: Annotated[str, Meta(examples=["203.0.113.9"])]
    port: PortNumber
    command: Annotated[str, Meta(examples=["ssh -p 20022 debian@203.0.113.9"], description="To be typed, or opened.")]


class PublicIP(TypedDict):
    """A public address by CC1's names."""

    ip_id: Number
    public_ip_id: Number
    address: Public
    lease_id: Annotated[Number | None, Meta(description="The VM's own address behind it.")]
    vm_name: Annotated[str, Meta(examples=["example"], description="Empty without one.")]
    user_id: Annotated[Number | None, Meta(description="Whose it is; null: free.")]
