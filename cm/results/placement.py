"""Why a VM is where it is, or why it would not fit."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Number, Text, Time


class NodeVerdict(TypedDict):
    """One node's answer."""

    node_id: Number
    node: Named
    fits: bool
    score: Annotated[float | None, Meta(examples=[0.75], description="Higher is better; null where it does not fit.")]
    reason: Text
    change: Annotated[Text, Meta(description="What would make it fit; empty where it does.")]


class Placement(TypedDict):
    """A decision, or a trial of one."""

    vm_id: Number | None
    node_id: Annotated[Number | None, Meta(description="Which was chosen; null: none takes it.")]
    at: Annotated[Time | None, Meta(description="When it was decided; null of a trial.")]
    trial: bool
    verdicts: Annotated[list[NodeVerdict], Meta(description="The best first.")]
    others: Annotated[dict[str, int], Meta(description="How many of the other nodes had which reason.")]
