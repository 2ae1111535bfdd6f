"""What accounts were told of work that ended while they were not looking."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import MessageLevel, MessageParams, Number, Time


class AccountMessage(TypedDict):
    """A message, to be put in words by whoever shows it."""

    message_id: Number
    level: MessageLevel
    code: Annotated[str, Meta(examples=["vm_saved"])]
    params: MessageParams
    created: Time
