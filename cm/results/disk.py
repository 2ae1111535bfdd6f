"""Disks, and where they are attached."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, LoginName, Named, Number, Owner, Prose, Text, Time, Uuid, Version
from cm.rpc.vocabulary import DiskBus, DiskFormat, DiskKind, DiskState
from cm.rules.access import Level
from cm.rules.operation import OperationKind


class DiskAttachment(TypedDict):
    """A VM's place for a disk."""

    vm_id: Number
    vm_name: Named
    number: Annotated[int, Meta(ge=0, examples=[1], description="Of its place in the VM; the root disk's is 0.")]
    device: Annotated[str, Meta(examples=["vdb"], description="What the guest is likely to call it.")]
    bus: DiskBus
    boot_order: Annotated[int | None, Meta(examples=[1], description="1 first; null: after those that have one.")]
    read_only: bool
    cdrom: bool
    delete_with_vm: Annotated[bool, Meta(description="Whether it ends with the VM.")]
    arriving: Annotated[bool, Meta(description="Whether the guest is still being given it.")]
    leaving: Annotated[bool, Meta(description="Whether the guest was asked to let go of it.")]


class DiskController(TypedDict):
    """What disks may be attached by."""

    name: DiskBus
    live_attach: Annotated[bool, Meta(description="Whether a VM that runs takes a disk so.")]


class Disk(TypedDict):
    """A disk as its viewer sees it."""

    disk_id: Number
    uuid: Uuid
    kind: DiskKind
    name: Named
    description: Text
    user_id: Owner
    user_login: LoginName
    image_id: Annotated[Number | None, Meta(description="Its entry in the catalogue; null of a VM's own.")]
    storage_id: Number
    storage_name: Named
    format: DiskFormat
    size_bytes: Annotated[Bytes, Meta(description="Bytes that a guest sees.")]
    claimed_bytes: Annotated[Bytes, Meta(description="Bytes that are claimed of its storage and its owner's quota.")]
    allocated_bytes: Annotated[
        Bytes | None, Meta(description="Bytes that it took when its storage was last looked through.")
    ]
    state: DiskState
    error: Annotated[Prose, Meta(description="Why it could not be made; empty otherwise.")]
    trashed: Annotated[Time | None, Meta(description="Since when it lies in the trash.")]
    purged: Annotated[Time | None, Meta(description="From when on it is deleted for good; null: not by itself.")]
    attachments: Annotated[list[DiskAttachment], Meta(description="Those that the viewer may know of.")]
    version: Version
    created: Time
    operation_id: Annotated[Number | None, Meta(description="What is under way.")]
    operation: OperationKind | None
    waiting_for: Annotated[Prose, Meta(description="What that waits for; may be empty.")]
    mine: bool
    level: Annotated[Level, Meta(description="The viewer's.")]


class AttachWork(TypedDict):
    """A disk that is being attached or detached, and the operation that does it."""

    disk_id: Number
    vm_id: Number
    device: Annotated[str, Meta(examples=["vdb"], description="What the guest is likely to call it.")]
    operation_id: Number


class DiskWork(TypedDict):
    """What was asked of a disk, and the operation that does it."""

    disk_id: Number
    operation_id: Number


class DiskCopyWork(TypedDict):
    """What a disk or an image is copied to, and the operation that does it."""

    disk_id: Annotated[Number | None, Meta(description="The new disk; null of a system image.")]
    image_id: Annotated[Number, Meta(description="Its entry in the catalogue.")]
    operation_id: Number
