"""
oVirt's CloudService: VMs by a VM template and a size, in a resource pool. It is ``user.vm.create`` with what the size
says of storage as a disk of its own, which is a free volume where there is a right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cm.results.resource_pool import CloudOffer
from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import ImageKind, Match, PoolResource, Privilege
from cm.rules.resource_pool import PrivilegeNeeded
from cm.services import resource_pool, vm_template
from cm.services.access import person_of, usable_image
from cm.services.attach_or_create import Asked
from cm.services.context import ClusterCall
from cm.services.vm import NewVM, create
from cm.services.vm_template import Given
from cm.store.claim import MIB, mib
from cm.store.storage import get_storage
from cm.store.template import get_template, list_templates
from cm.store.vm_profile import get_vm_profile, list_vm_profiles
from cm.store.vm_template import list_vm_templates

_OF_IMAGES: Final = (ImageKind.SYSTEM, ImageKind.ISO)


def offer(caller: ClusterCall) -> CloudOffer:
    """
    :raises PrivilegeNeeded: the caller may make VMs in no pool; nothing else is told then.
    """
    session = caller.session
    pools = resource_pool.list_for(caller, Privilege.CLOUD_CREATE)
    if not pools:
        raise PrivilegeNeeded(Privilege.CLOUD_CREATE)
    told: CloudOffer = {
        "templates": list_vm_templates(session, person_of(caller.identity)),
        "sizes": list(list_templates(session)),
        "profiles": list(list_vm_profiles(session, caller.account_id)),
        "default_pool": pools[0] if len(pools) == 1 else None,
    }
    if len(pools) > 1:
        told["pools"] = pools
    return told


@dataclass(frozen=True)
class Order:
    """
    What a caller asks for.

    :ivar pool_id: None: their only one.
    :ivar profile_id: in place of ``vm_template_id`` and ``template_id``, the size.
    """

    name: str
    description: str
    pool_id: int | None
    vm_template_id: int | None
    template_id: int | None
    profile_id: int | None
    count: int = 1
    match: Match = Match.EXACT
    user_data: str = field(default="", repr=False)
    ssh_key: str = ""
    ssh_username: str = ""


def order(caller: ClusterCall, asked: Order) -> tuple[list[str], Given]:
    """
    :return: the VMs' summaries, as JSON texts, and what their template says.
    :raises ObjectNotFound: AccessNeeded: the caller may not make VMs by the template, or does not see the pool.
    :raises PrivilegeNeeded: they may not make VMs in the pool.
    :raises InvalidParameter: neither a profile nor both of a template and a size; the template has no image; its image
        is not in the pool's hardware pool; or they have several pools and name none.
    :raises QuotaReached: the pool, or their account, has no room.
    :raises NoStorage: NoCapacity: there is nowhere for the disk, or for the VM.
    """
    session = caller.session
    vm_template_id, template_id = asked.vm_template_id, asked.template_id
    if asked.profile_id is not None:
        if vm_template_id is not None or template_id is not None:
            raise InvalidParameter("vm_profile_id", "it is in place of vm_template_id and template_id")
        profile = get_vm_profile(session, asked.profile_id, caller.account_id)
        vm_template_id, template_id = profile["vm_template_id"], profile["template_id"]
    by = vm_template.given(caller, vm_template_id)
    size = None if template_id is None else get_template(session, template_id)
    pool = resource_pool.choose(caller, asked.pool_id)
    if vm_template_id is None or template_id is None or size is None:
        raise InvalidParameter("vm_template_id", "give a VM template and a size, or a profile")
    if by.image_id is None:
        raise InvalidParameter("vm_template_id", f"VM template {vm_template_id} has no image")
    image = usable_image(session, by.image_id, person_of(caller.identity), _OF_IMAGES)
    hardware = resource_pool.hardware_of(session, pool["resource_pool_id"])
    if hardware is not None and get_storage(session, image.storage_id)["hardware_pool"] != hardware:
        told = f"the image of VM template {vm_template_id} is not in hardware pool {hardware}"
        raise InvalidParameter("vm_template_id", f"{told}, as its resource pool is")
    # What is installed from an ISO is installed on the size's storage; an image is a disk itself.
    blank = image.kind is ImageKind.ISO
    root_mib = size["disk_mib"] if blank else mib(image.size_bytes)
    new: Sequence[int] = [*([] if blank or not size["disk_mib"] else [size["disk_mib"]]), *by.new_disks]
    count = asked.count
    more = {
        PoolResource.CPU: size["cpu"] * count,
        PoolResource.MEMORY_MIB: size["memory_mib"] * count,
        PoolResource.STORAGE_MIB: (root_mib + sum(new)) * count,
        PoolResource.VMS: count,
        PoolResource.NICS: max(len(by.networks), 1) * count,
    }
    resource_pool.claim(session, pool["resource_pool_id"], more)
    made = create(
        caller,
        NewVM(
            name=asked.name,
            description=asked.description,
            image_id=image.id,
            template_id=template_id,
            iso_list=by.iso_list,
            count=count,
            user_data=asked.user_data,
            ssh_key=asked.ssh_key,
            ssh_username=asked.ssh_username,
            disk_mib=root_mib or None,
            new_disks=[Asked(size_mib * MIB, asked.match) for size_mib in new],
            networks=by.networks,
            vm_template_id=vm_template_id,
            traits=by.traits,
            resource_pool_id=pool["resource_pool_id"],
        ),
    )
    return made, by
