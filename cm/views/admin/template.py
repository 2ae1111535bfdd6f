"""Templates: the sizes that VMs are made in."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cm.results.template import Template
from cm.rpc.types import Id, Name, Size, Text, Traits, matching
from cm.rpc.view import admin_view
from cm.services import template as service
from cm.services.context import ClusterCall
from cm.store.template import get_template, list_templates

Cpus = Annotated[int, Meta(ge=1, le=1024)]
Memory = Annotated[int, Meta(ge=1, le=2**24, description="MiB.")]
Disk = Annotated[int, Meta(ge=0, le=2 * 2**20, description="MiB; 0: as large as the image.")]  # as of a VM
Ec2Name = Annotated[
    str, Meta(max_length=40, pattern=matching(r"[a-z0-9.-]*", "it must be lower-case letters, digits, . and -"))
]

SizeFields = Annotated[dict[str, int | float | str], Meta(max_length=8)]
Sizes = Annotated[
    dict[Name, SizeFields],
    Meta(min_length=1, max_length=100, examples=[{"small": {"cpus": 2, "memory": 262144, "storage_size_in_gb": 15}}]),
]


@admin_view(changing=True)
def add(
    caller: ClusterCall,
    name: Name,
    description: Text = "",
    cpu: Cpus = 1,
    memory_mib: Memory = 512,
    points: Size = 0,
    ec2name: Ec2Name = "",
    disk_mib: Disk = 0,
    local_disk: bool = False,
    traits: Traits = [],  # noqa: B006  nobody changes it
) -> Template:
    """
    Add a template.

    :param disk_mib: of root disks of VMs made by it, where the caller asks for no other and the image is not larger.
    :param local_disk: they lie on the own storage of the VM's node, unless the caller says otherwise.
    :param traits: nodes without them take none of its VMs.
    """
    values: dict[str, Any] = {"name": name, "description": description, "cpu": cpu, "memory_mib": memory_mib}
    values |= {"disk_mib": disk_mib, "local_disk": local_disk, "traits": traits, "points": points}
    return service.add(caller, {**values, "ec2name": ec2name})


@admin_view
def get_list(caller: ClusterCall) -> list[Template]:
    """All templates, the smallest first."""
    return list(list_templates(caller.session))


@admin_view
def get_by_id(caller: ClusterCall, template_id: Id) -> Template:
    """One template."""
    return get_template(caller.session, template_id)


@admin_view(changing=True)
def edit(
    caller: ClusterCall,
    template_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    cpu: Cpus | None = None,
    memory_mib: Memory | None = None,
    points: Size | None = None,
    ec2name: Ec2Name | None = None,
    disk_mib: Disk | None = None,
    local_disk: bool | None = None,
    traits: Traits | None = None,
) -> Template:
    """Change a template; what is not given stays. VMs made from it stay as they are."""
    values: dict[str, Any] = {"name": name, "description": description, "cpu": cpu, "memory_mib": memory_mib}
    values |= {"disk_mib": disk_mib, "local_disk": local_disk, "traits": traits, "points": points}
    return service.edit(caller, template_id, {**values, "ec2name": ec2name})


@admin_view(changing=True)
def load(caller: ClusterCall, sizes: Sizes) -> list[Template]:
    """
    Have templates of these names be of these sizes, as oVirt's VmSize.yml says them: those that are there are changed,
    the others added; all, or none.

    :param sizes: by name ``cpus``, ``memory`` in KiB, or a text such as "256 MiB", and ``storage_size_in_gb``; perhaps
        ``description``, ``points`` and ``ec2name``.
    """
    return service.load(caller, sizes)


@admin_view(changing=True)
def delete(caller: ClusterCall, template_id: Id) -> None:
    """Delete a template; VMs made from it go on."""
    service.delete(caller, template_id)
