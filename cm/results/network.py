"""Networks and their leases."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from cm.rpc.fields import Address, LoginName, Named, Number, Text, Time, Total, Uuid, Version
from cm.rpc.vocabulary import NetworkKind, NicModel
from cm.rules.access import Level

Bits = Annotated[int, Meta(ge=8, le=30, examples=[26], description="Bits of a network's mask.")]

Kbit = Annotated[int, Meta(examples=[10_000], description="kbit/s at the most.")]


class AddressPool(TypedDict):
    """A range that networks are cut from."""

    pool_id: Number
    uuid: Uuid
    name: Named
    description: Text
    kind: NetworkKind
    network: Annotated[str, Meta(examples=["10.130.0.0/16"], description="CIDR; empty: without addresses of ours.")]
    network6: Annotated[str | None, Meta(examples=["fd12:3456:789a::/48"], description="CIDR.")]
    overlap: Annotated[bool, Meta(description="Whether its networks may share addresses with others.")]
    prefix_default: Bits
    prefix_min: Bits
    prefix_max: Bits
    locked: bool
    networks: Total
    version: Version
    created: Time


class AvailableNetwork(TypedDict):
    """A pool that users' networks are cut from."""

    pool_id: Number
    name: Named
    network: Annotated[str, Meta(examples=["10.130.0.0/16"], description="CIDR.")]
    ipv6: bool
    prefix_default: Bits
    prefix_min: Bits
    prefix_max: Bits


class Network(TypedDict):
    """What network cards of VMs are on. Of one that is everybody's and a pool of its own both ids are the same."""

    network_id: Number
    pool_id: Number
    user_id: Annotated[Number | None, Meta(description="Whose it is; null: everybody's.")]
    kind: NetworkKind
    uuid: Uuid
    name: Named
    description: Text
    network: Annotated[str, Meta(examples=["10.128.0.0/24"], description="CIDR; empty: without addresses of ours.")]
    address: Annotated[str, Meta(examples=["10.128.0.0"], description="The network's own.")]
    mask: Annotated[int, Meta(examples=[24], description="Bits.")]
    gateway: Annotated[str, Meta(examples=["10.128.0.1"])]
    network6: Annotated[str | None, Meta(examples=["fd12:3456:789a:7::/64"], description="CIDR.")]
    gateway6: Annotated[str | None, Meta(examples=["fd12:3456:789a:7::1"])]
    domain: Annotated[str, Meta(examples=["lab.ann.wawel"], description="Of its VMs' names; may be empty.")]
    is_default: Annotated[bool, Meta(description="Whether its owner's VMs that name no network are on it.")]
    bridge: Annotated[str, Meta(examples=["wbr1"], description="On the nodes.")]
    uplink: Annotated[str, Meta(examples=["br0"], description="The nodes' own bridge or interface that it is on.")]
    vlan: Annotated[int | None, Meta(examples=[12], description="The tag that its frames have there.")]
    dns: Annotated[str, Meta(examples=["192.0.2.53"], description="Addresses, with blanks between; may be empty.")]
    locked: bool
    leases: Total
    leases_used: Total
    version: Version
    created: Time


class ListedNetwork(Network):
    """A network that the caller may have VMs on; of what is not theirs it is told whose it is."""

    user_login: NotRequired[Annotated[LoginName | None, Meta(description="null: everybody's.")]]
    access: NotRequired[Annotated[Level, Meta(description="The caller's level.")]]


class NetworkLease(TypedDict):
    """An address of a network, and the VM that has it."""

    lease_id: Number
    address: Address
    vm_id: Number | None
    nic: Annotated[int | None, Meta(examples=[0], description="Which of the VM's network cards; null without a VM.")]
    vm_name: Named | None
    user_id: Annotated[Number | None, Meta(description="Whose VM it is.")]


class Nic(TypedDict):
    """A network card of a VM."""

    vm_id: Number
    nic: Annotated[int, Meta(examples=[0], description="Its number in the VM; 0: the first.")]
    nic_id: Number
    uuid: Uuid
    network_id: Number
    network: Named
    mac: Annotated[str, Meta(examples=["02:58:00:00:00:07"])]
    model: NicModel
    addresses: list[Address]
    security_group_ids: list[Number]
    spoofing: Annotated[bool, Meta(description="Whether it may send from addresses that are not its own.")]
    kbit_in: Annotated[Kbit | None, Meta(description="To the guest; null: as the cluster's settings say.")]
    kbit_out: Annotated[Kbit | None, Meta(description="From the guest; likewise.")]
    arriving: Annotated[bool, Meta(description="Whether the guest is still being given it.")]
    leaving: Annotated[bool, Meta(description="Whether the guest was asked to let go of it.")]


class NicWork(TypedDict):
    """A network card that a VM is given, or that is taken from it, and the operation that does it."""

    vm_id: Number
    nic: Annotated[int, Meta(examples=[1], description="Its number in the VM.")]
    nic_id: Number
    mac: Annotated[str, Meta(examples=["02:58:00:00:00:07"])]
    addresses: list[Address]
    operation_id: Number
