"""Snapshots: points in time of disks."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, Named, Number, Owner, Prose, Text, Time, Uuid
from cm.rpc.vocabulary import Consistency


class Snapshot(TypedDict):
    """A snapshot as its viewer sees it."""

    snapshot_id: Number
    uuid: Uuid
    name: Named
    description: Text
    disk_id: Number
    disk_name: Named
    vm_id: Annotated[Number | None, Meta(description="The VM that may write to the disk now.")]
    group_id: Annotated[
        Number | None, Meta(description="The same of all that were taken of a VM at one moment; null: it was alone.")
    ]
    user_id: Owner
    storage_id: Number
    size_bytes: Annotated[Bytes, Meta(description="Bytes that a guest saw of the disk.")]
    claimed_bytes: Annotated[Bytes, Meta(description="Bytes that are claimed of its storage and its owner's quota.")]
    allocated_bytes: Annotated[
        Bytes | None, Meta(description="Bytes that it took when its storage was last looked through.")
    ]
    consistency: Annotated[
        Consistency | None,
        Meta(
            description='"crash": as after a power cut; "frozen": the guest had written all out; "off": nobody used it;'
            " null: it is not taken yet."
        ),
    ]
    taken: Annotated[Time | None, Meta(description="When; null: not yet.")]
    created: Time
    operation_id: Annotated[Number | None, Meta(description="What is under way on its disk.")]
    waiting_for: Annotated[Prose, Meta(description="What that waits for; may be empty.")]
    going: Annotated[bool, Meta(description="That is its deletion, which is under way.")]


class SnapshotWork(TypedDict):
    """Snapshots, and the operation that does what was asked of them."""

    snapshot_ids: Annotated[list[Number], Meta(description="In the order of their disks' places in the VM.")]
    group_id: Annotated[Number | None, Meta(description="What names them together; null of one alone.")]
    operation_id: Number
