"""
VM templates: what is installed on VMs, apart from their size, so that any size goes with any of them.
``user.vm.create`` makes VMs by one; what its caller gives comes before what the template says.

They may be shared (``user.acl``): a user makes VMs by one, an owner edits it. Sharing it shares neither its images nor
its networks.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cm.results.vm_template import ListedVMTemplate, VMTemplate
from cm.rpc.types import LINE, Id, Name, TagValues, Text, Traits
from cm.rpc.view import user_view
from cm.rpc.vocabulary import AccessMethod, CpuModel, Firmware, MachineType, TemplateField
from cm.rules.access import Action
from cm.services import vm_template as service
from cm.services.access import person_of
from cm.services.context import ClusterCall
from cm.store.vm_template import list_vm_templates
from cm.views.user.vm import BootMenu, Networks, NewDisks

System = Annotated[str, Meta(max_length=100, pattern=LINE, examples=["Debian 12 amd64"])]
Isos = Annotated[list[Id], Meta(max_length=4, extra={"distinct": True})]
Fields = Annotated[list[TemplateField], Meta(max_length=len(TemplateField))]
_USES = {
    "parent_template_id": Action.USE,
    "image_id": Action.USE,
    "iso_list": Action.USE,
    "networks": Action.USE,
}


@user_view(changing=True, on=_USES)
def create(
    caller: ClusterCall,
    name: Name,
    description: Text = "",
    parent_template_id: Id | None = None,
    image_id: Id | None = None,
    iso_list: Isos | None = None,
    new_disks: NewDisks | None = None,
    networks: Networks | None = None,
    system: System | None = None,
    access_method: AccessMethod | None = None,
    has_agent: bool | None = None,
    traits: Traits | None = None,
    tags: TagValues | None = None,
    firmware: Firmware | None = None,
    machine: MachineType | None = None,
    boot_menu_s: BootMenu | None = None,
    cpu_model: CpuModel | None = None,
) -> VMTemplate:
    """
    Make a VM template. What is not given it has of its parent, or leaves open.

    :param parent_template_id: a template that the caller may make VMs by.
    :param image_id: a system image, or an ISO to install from; and all that follows as of ``user.vm.create``.
    :param system: the guest's, for people to read, and so are ``access_method`` and ``has_agent``.
    :param traits: that nodes must have for its VMs, beside those of their size.
    """
    values: dict[str, Any] = {"name": name, "description": description, "parent_id": parent_template_id}
    values |= {"image_id": image_id, "iso_list": iso_list, "new_disks": new_disks, "networks": networks}
    values |= {"system": system, "access_method": access_method, "has_agent": has_agent, "traits": traits}
    values |= {"firmware": firmware, "machine": machine, "boot_menu_s": boot_menu_s, "cpu_model": cpu_model}
    return service.create(caller, {**values, "tags": tags})


@user_view
def get_list(caller: ClusterCall) -> list[ListedVMTemplate]:
    """The VM templates that the caller may make VMs by: their own, and those that are shared with them, by name."""
    return list_vm_templates(caller.session, person_of(caller.identity))


@user_view(on={"vm_template_id": Action.SEE})
def get_by_id(caller: ClusterCall, vm_template_id: Id) -> ListedVMTemplate:
    """One of them."""
    return service.detail(caller, vm_template_id)


@user_view(changing=True, on={"vm_template_id": Action.EDIT, **_USES})
def edit(
    caller: ClusterCall,
    vm_template_id: Id,
    name: Name | None = None,
    description: Text | None = None,
    parent_template_id: Id | None = None,
    image_id: Id | None = None,
    iso_list: Isos | None = None,
    new_disks: NewDisks | None = None,
    networks: Networks | None = None,
    system: System | None = None,
    access_method: AccessMethod | None = None,
    has_agent: bool | None = None,
    traits: Traits | None = None,
    tags: TagValues | None = None,
    inherit: Fields | None = None,
    orphan: bool = False,
    firmware: Firmware | None = None,
    machine: MachineType | None = None,
    boot_menu_s: BootMenu | None = None,
    cpu_model: CpuModel | None = None,
) -> VMTemplate:
    """
    Change a VM template; what is not given stays. VMs that were made by it stay as they are. Its owners may.

    :param inherit: what it has of its parent from now on.
    :param orphan: it has no parent any more.
    """
    values: dict[str, Any] = {"name": name, "description": description, "parent_id": parent_template_id}
    values |= {"image_id": image_id, "iso_list": iso_list, "new_disks": new_disks, "networks": networks}
    values |= {"system": system, "access_method": access_method, "has_agent": has_agent, "traits": traits}
    values |= {"firmware": firmware, "machine": machine, "boot_menu_s": boot_menu_s, "cpu_model": cpu_model}
    return service.edit(caller, vm_template_id, {**values, "tags": tags}, inherit or (), orphan)


@user_view(changing=True, on={"vm_template_id": Action.DELETE})
def delete(caller: ClusterCall, vm_template_id: Id) -> None:
    """Delete a VM template that no other of its account is made of; VMs that were made by it go on. Its owners may."""
    service.delete(caller, vm_template_id)
