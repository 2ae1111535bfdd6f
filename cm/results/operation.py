"""Operations: how what was asked for is coming on."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Map, Number, Percent, Prose, Text, Time, Total
from cm.rpc.vocabulary import OperationState
from cm.rules.operation import OperationKind


class Operation(TypedDict):
    """An operation as users see it."""

    operation_id: Number
    kind: OperationKind
    state: OperationState
    step: Annotated[str, Meta(examples=["launch"], description="The one it is at.")]
    progress: Percent
    attempts: Total
    user_id: Annotated[Number | None, Meta(description="Who asked for it; null: nobody did.")]
    vm_id: Number | None
    image_id: Number | None
    node_id: Annotated[Number | None, Meta(description="Told to administrators alone.")]
    storage_id: Number | None
    parent_id: Annotated[Number | None, Meta(description="The operation that waits for this one.")]
    error: Annotated[str, Meta(examples=[""], description="The slug of why it failed; empty otherwise.")]
    text: Annotated[Prose, Meta(description="Why it is not further, or how it ended.")]
    waiting_for: Annotated[Prose, Meta(description="Of one under way what it waits for; may be empty.")]
    result: Annotated[Map, Meta(description="What it made, by its kind.")]
    created: Time
    started: Time | None
    finished: Time | None
    next_attempt: Annotated[Time | None, Meta(description="Of one that waits.")]
    deadline: Annotated[Time, Meta(description="When it gives up.")]


class AdminOperation(Operation):
    """An operation as administrators see it."""

    admin_text: Annotated[Text, Meta(description="What is for administrators alone; may be empty.")]


class OperationNumber(TypedDict):
    """The operation that was asked for."""

    operation_id: Number
