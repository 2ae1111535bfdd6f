"""What VMs cost."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import LoginName, Number, Time, Total

Points = Annotated[float, Meta(ge=0, examples=[12.5], description="What VMs cost, in CC1's points.")]
PointsLimit = Annotated[int, Meta(ge=0, examples=[2000], description="Points for a month; 0: without a bound.")]
Month = Annotated[str, Meta(examples=["2026-11"], description="Of UTC.")]


class PointOfUse(TypedDict):
    """Of the line that says how points were used."""

    at: Time
    points: Points
    label: Annotated[str, Meta(examples=["web started"], description="What changed then; empty at the ends.")]


class PointsHistory(TypedDict):
    """A month of an account."""

    user_id: Number
    month: Month
    used: Points
    limit: PointsLimit
    points: Annotated[list[PointOfUse], Meta(description="From the month's begin until now, or its end.")]
    complete: Annotated[bool, Meta(description="Whether ``points`` tell all of it; else of the newest runs alone.")]


class PointsOfAccount(TypedDict):
    """What an account used in a month."""

    user_id: Number
    login: LoginName
    used: Points
    limit: PointsLimit
    hours: Annotated[float, Meta(ge=0, examples=[36.0], description="That its VMs ran, together.")]
    vms: Total
