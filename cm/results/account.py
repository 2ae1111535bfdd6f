"""Accounts of a cluster, and what their quotas leave."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import FullName, LoginName, MiB, Number, Time, Total, Uuid, Version

Cpus = Annotated[int, Meta(examples=[4], description="CPUs.")]
ExternalId = Annotated[str, Meta(examples=["7"], description="The cloud manager's number of it, as text.")]


class Quotas(TypedDict):
    """How much an account may have."""

    quota_cpu: Cpus
    quota_memory_mib: MiB
    quota_storage_mib: MiB
    quota_vms: Total
    quota_networks: Annotated[Total, Meta(description="Of its own.")]


class PublicQuotas(Quotas):
    """And how it may be reached from outside."""

    quota_public_addresses: Total
    quota_public_ports: Annotated[Total, Meta(description="Ports of shared addresses.")]
    quota_points: Annotated[int, Meta(ge=0, examples=[2000], description="A month; 0: as the cluster's settings say.")]
    used_public_addresses: Total
    used_public_ports: Total


class Account(PublicQuotas):
    """An account, with quotas and usage."""

    user_id: Number
    uuid: Uuid
    origin: Annotated[str, Meta(examples=["local"], description='"local", or the cloud manager that it is of.')]
    external_id: ExternalId | None
    login: LoginName
    name: FullName
    is_admin: bool
    active: bool
    has_password: bool
    version: Version
    used_cpu: Cpus
    used_memory_mib: MiB
    used_storage_mib: MiB
    used_vms: Total
    used_networks: Total
    created: Time


class QuotaUse(PublicQuotas):
    """An account's quotas, what is used of them and what is left."""

    user_id: Number
    used_cpu: Cpus
    free_cpu: Cpus
    used_memory_mib: MiB
    free_memory_mib: MiB
    used_storage_mib: MiB
    free_storage_mib: MiB
    used_vms: Total
    free_vms: Total
    used_networks: Total
    free_networks: Total
    free_public_addresses: Total
    free_public_ports: Total


class CloudAccount(Quotas):
    """A cloud manager's account as it is here."""

    external_id: ExternalId
    version: Annotated[int, Meta(ge=0, examples=[3], description="Of the record that was last taken over; 0: none.")]
    user_id: Number
    login: LoginName
    name: FullName
    active: bool


class AppliedUsers(TypedDict):
    """What became of a cloud manager's records."""

    applied: Annotated[int, Meta(ge=0, examples=[12], description="How many are in force now.")]
    stale: Annotated[list[ExternalId], Meta(description="Those of a lower version than the one in force.")]


class DroppedGroups(TypedDict):
    """Groups are no more."""

    objects: Annotated[int, Meta(ge=0, examples=[2], description="How many objects they were granted something on.")]


class OpenedSession(TypedDict):
    """A session of a local account."""

    token: Annotated[str, Meta(examples=["was_0123456789"], description="Told this once.")]
    expires: Time
