"""How instances are made: what is asked of EC2 as what is asked of a cluster."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.catalogue import GIB, find_image, find_type
from clm.ec2.actions.group import wanted_groups
from clm.ec2.actions.instance import made_of, reservations, tell
from clm.ec2.actions.launch_template import HOLDS, with_template
from clm.ec2.actions.metadata_option import wanted_options
from clm.ec2.actions.placement_group import names_group, wanted_group
from clm.ec2.actions.vpc import wanted_networks
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.names import INSTANCES, VOLUMES, Wanted, put_tags, wanted_tags
from cm.rpc.vocabulary import UserDataEncoding

USER_DATA_MAX: Final = 16_384  # bytes, as EC2 has it
ON_SHUTDOWN: Final = {"stop": "stop", "terminate": "destroy"}  # as our policies
ROOTS: Final = frozenset({"/dev/vda", "/dev/sda1", "/dev/sda", "/dev/xvda"})


async def run_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    Make ``MaxCount`` instances, or none. A repeat with the same ``ClientToken`` gets the first answer. The key is given
    to the image's user. Volumes get their tags once they are there. What a ``LaunchTemplate`` holds is asked for, too,
    but for what is said anew.
    """
    params = await with_template(context, params)
    only(params, "MinCount", "MaxCount", "ClientToken", "SubnetId", *HOLDS)
    count = params["MaxCount"]
    if not 1 <= params["MinCount"] <= count:
        raise bad_value("MinCount", f"it is not from 1 to MaxCount, {count}")
    for name in ("ImageId", "InstanceType"):
        if not params.get(name):
            raise EC2Error("MissingParameter", f"The request must contain the parameter {name}")
    _check_rest(context, params)
    image = await context.fact("image", params["ImageId"], partial(find_image, context, params["ImageId"]))
    template = await context.fact("type", params["InstanceType"], partial(find_type, context, params["InstanceType"]))
    tags, of_disks = wanted_tags(params.get("TagSpecifications"), INSTANCES, VOLUMES)
    if of_disks.name not in (None, tags.named):
        raise EC2Error("UnsupportedOperation", "Volumes that are made with an instance are called as it is.")
    placed = _placed(params)
    asked: dict[str, Any] = {
        "name": tags.named,
        "description": "",
        "image_id": image["image_id"],
        "template_id": template["template_id"],
        "count": count,
        **await wanted_networks(context, placed.get("SubnetId")),
        **_disks(params.get("BlockDeviceMappings", [])),
        **tags.asked,
        **{f"imds_{name}": value for name, value in wanted_options(params.get("MetadataOptions") or {}).items()},
    }
    if params.get("KeyName"):
        asked["ssh_key"] = await _public_key(context, params["KeyName"])
        asked["ssh_username"] = image["default_user"] or "root"
    if params.get("UserData"):
        asked["user_data"] = _user_data(params["UserData"])
        asked["user_data_encoding"] = UserDataEncoding.BASE64
    if params.get("InstanceInitiatedShutdownBehavior"):
        asked["on_poweroff"] = ON_SHUTDOWN[params["InstanceInitiatedShutdownBehavior"]]
    if params.get("DisableApiTermination"):
        asked["guarded"] = True
    placement = params.get("Placement") or {}
    if names_group(placement):
        asked["affinity_group_id"] = (await wanted_group(context, placement))["affinity_group_id"]
    groups = await wanted_groups(context, placed)
    if groups:
        asked["security_group_ids"] = groups
    vms = await context.change("user.vm.create", token=params.get("ClientToken") or None, **asked)
    made = await made_of(context, vms)
    await _tag(context, [disk for vm in made for disk in vm["disks"]], of_disks)
    return reservations(context, [tell(context, vm) for vm in made])[0]


async def _tag(context: Context, disks: list[Mapping[str, Any]], wanted: Wanted) -> None:
    for disk in disks if wanted.tags else ():
        await put_tags(context, VOLUMES, disk, wanted.tags)


def _placed(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Subnet and groups, which are asked for of the instance or of its one network card.

    :raises EC2Error: of both, or of a card as there is none here.
    """
    asked = params.get("NetworkInterfaces")
    if not asked:
        return params
    if any(params.get(name) for name in ("SubnetId", "SecurityGroupIds", "SecurityGroups")):
        raise EC2Error("InvalidParameterCombination", "Subnet and groups are the instance's or its network card's.")
    if len(asked) > 1 or asked[0].get("DeviceIndex", 0) != 0:
        raise EC2Error("UnsupportedOperation", "An instance is made with one network interface, of DeviceIndex 0.")
    card = asked[0]
    only(card, "DeviceIndex", "SubnetId", "Groups", "DeleteOnTermination")
    if not card.get("DeleteOnTermination", True):
        raise EC2Error("UnsupportedOperation", "A network interface that is made with an instance goes with it.")
    return {"SubnetId": card.get("SubnetId"), "SecurityGroupIds": card.get("Groups")}


def _check_rest(context: Context, params: Mapping[str, Any]) -> None:
    """:raises EC2Error: something is asked for in a way that is not done here."""
    only(params.get("Placement") or {}, "AvailabilityZone", "Tenancy", "GroupName", "GroupId")
    placement = params.get("Placement") or {}
    if placement.get("AvailabilityZone", context.zone) != context.zone:
        raise EC2Error("InvalidParameterValue", f"The region {context.region} has the zone {context.zone} alone.")
    if placement.get("Tenancy", "default") != "default":
        raise EC2Error("UnsupportedOperation", "Tenancy is default here.")
    only(params.get("Monitoring") or {})
    if params.get("InstanceInitiatedShutdownBehavior", "stop") not in ON_SHUTDOWN:
        raise EC2Error("InvalidParameterValue", "InstanceInitiatedShutdownBehavior is neither stop nor terminate.")


def _disks(mappings: list[dict[str, Any]]) -> dict[str, Any]:
    """The root disk's size, and disks that are made with the instance and go with it."""
    made: dict[str, Any] = {}
    more = []
    for each in mappings:
        only(each, "DeviceName", "Ebs")
        ebs = each.get("Ebs") or {}
        only(ebs, "VolumeSize", "DeleteOnTermination", "VolumeType")
        if not ebs.get("DeleteOnTermination", True):
            raise EC2Error("UnsupportedOperation", "Disks that are made with an instance go with it.")
        size = ebs.get("VolumeSize")
        if size is not None and not 1 <= size <= 2048:
            raise bad_value("BlockDeviceMapping.Ebs.VolumeSize", "it is not from 1 to 2048 GiB")
        if each.get("DeviceName") in ROOTS:
            made["disk_mib"] = size and size * 1024
        elif size is None:
            raise EC2Error("MissingParameter", "A disk that is made needs Ebs.VolumeSize.")
        else:
            more.append(size * GIB // 2**20)
    return {**made, "new_disks": more} if more else made


def _user_data(text: str) -> str:
    try:
        told = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EC2Error("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data") from None
    if len(told) > USER_DATA_MAX:
        raise EC2Error("InvalidParameterValue", f"User data is limited to {USER_DATA_MAX} bytes")
    return text


async def _public_key(context: Context, name: str) -> str:
    for each in await context.cloud("user.key.get_list"):
        if each["name"] == name:
            return str(each["public_key"])
    raise EC2Error(ids.KEY.missing, f"The key pair '{name[:100]}' does not exist")


HANDLERS: Final = {"RunInstances": run_instances}
