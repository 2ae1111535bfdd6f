"""What was measured, as series."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Number
from cm.rpc.vocabulary import NodeMetric, SeriesUnit, StorageMetric, VMMetric

Moment = Annotated[int, Meta(ge=0, examples=[1_772_366_400], description="Unix seconds.")]
Step = Annotated[int, Meta(ge=1, examples=[60], description="Seconds that each value stands for.")]
Device = Annotated[
    str,
    Meta(examples=[""], description="A disk (vda), a network card's or a CPU's number; empty: of all together."),
]
Values = Annotated[
    list[float | None], Meta(examples=[[12.5, None, 80.0]], description="In their order; null: not measured.")
]
Amount = Annotated[
    float | None, Meta(examples=[1350.0], description="Of a rate: what there was in all. Null of anything else.")
]
Figure = Annotated[float | None, Meta(examples=[45.0], description="Null where nothing was measured.")]
Status = Annotated[str, Meta(examples=["ok"], description='"ok", or the slug of what is wrong.')]
Load = Annotated[
    float | None, Meta(examples=[12.5], description="Percent of one CPU, as a mean that forgets; null: not measured.")
]


CC1Cell = str | int | float | None | list[str | int | float]
_HEAD = ["timestamp", ["cpu_time"], ["time"], 1_772_370_000, 1_772_366_400, [12.5]]
CC1Row = Annotated[list[CC1Cell], Meta(examples=[_HEAD])]


class Series(TypedDict):
    """Values of one thing that is measured, from its answer's ``start`` on, one for each ``resolution_s``."""

    device: Device
    unit: SeriesUnit
    values: Values
    total: Amount
    mean: Figure
    maximum: Figure


class VMSeries(Series):
    """Of a VM."""

    metric: VMMetric


class NodeSeries(Series):
    """Of a node."""

    metric: NodeMetric


class StorageSeries(Series):
    """Of a storage."""

    metric: StorageMetric


class MeasuredVM(TypedDict):
    """A VM's series. Where ``status`` is not "ok" there are none."""

    vm_id: Number
    status: Status
    start: Moment
    resolution_s: Step
    series: list[VMSeries]


class MeasuredNode(TypedDict):
    """A node's series."""

    node_id: Number
    status: Status
    start: Moment
    resolution_s: Step
    series: list[NodeSeries]


class MeasuredStorage(TypedDict):
    """A storage's series."""

    storage_id: Number
    status: Status
    start: Moment
    resolution_s: Step
    series: list[StorageSeries]


class VMLoad(TypedDict):
    """How busy a VM was just now: its CPUs over 1, 5 and 15 minutes."""

    vm_id: Number
    status: Status
    load_1: Load
    load_5: Load
    load_15: Load
