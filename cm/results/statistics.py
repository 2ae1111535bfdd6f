"""What takes room on storages, counted."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, LoginName, MiB, Named, Number, Total
from cm.rpc.vocabulary import VolumeUse


class VolumeCount(TypedDict):
    """How many volumes serve one use, and what they take. What nothing serves is left out."""

    use: VolumeUse
    count: Total
    size_bytes: Annotated[Bytes, Meta(description="Bytes that guests see.")]
    claimed_bytes: Annotated[Bytes, Meta(description="Bytes that are claimed for them.")]
    allocated_bytes: Annotated[Bytes, Meta(description="Bytes taken when their storage was last looked through.")]


class StorageStatistics(TypedDict):
    """A storage, and what takes its room."""

    storage_id: Number
    name: Named
    capacity_bytes: Bytes
    claimed_bytes: Bytes
    uses: list[VolumeCount]


class AccountStatistics(TypedDict):
    """An account, and what of its takes room on storages."""

    user_id: Number
    login: LoginName
    quota_storage_mib: MiB
    used_storage_mib: MiB
    uses: list[VolumeCount]
