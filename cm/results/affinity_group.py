"""Affinity groups."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Number, Owner, Time, Uuid, Version
from cm.rpc.vocabulary import Affinity


class AffinityGroup(TypedDict):
    """VMs that are to run on one node, or each on another."""

    affinity_group_id: Number
    uuid: Uuid
    name: Named
    user_id: Owner
    affinity: Affinity
    strict: Annotated[bool, Meta(description="Whether they rather do not start than in another place.")]
    vm_ids: Annotated[list[Number], Meta(description="That are in it.")]
    version: Version
    created: Time
