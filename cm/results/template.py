"""Templates."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import MiB, Named, Number, SizeCpus, Text, Time, Uuid, Version


class Template(TypedDict):
    """A size that VMs are made in."""

    template_id: Number
    uuid: Uuid
    name: Named
    description: Text
    cpu: SizeCpus
    memory_mib: MiB
    disk_mib: Annotated[int, Meta(ge=0, examples=[20480], description="MiB, of root disks; 0: as large as the image.")]
    local_disk: Annotated[bool, Meta(description="Whether root disks lie on the nodes' own storages.")]
    traits: Annotated[list[str], Meta(examples=[["ssd"]], description="That nodes must have for VMs made by it.")]
    points: Annotated[int, Meta(ge=0, examples=[1], description="What it costs, in CC1's points.")]
    ec2name: Annotated[str, Meta(examples=["t2.small"], description="What EC2 clients call it; may be empty.")]
    version: Version
    created: Time
