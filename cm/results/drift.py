"""The drift ledger."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from cm.rpc.fields import Map, Named, Number, Prose, Seconds, Time
from cm.rpc.vocabulary import DriftKind, Remedy


class Drift(TypedDict):
    """A difference between what is wanted and what is seen that has no safe automatic answer."""

    drift_id: Number
    kind: DriftKind
    node_id: Number
    node: Named
    vm_id: Number | None
    subject: Annotated[str, Meta(examples=["vm-17"], description="What it is about: a domain's uuid, a volume.")]
    evidence: Annotated[Map, Meta(description="What was seen, by the kind.")]
    proposal: Annotated[Prose, Meta(description="What admin.drift.apply does, or what to do by hand.")]
    approved: Annotated[Time | None, Meta(description="Since when what is proposed waits for the next pass to do it.")]
    first_seen: Time
    last_seen: Time
    age_s: Seconds
    closed: Time | None
    outcome: Annotated[Prose, Meta(description="How it was closed.")]


class PlannedDrift(TypedDict):
    """What applying a finding would do."""

    drift_id: Number
    kind: DriftKind
    node_id: Number
    node: Named
    vm_id: Number | None
    subject: Annotated[str, Meta(examples=["vm-17"], description="What it is about: a domain's uuid, a volume.")]
    remedy: Remedy
    proposal: Annotated[Prose, Meta(description="The same in a sentence, or what to do by hand.")]
    age_s: Seconds


class AppliedDrift(TypedDict):
    """What became of one of several findings."""

    status: Annotated[str, Meta(examples=["ok"], description='"ok", or an error\'s slug.')]
    drift_id: Number
    operation_id: NotRequired[Annotated[Number, Meta(description="Where it takes one to do what was proposed.")]]
    message: NotRequired[Prose]


class SettledDrift(TypedDict):
    """A finding that is closed, or that the next pass over its storage settles."""

    drift_id: Number
    operation_id: NotRequired[Annotated[Number, Meta(description="Where it takes one to do what was proposed.")]]
