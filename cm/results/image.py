"""Images of every kind."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, LoginName, Named, Number, Owner, Percent, Platform, Prose, Text, Time, Uuid, Version
from cm.rpc.vocabulary import DiskBus, DiskFormat, ImageAccess, ImageKind, ImageState, NicModel, VideoModel
from cm.rules.access import Level


class Image(TypedDict):
    """An image as its viewer sees it."""

    image_id: Number
    uuid: Uuid
    kind: ImageKind
    name: Named
    description: Text
    user_id: Owner
    user_login: LoginName
    storage_id: Number
    storage_name: Named
    format: DiskFormat
    size_bytes: Annotated[Bytes, Meta(description="Bytes that a guest sees.")]
    claimed_bytes: Annotated[Bytes, Meta(description="Bytes that are claimed of its storage and its owner's quota.")]
    sha256: Annotated[str, Meta(examples=[""], description="64 hexadecimal digits; empty until it is known.")]
    state: ImageState
    progress: Annotated[Percent, Meta(description="Of its import, in percent.")]
    error: Annotated[Prose, Meta(description="Why its import failed; empty otherwise.")]
    access: ImageAccess
    platform: Platform
    disk_controller: DiskBus
    network_device: NicModel
    video_device: VideoModel
    version: Version
    created: Time
    operation_id: Annotated[Number | None, Meta(description="What is under way.")]
    waiting_for: Annotated[Prose, Meta(description="What that waits for; may be empty.")]
    vm_ids: Annotated[list[Number], Meta(description="VMs that have it attached; told to owners alone.")]
    group_ids: Annotated[list[Number], Meta(description="Groups that may use it, as far as the viewer may know.")]
    mine: bool
    level: Annotated[Level, Meta(description="The viewer's.")]


class ImageWork(TypedDict):
    """What was asked of an image, and the operation that does it."""

    image_id: Number
    operation_id: Number
