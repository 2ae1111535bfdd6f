"""Storages, and the nodes that reach them."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, Named, Number, Prose, Text, Time, Total, Uuid, Version
from cm.rpc.vocabulary import DiskFormat, DriftKind, FreedPolicy, StorageKind, VolumeMode

AttachmentState = Literal["attaching", "attached", "detaching", "failed"]


Priority = Annotated[int, Meta(examples=[0], description="After the default one the highest comes first.")]
Reserve = Annotated[Bytes, Meta(examples=[0], description="Bytes that are promised to nobody.")]
Overcommit = Annotated[float, Meta(examples=[4.0], description="Bytes promised per byte there.")]
HardwarePool = Annotated[str, Meta(examples=[""], description="VMs' new disks lie in that of their first.")]
FullSince = Annotated[Time | None, Meta(description="Since when there is no room for what guests write.")]


class AttachedNode(TypedDict):
    """A node that a storage is attached to, or is to be."""

    node_id: Number
    name: Named
    state: AttachmentState
    last_error: Prose


class Storage(TypedDict):
    """A storage, with the nodes that it is attached to."""

    storage_id: Number
    uuid: Uuid
    name: Named
    kind: StorageKind
    path: Annotated[str, Meta(examples=["/srv/wawel"], description="The directory on the nodes.")]
    address: Annotated[str, Meta(examples=[""], description="Of a netfs its server; else empty.")]
    source: Annotated[str, Meta(examples=[""], description="Of a netfs the exported path, of a logical its group.")]
    devices: Annotated[list[str], Meta(examples=[[]], description="That a volume group is made of if there is none.")]
    nfs_version: Annotated[str, Meta(examples=["4.2"], description="Empty: whatever server and node agree on.")]
    mount_options: Annotated[list[str], Meta(examples=[["nconnect=4"]], description="Of a netfs.")]
    own_node_id: Annotated[Number | None, Meta(description="The node whose own it is; null: several may attach it.")]
    locked: bool
    draining: Annotated[bool, Meta(description="It takes no new volumes.")]
    offered: Annotated[bool, Meta(description="Users may choose it.")]
    is_default: Annotated[bool, Meta(description="New volumes go there first.")]
    priority: Priority
    capacity_bytes: Annotated[Bytes, Meta(description="Bytes; 0 until a node has said.")]
    claimed_bytes: Annotated[Bytes, Meta(description="Bytes that images and disks may come to take.")]
    reserve_bytes: Reserve
    overcommit: Overcommit
    full_since: FullSince
    hardware_pool: HardwarePool
    keep_freed: Annotated[bool, Meta(description="Volumes of deleted disks are kept, for others to use.")]
    freed: Annotated[FreedPolicy, Meta(description="What is done to the content of freed volumes.")]
    version: Version
    created: Time
    nodes: list[AttachedNode]


class OfferedStorage(TypedDict):
    """A storage that users may choose."""

    storage_id: Number
    name: Named
    kind: StorageKind
    is_default: Annotated[bool, Meta(description="It is taken where none is chosen.")]
    room_bytes: Annotated[Bytes, Meta(description="Bytes that still fit.")]


class StorageUsage(TypedDict):
    """What is on a storage, what is promised of it, and what is left."""

    storage_id: Number
    name: Named
    kind: StorageKind
    capacity_bytes: Annotated[Bytes, Meta(description="Bytes that it can hold.")]
    allocated_bytes: Annotated[Bytes | None, Meta(description="Bytes that its volumes took at the last look.")]
    promised_bytes: Annotated[Bytes, Meta(description="Bytes that its volumes may come to take.")]
    virtual_bytes: Annotated[Bytes, Meta(description="Bytes that guests see of its volumes.")]
    available_bytes: Annotated[Bytes | None, Meta(description="Bytes that were free at the last look.")]
    reserve_bytes: Reserve
    room_bytes: Annotated[Bytes, Meta(description="Bytes that may still be promised.")]
    overcommit: Overcommit
    volumes: Total
    looked_at: Annotated[Time | None, Meta(description="When a node was last asked; a check asks now.")]
    full_since: FullSince


class StoredVolume(TypedDict):
    """A volume on a storage, and what it is of."""

    volume_id: Number
    name: Named
    format: DiskFormat
    mode: VolumeMode
    size_bytes: Bytes
    claimed_bytes: Bytes
    made: bool
    base: Annotated[str | None, Meta(examples=[None], description="The volume that it stands on.")]
    image_id: Annotated[Number | None, Meta(description="Of an image; else null.")]
    image_name: Named
    disk_id: Annotated[Number | None, Meta(description="Of a disk; else null.")]
    vm_id: Annotated[Number | None, Meta(description="That it is attached to.")]
    vm_name: Named
    object: Annotated[str | None, Meta(description="Of a file in a bucket: BUCKET/KEY; else null.", examples=[None])]
    user_id: Annotated[Number | None, Meta(description="Whose it is.")]


class UnknownVolume(TypedDict):
    """A volume that lies on a storage and is on no record."""

    name: Named
    size_bytes: Annotated[Bytes, Meta(description="That a guest would see, as the node says.")]
    allocated_bytes: Bytes
    base: Annotated[str | None, Meta(examples=[None], description="The file that it stands on, as the node says.")]
    obstacle: Annotated[str, Meta(examples=[""], description="Why it cannot be adopted, as far as that is seen.")]


class StorageWork(TypedDict):
    """A storage that is being attached to a node or detached from it, and the operation that does it."""

    storage_id: Number
    node_id: Number
    operation_id: Number


class VolumeFinding(TypedDict):
    """A volume that is missing or cannot be accounted for."""

    kind: DriftKind
    subject: Annotated[str, Meta(examples=["wawel-1/vm-5a1f.qcow2"], description="Pool and volume.")]
    proposal: Annotated[Text, Meta(description="What to do about it, for people.")]


class StorageCheck(TypedDict):
    """What a look through a storage found."""

    storage_id: Number
    node_id: Annotated[Number, Meta(description="Through which it was looked at.")]
    deleted: Annotated[list[Named], Meta(description="Leftover volumes, which are deleted now, or wiped before.")]
    findings: list[VolumeFinding]


class ProvidedDisk(TypedDict):
    """A disk that a VM is to have, and the operation that makes it."""

    vm_id: Number
    number: Annotated[int, Meta(ge=1, examples=[1], description="Of the VM's disks; its first one has 0.")]
    storage_id: Number
    volume: Annotated[str, Meta(examples=["vm-5a1f-d0c2.qcow2"], description="Its name there.")]
    size_bytes: Bytes
    reused: Annotated[bool, Meta(description="The volume was there, and free.")]
    wiped: Annotated[bool, Meta(description="It is wiped first, since others wrote to it.")]
    operation_id: Number
    hardware_pools: NotRequired[Annotated[list[str], Meta(description="Those that there are, if there are several.")]]


class FreeVolume(TypedDict):
    """A volume that is no disk's and no image's, and that the next disk of its size is made of."""

    volume_id: Number
    storage_id: Number
    name: Named
    format: DiskFormat
    size_bytes: Bytes
    account_id: Annotated[Number | None, Meta(description="Whose alone it may become; null: anybody's.")]
    writer_id: Annotated[Number | None, Meta(description="The account that had it last.")]
    clean: Annotated[bool, Meta(description="It reads as zeros; others are wiped before somebody else has them.")]
    deleting: bool
    since: Time
    reserved_for: Annotated[Number | None, Meta(description="The VM that is to have it.")]
