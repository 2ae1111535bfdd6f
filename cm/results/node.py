"""Nodes, and VMs that leave them."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from cm.results.storage import AttachmentState
from cm.rpc.fields import Bytes, MiB, Named, Number, Prose, Text, Time, Token, Total, Uuid, Version
from cm.rpc.vocabulary import NodeHealth, NodeMode, NodeState, NodeTrouble, VMState
from cm.rules.operation import OperationKind

Cpus = Annotated[int, Meta(ge=0, examples=[16], description="CPUs.")]
Machine = Annotated[str, Meta(examples=[""], description="Empty where it is not known.")]
Release = Annotated[str, Meta(examples=["0.2.0"], description="Of the program; empty where there is none.")]


class AttachedStorage(TypedDict):
    """A storage that is attached to a node, or is to be."""

    storage_id: Number
    name: Named
    state: AttachmentState
    last_error: Prose


class NodeFacts(TypedDict, total=False):
    """What a node last said of itself; nothing until it was asked."""

    hostname: Annotated[str, Meta(examples=["n1.example.org"])]
    hypervisor: Annotated[str, Meta(examples=["QEMU"])]
    hypervisor_version: Annotated[str, Meta(examples=["7.2.0"])]
    libvirt_version: Annotated[str, Meta(examples=["9.0.0"])]
    cpu_model: Annotated[str, Meta(examples=["x86_64"])]
    cpus: Annotated[int, Meta(examples=[16], description="Logical CPUs.")]
    memory_mib: MiB
    domain_types: Annotated[list[str], Meta(examples=[["kvm", "qemu"]], description="The best first.")]
    arch: Annotated[str, Meta(examples=["x86_64"])]
    hooks: Annotated[bool, Meta(description="Whether libvirt calls hook scripts there.")]
    host_uuid: Machine
    offers: Annotated[
        list[str],
        Meta(examples=[["pc", "q35", "uefi", "x86_64"]], description="Architecture, chipsets and firmware for guests."),
    ]


class NodeProblem(TypedDict):
    """What an agent says is amiss."""

    code: Annotated[str, Meta(examples=["nft_missing"])]
    text: Text
    subject: Annotated[str, Meta(examples=[""], description="What it is about; may be empty.")]


class NodeBridge(TypedDict):
    """A network, as it is on a node."""

    network: Named
    bridge: Annotated[str, Meta(examples=["wbr1"])]
    present: bool
    metadata: Annotated[bool, Meta(description="Whether guests on it find their metadata.")]
    taps: Annotated[int, Meta(ge=0, examples=[2], description="How many guests' links are on it.")]


class NodeDifference(TypedDict):
    """What somebody else changed in a node's networks."""

    kind: Annotated[str, Meta(examples=["rules"], description="link, rules, or public.")]
    subject: Annotated[str, Meta(examples=["inet wawel_public"], description="Network, table, public address.")]
    text: Text


class NodeHook(TypedDict):
    """The hook that is installed on a node."""

    path: Annotated[str, Meta(examples=["/etc/libvirt/hooks/qemu"])]
    version: Annotated[str, Meta(examples=["1"], description="Empty where there is none.")]
    last: Annotated[Time | None, Meta(description="When it wrote its last record.")]


class NodeReport(TypedDict):
    """The last report of a node's agent; what is applied, bridges, rules, addresses and differences only of
    a single node.
    """

    received_at: Time
    behind_since: Annotated[Time | None, Meta(description="Since when something that is wanted is not applied.")]
    boot_id: Annotated[str, Meta(examples=[""])]
    document: Annotated[str, Meta(examples=["0123abcd"], description="The version of the document that it has.")]
    problems: list[NodeProblem]
    versions: Annotated[dict[str, str], Meta(examples=[{"agent": "0.2.0"}], description="Of programs, by name.")]
    capabilities: Annotated[list[str], Meta(examples=[["nft"]])]
    hook: NodeHook | None
    applied: NotRequired[Annotated[dict[str, str], Meta(description="Versions of sections that are in place.")]]
    bridges: NotRequired[list[NodeBridge]]
    rules: NotRequired[Annotated[dict[str, str], Meta(description="Digests of the nftables tables.")]]
    public: NotRequired[Annotated[list[str], Meta(description="Public addresses that it answers for.")]]
    coming: NotRequired[
        Annotated[list[str], Meta(description="Public addresses of VMs on their way there, which it translates.")]
    ]
    differences: NotRequired[list[NodeDifference]]
    uplinks: NotRequired[
        Annotated[list[str], Meta(description="Interfaces and bridges of its own, which guests may be put on.")]
    ]
    load: NotRequired[
        Annotated[list[float], Meta(description="Load averages over 1, 5 and 15 minutes, as the agent told them last.")]
    ]


class Trouble(TypedDict):
    """What is wrong with a node."""

    code: NodeTrouble
    since: Time | None
    text: Text
    blocks: Annotated[bool, Meta(description="Whether placement leaves the node out for it.")]


class Node(TypedDict):
    """A machine that VMs run on, with what is used of it."""

    node_id: Number
    uuid: Uuid
    name: Named
    address: Annotated[str, Meta(examples=["192.0.2.1"], description="Where its VNC servers listen.")]
    tunnel_address: Annotated[str, Meta(examples=["10.77.0.11"], description="Where its tunnels end.")]
    migration_uri: Annotated[
        str, Meta(examples=[""], description="Where other nodes reach its libvirt; empty: where `uri` leads.")
    ]
    uri: Annotated[str, Meta(examples=["qemu+tls://n1.example.org/system"], description="Of its libvirt.")]
    locked: Annotated[bool, Meta(description="Whether nothing new comes to it.")]
    mode: Annotated[NodeMode, Meta(description="What it is there for.")]
    mode_reason: Annotated[Text, Meta(description="As whoever locked it said.")]
    mode_by: Annotated[str, Meta(examples=["admin"], description="A login; empty while it is active.")]
    mode_since: Annotated[Time | None, Meta(description="When that was said last.")]
    set_aside: Annotated[
        bool, Meta(description="Whether it is disabled, or in maintenance and empty: nothing of it is amiss then.")
    ]
    comment: Text
    priority: Annotated[int, Meta(examples=[0])]
    traits: Annotated[list[str], Meta(examples=[["ssd"]], description="What sizes and VMs may ask for.")]
    cpu_total: Cpus
    memory_mib_total: MiB
    cpu_overcommit: Annotated[float, Meta(examples=[4.0], description="CPUs promised per CPU there.")]
    memory_overcommit: Annotated[float, Meta(examples=[1.0], description="Memory promised per memory there.")]
    cpu_used: Cpus
    memory_mib_used: MiB
    vms_used: Total
    state: NodeState
    state_reason: Prose
    seen_at: Time | None
    passed_at: Annotated[Time | None, Meta(description="When all its domains were looked at.")]
    info: NodeFacts
    hooks: Annotated[bool, Meta(description="Whether it has an agent, which tells of its hooks.")]
    agent_seen_at: Time | None
    agent_version: Release
    hook_version: Release
    host_uuid: Machine
    host_label: Machine
    seen_host_uuid: Machine
    seen_host_label: Machine
    hooked_at: Annotated[Time | None, Meta(description="When a hook of it spoke last.")]
    version: Version
    created: Time
    storages: list[AttachedStorage]
    agent_protocol: Annotated[int, Meta(ge=0, examples=[2], description="What its agent speaks.")]
    report: Annotated[NodeReport | None, Meta(description="Null where its agent does not report.")]
    troubles: Annotated[list[Trouble], Meta(description="The gravest first.")]
    health: NodeHealth


class StorageFigures(TypedDict):
    """How full a storage is, as a node sees it; or why it does not say."""

    storage_id: Number
    error: Prose
    capacity_bytes: NotRequired[Bytes]
    available_bytes: NotRequired[Bytes]


class CheckedNode(Node):
    """A node that was just looked at."""

    storage_usage: list[StorageFigures]


class Enrolment(TypedDict):
    """What enrols a node's agent, once."""

    token: Token
    expires: Time


class MovingVM(TypedDict):
    """A VM that is being moved to another node."""

    vm_id: Number
    name: Named
    state: Annotated[VMState, Meta(description="As it was found.")]
    node_id: Annotated[Number | None, Meta(description="Where to; null where no place is claimed yet.")]
    node: Named | None
    operation_id: Number
    begun: Annotated[bool, Meta(description="Whether it was under way before this call.")]
    how: Annotated[Literal["live", "cold"], Meta(description="Whether its guest goes on, or is started anew there.")]
    why_cold: Annotated[str, Meta(examples=[""], description="Why not live; empty where it is, or was not to be.")]


class LeftVM(TypedDict):
    """A VM that stays as it is, and why."""

    vm_id: Number
    name: Named
    state: VMState
    reason: Text
    code: Annotated[str, Meta(examples=[""], description="disk_on_node where its disk is the node's; else empty.")]
    operation_id: Number | None


class RestartedVM(TypedDict):
    """A VM that has ended with its node, and what becomes of it."""

    vm_id: Number
    name: Named
    state: Annotated[VMState, Meta(description="As it was shown before.")]
    operation_id: Annotated[Number | None, Meta(description="What is done with it; null: nothing is to be.")]
    kind: OperationKind | None


class DivertedVM(TypedDict):
    """A running VM that was on its way to a node which is off, or from it: its other node alone has it from now on."""

    vm_id: Number
    name: Named
    state: Annotated[VMState, Meta(description="As it was shown before.")]
    node_id: Annotated[Number, Meta(description="Its other node.")]
    node: Named
    operation_id: Annotated[
        Number | None,
        Meta(description="Asks that node where its guest is; null: it stays there."),
    ]


class FencedNode(TypedDict):
    """What becomes of the VMs of a node that an administrator says is off."""

    node_id: Number
    node: Named
    ended: list[RestartedVM]
    diverted: list[DivertedVM]
    left: list[LeftVM]


class Evacuation(TypedDict):
    """What becomes of a node's VMs."""

    node_id: Number
    node: Named
    operation_id: Annotated[Number | None, Meta(description="Waits for the moves; null where nothing is to move.")]
    moving: list[MovingVM]
    left: list[LeftVM]
