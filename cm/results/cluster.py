"""The cluster as a whole."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Clock, Named, Number, ProgramVersion, Text, Time, Total


class ClusterInfo(TypedDict):
    """What anybody may know of a cluster."""

    name: Named
    version: ProgramVersion
    protocol: Annotated[int, Meta(ge=1, examples=[1], description="Of what it says to a cloud manager.")]
    time: Clock


class IdentityCertificate(TypedDict):
    """What guests' identity documents are verified by."""

    certificate: Annotated[
        str | None, Meta(examples=["-----BEGIN CERTIFICATE-----\n"], description="PEM; null: no guest has asked yet.")
    ]


class CpuBaseline(TypedDict):
    """The CPU that all of some nodes can give their guests, by libvirt's names."""

    model: Annotated[str, Meta(examples=["EPYC"])]
    vendor: Annotated[str, Meta(examples=["AMD"])]
    features: Annotated[list[str], Meta(examples=[["erms"]], description="That guests have beside the model's.")]
    without: Annotated[list[str], Meta(examples=[["rdseed"]], description="Of the model's those that guests have not.")]
    node_ids: Annotated[list[Number], Meta(description="Whose CPUs it was found of.")]
    computed: Time


class Leak(TypedDict):
    """A claim that is not exactly that of what lives."""

    subject: Annotated[str, Meta(examples=["account 4"])]
    finding: Text


class ClusterCheck(TypedDict):
    """Whether the books balance, and how much is open."""

    ok: bool
    leaks: list[Leak]
    open_drift: Total
    open_operations: Total
    overdue_operations: Annotated[Total, Meta(description="How many are past their deadline.")]
    nodes_ok: Total
    nodes_away: Total
    nodes_degraded: Total
    nodes_set_aside: Annotated[
        Total, Meta(description="Disabled ones, and empty ones in maintenance; the others do not count them.")
    ]
    vms: Annotated[Total, Meta(description="How many live.")]
