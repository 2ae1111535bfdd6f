"""Clusters: as the cloud's administrators see them, as users do; who administers them, what they allow whom."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from clm.results.user import Email, PersonName
from cm.rpc.fields import LoginName, MiB, Named, Number, Prose, Time, Total, Uuid, Version

Release = Annotated[str, Meta(examples=["0.2.0"], description="Of its program; empty until it has answered.")]
Latency = Annotated[float | None, Meta(examples=[4.5], description="Milliseconds of its last answer.")]
ShownState = Literal["ok", "unreachable", "refused", "incompatible", "locked", "unknown"]


class Cluster(TypedDict):
    """A cluster, as the cloud's administrators see it."""

    cluster_id: Number
    uuid: Uuid
    name: Named
    url: Annotated[str, Meta(examples=["https://cm.example.org:8001"])]
    locked: bool
    version: Version
    state: Annotated[
        Literal["", "ok", "unreachable", "refused", "incompatible"], Meta(description="Empty until it was looked at.")
    ]
    error: Annotated[Prose, Meta(description="Why its state is not ok.")]
    release: Release
    latency_ms: Latency
    seen_at: Annotated[Time | None, Meta(description="When it answered last.")]
    checked_at: Annotated[Time | None, Meta(description="When it was looked at last.")]
    synced_at: Annotated[Time | None, Meta(description="When all its accounts were compared last.")]
    created_at: Time
    has_ca: Annotated[bool, Meta(description="Whether it has authorities of its own.")]
    accounts_due: Annotated[Total, Meta(description="Users that it has still to be told of.")]


class NamedCluster(TypedDict):
    """What anybody may know of a cluster."""

    cluster_id: Number
    name: Named
    state: ShownState


class SeenCluster(NamedCluster):
    """What everybody with an account may know of a cluster."""

    uuid: Uuid
    release: Release
    latency_ms: Latency
    seen_at: Annotated[Time | None, Meta(description="When it answered last.")]


class UserCluster(SeenCluster):
    """A cluster as one of its users sees it."""

    is_default: Annotated[bool, Meta(description="Whether it is the caller's default.")]
    administered: Annotated[bool, Meta(description="Whether it is the caller's to administer.")]


class Administrator(TypedDict):
    """Somebody who administers a cluster."""

    user_id: Number
    login: LoginName
    first_name: PersonName
    last_name: PersonName
    email: Email
    since: Time


class WantedQuota(TypedDict):
    """A user's quotas at a cluster, as the cloud wants them; null is left to the cluster."""

    cluster: Named
    cluster_id: Number
    user_id: Number
    quota_cpu: Annotated[int | None, Meta(examples=[20], description="CPUs.")]
    quota_memory_mib: MiB | None
    quota_storage_mib: MiB | None
    quota_vms: Annotated[int | None, Meta(examples=[20])]
    quota_networks: Annotated[int | None, Meta(examples=[16])]
    version: Version
    synced: Annotated[bool, Meta(description="Whether the cluster has been told.")]


class PlacedObject(TypedDict):
    """What a uuid names, and where that is."""

    uuid: Uuid
    kind: Annotated[str, Meta(examples=["vm"], description="vm, image or template.")]
    id: Number
    cluster: Named
