"""VM templates."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import LoginName, Named, Number, Owner, TagMap, Text, Time, Uuid, Version
from cm.rpc.vocabulary import AccessMethod, CpuModel, Firmware, MachineType
from cm.rules.access import Level

_System = Annotated[str, Meta(examples=["Debian 12 amd64"])]
_Disks = Annotated[list[int], Meta(examples=[[10240]], description="MiB, of further, empty disks of each VM.")]
_Networks = Annotated[list[Number], Meta(description="Of the VM's cards.")]
_Isos = Annotated[list[Number], Meta(description="ISO images that are in the first VM's drives.")]
_Traits = Annotated[list[str], Meta(examples=[["ssd"]], description="That nodes must have for its VMs.")]

_BootMenu = Annotated[int, Meta(ge=0, examples=[5], description="Seconds of their boot menu; 0: none.")]


class Installed(TypedDict):
    """What VMs get by a template, with what it has of its parents."""

    system: _System | None
    image_id: Number | None
    iso_list: _Isos
    new_disks: _Disks
    networks: _Networks
    access_method: AccessMethod | None
    has_agent: bool | None
    traits: _Traits
    tags: TagMap
    firmware: Firmware | None
    machine: MachineType | None
    boot_menu_s: _BootMenu | None
    cpu_model: CpuModel | None


class VMTemplate(TypedDict):
    """What is installed on VMs, in whatever size. null: as its parent says."""

    vm_template_id: Number
    uuid: Uuid
    name: Named
    description: Text
    user_id: Owner
    parent_template_id: Annotated[Number | None, Meta(description="That it has of what it leaves open.")]
    system: Annotated[_System | None, Meta(description="The guest's, for people.")]
    image_id: Annotated[Number | None, Meta(description="A system image, or an ISO to install from.")]
    iso_list: _Isos | None
    new_disks: _Disks | None
    networks: _Networks | None
    access_method: Annotated[AccessMethod | None, Meta(description="How people reach the guest first.")]
    has_agent: Annotated[bool | None, Meta(description="Whether a guest's agent is installed.")]
    traits: _Traits | None
    firmware: Annotated[Firmware | None, Meta(description="What their machines boot by.")]
    machine: Annotated[MachineType | None, Meta(description="Their chipset.")]
    boot_menu_s: _BootMenu | None
    cpu_model: Annotated[CpuModel | None, Meta(description="Their CPU.")]
    tags: Annotated[TagMap | None, Meta(description="Of each VM; those that the caller gives come first.")]
    effective: Installed
    version: Version
    created: Time


class ListedVMTemplate(VMTemplate):
    """A VM template that the caller may make VMs by."""

    user_login: LoginName
    access: Annotated[Level, Meta(description="The caller's level.")]
