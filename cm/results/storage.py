"""Storages, and the nodes that reach them."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, Named, Number, Prose, Text, Time, Uuid, Version
from cm.rpc.vocabulary import DriftKind, StorageKind

AttachmentState = Literal["attaching", "attached", "detaching", "failed"]


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
    source: Annotated[str, Meta(examples=[""], description="Of a netfs the exported path; else empty.")]
    locked: bool
    capacity_bytes: Annotated[Bytes, Meta(description="Bytes; 0 until a node has said.")]
    claimed_bytes: Annotated[Bytes, Meta(description="Bytes that images and disks may come to take.")]
    overcommit: Annotated[float, Meta(examples=[4.0], description="Bytes promised per byte there.")]
    version: Version
    created: Time
    nodes: list[AttachedNode]


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
    deleted: Annotated[list[Named], Meta(description="Volumes that were left over, and are deleted now.")]
    findings: list[VolumeFinding]
