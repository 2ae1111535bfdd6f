"""
oVirt's CloudService, with its names: VMs by a VM template and a size, in a resource pool on which the caller has the
privilege cloud_create.
"""

from __future__ import annotations

import msgspec

from cm.results.resource_pool import CloudOffer
from cm.results.vm import CreatedVM
from cm.rpc.caller import RawList
from cm.rpc.errors import InvalidParameter
from cm.rpc.types import Count, Id, Name, SSHKeys, TagValues, Text, UserData
from cm.rpc.view import user_view
from cm.rpc.vocabulary import Match, TagKind
from cm.rules.access import Action
from cm.runtime.json_text import array_of
from cm.services import cloud_service as service
from cm.services.context import ClusterCall
from cm.services.tag import put_on_new
from cm.views.user.vm import Username


@user_view
def svc_new(caller: ClusterCall) -> CloudOffer:
    """
    What the caller can make VMs by: VM templates, sizes and their profiles; and the resource pools to make them in,
    where there are several.
    """
    return service.offer(caller)


@user_view(changing=True, on={"vm_template_id": Action.USE})
def svc_create(
    caller: ClusterCall,
    name: Name,
    vm_template_id: Id | None = None,
    template_id: Id | None = None,
    resource_pool_id: Id | None = None,
    vm_profile_id: Id | None = None,
    description: Text = "",
    count: Count = 1,
    new_disks_match: Match = Match.EXACT,
    user_data: UserData | None = None,
    ssh_key: SSHKeys | None = None,
    ssh_username: Username | None = None,
    tags: TagValues | None = None,
) -> RawList[CreatedVM]:
    """
    Make VMs by a VM template in a size, and start them. Each gets a disk of the size's storage beside what the
    template's image is: a free volume of the resource pool's storages where there is a right one, else a new one. A VM
    that is installed from an ISO has it as its first disk, which is new.

    What fails is taken back; a volume that was there before is never deleted.

    :param template_id: the size, as of ``user.template.get_list``.
    :param resource_pool_id: on which the caller has cloud_create; without it their only one.
    :param vm_profile_id: in place of ``vm_template_id`` and ``template_id``.
    :param new_disks_match: "at_least": the volume may be larger by a tenth or 1 GiB.
    """
    if ssh_key and not ssh_username:
        raise InvalidParameter("ssh_username", "a key needs the name of the user who gets it")
    made, by = service.order(
        caller,
        service.Order(
            name=name,
            description=description,
            pool_id=resource_pool_id,
            vm_template_id=vm_template_id,
            template_id=template_id,
            profile_id=vm_profile_id,
            count=count,
            match=new_disks_match,
            user_data=user_data or "",
            ssh_key=ssh_key or "",
            ssh_username=ssh_username or "",
        ),
    )
    tags = {**by.tags, **(tags or {})}
    if tags:
        put_on_new(caller, TagKind.VM, [msgspec.json.decode(each)["vm_id"] for each in made], tags)
    return RawList(array_of(made))
