"""
The managed-node model: what libvirt has on nodes, whoever made it, with oVirt's names and units. Here a KB is 1,024
bytes, a domain's numbers are libvirt's, and the id of a domain, pool or volume is a text, made of what libvirt knows it
by.
"""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, Number, Uuid

_UUID = "5a1f6a52-7c0e-4b58-9d0a-3f2f0c7e9b11"
DomainId = Annotated[str, Meta(examples=[f"domain:3:{_UUID}"])]
PoolId = Annotated[str, Meta(examples=[f"pool:3:{_UUID}"])]
VolumeId = Annotated[str, Meta(examples=[f"volume:3:{_UUID}:a.qcow2"])]
KB = Annotated[int, Meta(ge=0, examples=[262_144], description="KB, of 1,024 bytes.")]
Word = Annotated[str, Meta(examples=["running"])]
Path = Annotated[str, Meta(examples=["/srv/iso/a.iso"])]
NodeNumber = Annotated[Number, Meta(description="The node's id.")]
FeedNumber = Annotated[Number, Meta(description="What the feed of changes calls it by.")]
Stale = Annotated[bool, Meta(description="Whether its node was not asked with success when it was its turn last.")]
Release = Annotated[str, Meta(examples=["7.2.22"])]
Counted = Annotated[int, Meta(examples=[7_002_022], description="1,000,000 × major + 1,000 × minor + release.")]
Xml = Annotated[str, Meta(examples=["<domain type='kvm'>...</domain>"])]
Count = Annotated[int, Meta(ge=0, examples=[2])]


class HostInfo(TypedDict):
    """The seed's NodeInfo: what the machine is, as ``virNodeGetInfo`` says."""

    model: Annotated[str, Meta(examples=["x86_64"])]
    memory: Annotated[KB, Meta(description="KB. What was added since its boot may be missing.")]
    cpus: Annotated[Count, Meta(description="Logical CPUs that are on.")]
    mhz: Count
    nodes: Annotated[Count, Meta(description="Cells of memory.")]
    sockets: Annotated[Count, Meta(description="Of each cell.")]
    cores: Annotated[Count, Meta(description="Of each socket.")]
    threads: Annotated[Count, Meta(description="Of each core.")]


class ManagedNode(TypedDict):
    """A node, as libvirt there says."""

    node_id: NodeNumber
    feed_id: FeedNumber
    type: Annotated[str, Meta(examples=["QEMU"], description="Hypervisor type.")]
    hostname: Annotated[str, Meta(examples=["n1.example.org"], description="By its own idea.")]
    version: Annotated[Release, Meta(description="Of the hypervisor.")]
    version_number: Counted
    uri: Annotated[str, Meta(examples=["qemu:///system"], description="Of libvirt, as libvirt there says.")]
    libvirt_version: Release
    libvirt_version_number: Counted
    host_info: HostInfo
    stale: Stale


class DomainInfo(TypedDict):
    """How a domain is."""

    state: Annotated[
        Word,
        Meta(description="nostate, running, blocked, suspended, shutdown, shutoff, crashed, pmsuspended."),
    ]
    reason: Annotated[str, Meta(examples=["booted"], description="libvirt's word for why.")]
    maximum_memory: KB
    memory: Annotated[KB, Meta(description="KB it has now.")]
    num_vcpus: Count
    cpu_time: Annotated[Count, Meta(description="Nanoseconds, of its present run.")]


class ManagedDomain(TypedDict):
    """A domain of a node, ours or not."""

    object_id: DomainId
    feed_id: FeedNumber
    uuid: Uuid
    name: Annotated[str, Meta(examples=["db1"])]
    id: Annotated[str, Meta(examples=["7"], description="libvirt's number of its present run; -1 while it is off.")]
    node: NodeNumber
    domain_info: DomainInfo
    persistent: Annotated[bool, Meta(description="Whether it stays when it is off.")]
    vm_id: Annotated[Number | None, Meta(description="The VM whose domain it is; null: a foreign one.")]
    stale: Stale


class ManagedPool(TypedDict):
    """A pool of a node, ours or not."""

    object_id: PoolId
    feed_id: FeedNumber
    uuid: Uuid
    name: Annotated[str, Meta(examples=["iso"])]
    node: NodeNumber
    state: Annotated[Word, Meta(description="inactive, building, running, degraded, inaccessible.")]
    persistent: Annotated[bool, Meta(description="Whether it stays when it is stopped.")]
    capacity: Annotated[Bytes, Meta(description="Bytes; of one that is not active 0.")]
    allocation: Bytes
    available: Bytes
    storage_id: Annotated[Number | None, Meta(description="The storage whose pool it is; null: a foreign one.")]
    stale: Stale


class ManagedVolume(TypedDict):
    """A volume of a pool. Those of our storages are not followed, but asked for: they have no ``feed_id``."""

    object_id: VolumeId
    feed_id: Annotated[Number | None, Meta(description="What the feed of changes calls it by; null: it has none.")]
    key: Path
    path: Path
    name: Annotated[str, Meta(examples=["a.iso"])]
    node: NodeNumber
    storage_pool: PoolId
    stale: Stale


class FreeMemory(TypedDict):
    """What nobody uses at all."""

    result: KB


class DomainReference(TypedDict):
    """The domain that was made."""

    domain: DomainId


class PoolReference(TypedDict):
    """The pool that was made."""

    pool: PoolId


class VolumeReference(TypedDict):
    """The volume that was made or found."""

    volume: VolumeId


class Description(TypedDict):
    """A definition, as libvirt writes it; it holds no passwords."""

    description: Xml
