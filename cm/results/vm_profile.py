"""VM profiles."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Number, Owner, Time, Uuid, Version


class VMProfile(TypedDict):
    """A size and a VM template under one name."""

    vm_profile_id: Number
    uuid: Uuid
    name: Named
    user_id: Owner
    vm_template_id: Annotated[Number, Meta(description="What is installed.")]
    vm_template_name: Named
    template_id: Annotated[Number, Meta(description="The size.")]
    template_name: Named
    version: Version
    created: Time
