"""
Farms: a head and its workers, which are made and end as one. CC1's functions with their names, order and defaults, and
``edit``, ``grow`` and ``shrink`` beside.

A farm is its account's alone. Its VMs are VMs like others: each may be shared, moved, looked at and ended by itself.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.farm import Farm, FarmEnd, GrownFarm, ListedFarm, SavedFarm
from cm.rpc.errors import InvalidParameter
from cm.rpc.types import NOT_BLANK, Count, Id, IdList, Ids, Limit, Name, SSHKeys, Text, UserData
from cm.rpc.view import user_view
from cm.rpc.vocabulary import PAGE_MAX, MetadataSource, UserDataEncoding
from cm.rules.access import Action
from cm.services import farm as service
from cm.services import image
from cm.services.context import ClusterCall
from cm.services.vm import NewVM
from cm.store.farm import list_farms
from cm.views.user.vm import MaybeIds, Networks, Username, check_base64, distinct

FarmName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=48,  # with "-worker-200" behind it a name of a host has room
        pattern=NOT_BLANK,
        description="One line, not blank, without control characters.",
        examples=["sums"],
    ),
]


@user_view(changing=True, on={"image_id": Action.USE, "iso_list": Action.USE, "disk_list": Action.USE,
                          "networks": Action.USE, "expiry_id": Action.USE})  # fmt: skip
def create(
    caller: ClusterCall,
    name: FarmName,
    description: Text,
    image_id: Id | image.Family,
    head_template_id: Id,
    worker_template_id: Id,
    public_ip_id: Id | None = None,
    iso_list: MaybeIds | None = None,
    disk_list: MaybeIds | None = None,
    vnc: bool = False,
    groups: Ids | None = None,
    count: Count = 1,
    user_data: UserData | None = None,
    ssh_key: SSHKeys | None = None,
    ssh_username: Username | None = None,
    networks: Networks | None = None,
    security_group_ids: Ids | None = None,
    user_data_encoding: UserDataEncoding = UserDataEncoding.AUTO,
    expiry_id: Id | None = None,
    metadata: MetadataSource | None = None,
    shared_key: bool = False,
) -> GrownFarm:
    """
    Create a farm: a head and ``count`` workers of one image, named ``name``, ``name-worker-1``, ``name-worker-2`` ...
    Everything is claimed for all of them, or the call is refused and nothing is.

    The head starts at once; workers start when its guest has said hello, or ten minutes after its start if it does not.
    A pair of SSH keys is made for the farm: its VMs let the head in as root, by name. That needs a network on which
    they reach each other; ``warning`` says where there is none.

    :param head_template_id: the head's size, and ``worker_template_id`` that of the workers.
    :param public_ip_id: of the caller's public addresses; the head's first card is reached by it.
    :param iso_list: in drives of the head, whose alone ``disk_list`` and the screen (``vnc``) are, too.
    :param groups: of the caller's; whoever is in one of them will see the VMs (level user).
    :param user_data: of each VM, and so is all that follows, as of ``user.vm.create``.
    :param metadata: guests that are told by "imds" or "none" learn neither names nor keys, and their workers start once
        the head runs.
    :param shared_key: workers have the private part of the pair, too: they reach the head and each other.
    :return: the farm; ``operation_id`` tells how it is coming on, as a whole.
    """
    if ssh_key and not ssh_username:
        raise InvalidParameter("ssh_username", "a key needs the name of the user who gets it")
    if user_data_encoding is UserDataEncoding.BASE64:
        check_base64(user_data or "")
    head = NewVM(
        name=name,
        description=description,
        image_id=image.newest_of(caller, image_id),
        template_id=head_template_id,
        iso_list=distinct("iso_list", iso_list),
        disk_list=distinct("disk_list", disk_list),
        vnc=vnc,
        groups=groups or (),
        user_data=user_data or "",
        user_data_encoding=user_data_encoding,
        ssh_key=ssh_key or "",
        ssh_username=ssh_username or "",
        networks=networks or (),
        security_groups=security_group_ids,
        expiry_id=expiry_id,
        metadata=metadata,
    )
    return service.create(caller, head, worker_template_id, count, shared_key, public_ip_id)


@user_view
def get_list(caller: ClusterCall, limit: Limit = PAGE_MAX, before: Id | None = None) -> list[ListedFarm]:
    """
    The caller's farms, newest first; those whose VMs are all destroyed are left out.

    :param before: the last ``farm_id`` of the page before.
    """
    return list_farms(caller.session, caller.account_id, limit=limit, before=before)


@user_view
def get_by_id(caller: ClusterCall, farm_id: Id) -> Farm:
    """One of the caller's farms, also a destroyed one."""
    return service.detail(caller, farm_id, caller.account_id)


@user_view(changing=True)
def edit(caller: ClusterCall, farm_id: Id, name: FarmName | None = None, description: Text | None = None) -> Farm:
    """Change a farm's name or description; what is left out stays. Its VMs and hosts keep their names."""
    return service.edit(caller, farm_id, name, description)


@user_view(changing=True)
def grow(caller: ClusterCall, farm_id: Id, count: Count = 1, template_id: Id | None = None) -> GrownFarm:
    """
    Make more workers of a farm, with the next numbers; all of them, or none. They are as its head is: of its image, on
    its networks and in their security groups, with its user data and SSH keys.

    :param template_id: their size; without it that of the workers that were made with the farm.
    :return: the farm; ``made`` are the VMs that are new.
    """
    return service.grow(caller, farm_id, template_id, count)


@user_view(changing=True)
def shrink(caller: ClusterCall, farm_id: Id, count: Count | None = None, worker_ids: IdList | None = None) -> FarmEnd:
    """
    Destroy workers of a farm, all that are meant or, by an error, none.

    :param count: so many of the youngest; or ``worker_ids``: these VMs.
    """
    return service.shrink(caller, farm_id, count, worker_ids)


@user_view(changing=True)
def destroy(caller: ClusterCall, farm_id: Id) -> FarmEnd:
    """Destroy a farm: its head and all workers, or, by an error, none of them. What starts them is given up."""
    return service.destroy(caller, farm_id, caller.account_id)


@user_view(changing=True)
def save_and_shutdown(caller: ClusterCall, farm_id: Id, name: Name, description: Text) -> SavedFarm:
    """
    End a farm and keep its head's root disk as a new system image, as ``user.vm.save_and_shutdown``; the workers are
    destroyed.
    """
    return service.save_and_shutdown(caller, farm_id, name, description)
