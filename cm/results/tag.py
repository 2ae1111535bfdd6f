"""Tags."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Number
from cm.rpc.vocabulary import TagKind


class Tags(TypedDict):
    """What an object has of tags."""

    kind: TagKind
    object_id: Number
    tags: Annotated[dict[str, str], Meta(examples=[{"role": "web"}], description="Values by key.")]
