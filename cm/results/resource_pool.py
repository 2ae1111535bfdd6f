"""Resource pools, and what the cloud service offers."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from cm.results.access import Subject
from cm.results.template import Template
from cm.results.vm_profile import VMProfile
from cm.results.vm_template import ListedVMTemplate
from cm.rpc.fields import Named, Number, Text, Time, Uuid, Version
from cm.rpc.vocabulary import Privilege

_Limit = Annotated[int, Meta(ge=0, examples=[16])]
_Used = Annotated[int, Meta(ge=0, examples=[4])]


class PoolLimits(TypedDict):
    """By resource; null: none, whichever pool upwards one looks at."""

    cpu: _Limit | None
    memory_mib: _Limit | None
    storage_mib: _Limit | None
    vms: _Limit | None
    nics: _Limit | None


class PoolUse(TypedDict):
    """By resource."""

    cpu: _Used
    memory_mib: _Used
    storage_mib: _Used
    vms: _Used
    nics: _Used


class ResourcePool(TypedDict):
    """What VMs may use together."""

    resource_pool_id: Number
    uuid: Uuid
    name: Named
    description: Text
    parent_pool_id: Annotated[Number | None, Meta(description="That it is in.")]
    hardware_pool: Annotated[str | None, Meta(examples=["default"], description="Of the storages of its VMs.")]
    limits: Annotated[PoolLimits, Meta(description="Its own; null: as the pool says that it is in.")]
    effective: Annotated[PoolLimits, Meta(description="That count: of the nearest pool upwards that has one.")]
    current: Annotated[PoolUse, Meta(description="By its VMs that have a node; storage and cards by all.")]
    pending: Annotated[PoolUse, Meta(description="By all its VMs, and by those of pools within.")]
    version: Version
    created: Time


class ListedResourcePool(ResourcePool):
    """A resource pool, and what the caller may do with it."""

    privileges: list[Privilege]


class PoolGrant(TypedDict):
    """Somebody's privilege on a resource pool, which they have in the pools within, too."""

    subject: Subject
    privilege: Privilege


class CloudOffer(TypedDict):
    """What VMs can be made by, of and in."""

    templates: list[ListedVMTemplate]
    sizes: list[Template]
    profiles: list[VMProfile]
    default_pool: Annotated[ListedResourcePool | None, Meta(description="Where there is only one to choose.")]
    pools: NotRequired[Annotated[list[ListedResourcePool], Meta(description="Where there are several.")]]
