"""Images of every kind."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import (
    AccountNumber,
    Bytes,
    LoginName,
    MiB,
    Named,
    Number,
    Owner,
    Percent,
    Platform,
    Prose,
    Text,
    Time,
    Total,
    Uuid,
    Version,
)
from cm.rpc.vocabulary import (
    Architecture,
    CachedState,
    DiskBus,
    DiskFormat,
    Firmware,
    ImageAccess,
    ImageKind,
    ImageState,
    MachineType,
    MetadataSource,
    MetadataTokens,
    NicModel,
    SourceFormat,
    VideoModel,
)
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
    account_number: AccountNumber
    storage_id: Number
    storage_name: Named
    format: DiskFormat
    size_bytes: Annotated[Bytes, Meta(description="Bytes that a guest sees.")]
    claimed_bytes: Annotated[Bytes, Meta(description="Bytes that are claimed of its storage and its owner's quota.")]
    sha256: Annotated[
        str, Meta(examples=[""], description="Of the file as it came: 64 hexadecimal digits; empty until it is known.")
    ]
    volume_sha256: Annotated[
        str,
        Meta(examples=[""], description="Of its file as it lies on the storage; empty: not known. That is so of disks, "
                                        "which guests write to, of what nodes make, and on volume groups."),
    ]  # fmt: skip
    state: ImageState
    progress: Annotated[Percent, Meta(description="Of its import, in percent.")]
    error: Annotated[Prose, Meta(description="Why its import failed; empty otherwise.")]
    access: ImageAccess
    platform: Platform
    disk_controller: DiskBus
    network_device: NicModel
    video_device: VideoModel
    system: Annotated[str, Meta(examples=["Debian 12"], description="What it holds, for people.")]
    architecture: Architecture
    least_memory_mib: Annotated[MiB, Meta(description="That a VM of it has to have.")]
    least_disk_bytes: Annotated[Bytes, Meta(description="That a VM's disk of it has to have.")]
    default_user: Annotated[str, Meta(examples=["debian"], description="Whom it lets log in; empty: not known.")]
    agent: Annotated[bool, Meta(description="Whether it has the QEMU guest agent.")]
    firmware: Annotated[Firmware, Meta(description="What machines of new VMs boot by.")]
    machine: Annotated[MachineType, Meta(description="Their chipset.")]
    metadata: Annotated[MetadataSource, Meta(description="Where guests of new VMs find what they are told.")]
    imds_tokens: Annotated[MetadataTokens, Meta(description="Of new VMs' metadata, as of `user.vm.set_imds`.")]
    imds_hop_limit: Annotated[int, Meta(examples=[1], description="Likewise.")]
    imds_enabled: Annotated[bool, Meta(examples=[True], description="Likewise.")]
    family: Annotated[str, Meta(examples=["debian-12"], description="The images that it is a version of.")]
    family_version: Annotated[str, Meta(examples=["20261128"], description="Which version of them it is.")]
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


class Upload(TypedDict):
    """An image that is to come, and where its file is sent to in the tus protocol (1.0), by whoever has the address."""

    image: Image
    path: Annotated[str, Meta(examples=["/uploads/x3Yk"], description="At the cluster manager; holds a secret.")]
    upload_url: Annotated[
        str | None,
        Meta(
            examples=["https://krakow.example:8001/uploads/x3Yk"],
            description="The same with the cluster manager's address; null where it listens on a socket alone.",
        ),
    ]
    cluster: Annotated[Named, Meta(description="Which it is: a cloud manager passes on what comes to "
                                               "/clusters/CLUSTER and the path.")]  # fmt: skip
    expires_at: Annotated[Time, Meta(description="What is not complete then is given up.")]


class CachedImage(TypedDict):
    """A copy of an image on a node's own storage."""

    image_id: Number
    image_name: Named
    node_id: Number
    node_name: Named
    storage_id: Number
    storage_name: Named
    state: CachedState
    error: Annotated[Prose, Meta(description="Why it could not be copied or removed; empty otherwise.")]
    size_bytes: Annotated[Bytes, Meta(description="Bytes that a guest sees, and that are claimed of the storage.")]
    disks: Annotated[Total, Meta(description="How many disks are made from it.")]
    last_used: Annotated[Time, Meta(description="When a VM was made from it last, to some ten minutes.")]
    operation_id: Annotated[Number | None, Meta(description="What is under way.")]


class CachedImageWork(TypedDict):
    """What becomes of an image on a node."""

    node_id: Number
    storage_id: Number | None
    status: Annotated[str, Meta(examples=["ok"], description="ok, or an error's code.")]
    message: Annotated[Prose, Meta(description="Of that error.")]
    operation_id: Annotated[Number | None, Meta(description="What is under way; null: it is there already.")]


class Download(TypedDict):
    """Where a file can be read by HTTP, with ranges, by whoever has the address."""

    path: Annotated[str, Meta(examples=["/downloads/x3Yk"], description="At the cluster manager; holds a secret.")]
    download_url: Annotated[
        str | None,
        Meta(
            examples=["https://krakow.example:8001/downloads/x3Yk"],
            description="The same with the cluster manager's address; null where it listens on a socket alone.",
        ),
    ]
    cluster: Annotated[Named, Meta(description="Which it is; see uploads.")]
    filename: Annotated[str, Meta(examples=["debian-12.qcow2"], description="What the file is called.")]
    expires_at: Annotated[Time, Meta(description="From then on it is good no more.")]


class KnownImage(TypedDict):
    """A well-known image, out of the cluster's catalogue."""

    name: Annotated[str, Meta(examples=["debian-12"])]
    description: Annotated[str, Meta(examples=[""])]
    url: Annotated[str, Meta(examples=["https://cloud.debian.org/images/cloud/bookworm/latest/disk.qcow2"])]
    sums: Annotated[str, Meta(examples=["SHA512SUMS"], description="A file of checksums beside it, or its URL.")]
    signature: Annotated[
        str, Meta(examples=["SHA512SUMS.sign"], description="What signs that: a file beside it, its URL, or inline.")
    ]
    keyring: Annotated[
        str,
        Meta(examples=["/etc/wawel/debian.gpg"], description="The keys that may have; empty: nobody looks at it."),
    ]
    format: SourceFormat
    platform: Platform
    disk_controller: DiskBus
    network_device: NicModel
    video_device: VideoModel
    system: Annotated[str, Meta(examples=["Debian 12"])]
    architecture: Architecture
    least_memory_mib: MiB
    least_disk_bytes: Bytes
    default_user: Annotated[str, Meta(examples=["debian"])]
    agent: bool
    family: Annotated[str, Meta(examples=["debian-12"])]
    image_id: Annotated[Number | None, Meta(description="The newest image of its family here, whoever's.")]
