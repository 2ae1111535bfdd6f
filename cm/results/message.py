"""What accounts were told of work that ended while they were not looking."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from cm.rpc.fields import Map, Number, Time


class AccountMessage(TypedDict):
    """A message, to be put in words by whoever shows it."""

    message_id: Number
    level: Literal["error", "warn", "info"]
    code: Annotated[str, Meta(examples=["vm_saved"])]
    params: Annotated[Map, Meta(description="What the words need, by the code.")]
    created: Time
