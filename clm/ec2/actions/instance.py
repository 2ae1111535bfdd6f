"""Instances are VMs: how they are made, and what is told of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.catalogue import GIB, architecture, find_type, image_id, images, type_name
from clm.ec2.actions.group import assigned, wanted_groups
from clm.ec2.actions.vpc import subnets_of_vms, vpc_id, wanted_networks
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import as_tags, name_of_new, tags_of
from clm.ec2.xml import told_time
from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import PAGE_MAX
from cm.runtime.wall import utc_now

USER_DATA_MAX: Final = 16_384  # bytes, as EC2 has it
TERMINATED_S: Final = 3600  # that an instance is told of after its end
CLOSED_MAX: Final = 1000  # destroyed VMs that are looked through for one that is asked for
CODES: Final = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_ROOT: Final = frozenset({"/dev/vda", "/dev/sda1", "/dev/sda", "/dev/xvda"})


def instance_id(vm: Mapping[str, Any]) -> str:
    return ids.id_of(ids.INSTANCE, vm["uuid"])


def state_of(vm: Mapping[str, Any]) -> dict[str, Any]:
    return {"Code": CODES[vm["ec2_state"]], "Name": vm["ec2_state"]}


@dataclass
class Seen:
    """What is told of VMs beside what they say themselves, each found once for all of them."""

    context: Context
    images: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)
    disks: dict[int, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = field(default_factory=dict)

    subnets: dict[int, str] = field(default_factory=dict)

    def type_of(self, vm: Mapping[str, Any]) -> str:
        return self.types.get(vm["template_id"], vm["template_name"])

    def image_of(self, vm: Mapping[str, Any]) -> str | None:
        image = self.images.get(vm["image_id"])
        return None if image is None else image_id(image)

    def volumes_of(self, vm: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        return self.disks.get(vm["vm_id"], [])


async def look(context: Context) -> Seen:
    seen = Seen(context)
    seen.images = {each["image_id"]: each for each in await images(context)}
    seen.types = {each["template_id"]: type_name(each) for each in await context.read("user.template.get_list")}
    seen.subnets = await subnets_of_vms(context)
    for disk in await context.read("user.disk.get_list", limit=PAGE_MAX):
        for place in disk["attachments"]:
            seen.disks.setdefault(place["vm_id"], []).append((disk, place))
    return seen


async def live(context: Context) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await context.read("user.vm.get_list")
    return found


async def find(context: Context, wanted: list[str], *, ended: bool = False) -> list[Mapping[str, Any]]:
    """
    The instances of these ids, in their order.

    :param ended: also those that ended within the last hour.
    :raises EC2Error: an id is malformed, or of no instance of the caller's.
    """
    for given in wanted:
        ids.check(ids.INSTANCE, given)
    there = await live(context)
    if ended and not set(wanted) <= {instance_id(each) for each in there}:
        there += [each for each in await context.read("user.vm.get_list", closed=True, limit=CLOSED_MAX)
                  if instance_id(each) in wanted and await _ended_lately(context, each)]  # fmt: skip
    return ids.pick(ids.INSTANCE, wanted, there, instance_id)


async def _ended_lately(context: Context, vm: Mapping[str, Any]) -> bool:
    try:
        detail = await context.read("user.vm.get_by_id", vm_id=vm["vm_id"])
    except ObjectNotFound:
        return False
    return bool(detail["closed"]) and told_time(detail["closed"]) > told_time(
        utc_now() - timedelta(seconds=TERMINATED_S)
    )


# ------------------------------------------------------------------ what is told


def _filters(seen: Seen) -> dict[str, Values]:
    return {
        "instance-id": lambda vm: [instance_id(vm)],
        "instance-state-name": lambda vm: [vm["ec2_state"]],
        "instance-state-code": lambda vm: [str(CODES[vm["ec2_state"]])],
        "instance-type": lambda vm: [seen.type_of(vm)],
        "image-id": lambda vm: [seen.image_of(vm) or ""],
        "availability-zone": lambda vm: [seen.context.zone],
        "private-ip-address": lambda vm: [each["address"] for each in vm["leases"]],
        "network-interface.addresses.private-ip-address": lambda vm: [each["address"] for each in vm["leases"]],
        "ip-address": lambda vm: [public_address(vm) or ""],
        "network-interface.addresses.association.public-ip": lambda vm: [public_address(vm) or ""],
        "subnet-id": lambda vm: [seen.subnets.get(vm["vm_id"], "")],
        "vpc-id": lambda vm: [vpc_id(seen.context)] if vm["vm_id"] in seen.subnets else [],
        "launch-time": lambda vm: [told_time(_launched(vm))],
        "reservation-id": lambda vm: [reservation_id(vm)],
        "owner-id": lambda vm: [seen.context.owner],
        "architecture": lambda vm: [_architecture(seen, vm)],
        "platform": lambda vm: ["windows"] if vm["platform"] == "windows" else [],
        "root-device-name": lambda vm: ["/dev/vda"],
        "root-device-type": lambda vm: ["ebs"],
        "virtualization-type": lambda vm: ["hvm"],
        "hypervisor": lambda vm: ["xen"],
        "tenancy": lambda vm: ["default"],
        "instance-lifecycle": lambda vm: [],
        "block-device-mapping.volume-id": lambda vm: [
            ids.id_of(ids.VOLUME, disk["uuid"]) for disk, _ in seen.volumes_of(vm)
        ],
    }


def _launched(vm: Mapping[str, Any]) -> str:
    return str(vm["launched"] or vm["created"])


def public_address(vm: Mapping[str, Any]) -> str | None:
    """Of IPv4; None also where it has one of IPv6 alone, for which EC2 has no place here."""
    found = vm["public_ip"]
    return found if found and ":" not in found else None


def _architecture(seen: Seen, vm: Mapping[str, Any]) -> str:
    image = seen.images.get(vm["image_id"])
    return "x86_64" if image is None else architecture(image)


def reservation_id(vm: Mapping[str, Any]) -> str:
    return "r-" + str(vm["reservation_id"] or vm["uuid"]).replace("-", "")[: ids.DIGITS]


async def describe_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's instances; one that has ended is told of for an hour to whoever asks for it by its id."""
    only(params, "InstanceIds", "Filters", "MaxResults", "NextToken", "IncludeManagedResources")
    wanted = params.get("InstanceIds")
    there = await find(context, wanted, ended=True) if wanted else await live(context)
    seen = await look(context)
    kept = filtered(there, params.get("Filters"), _filters(seen), tags_of)
    shown, token = page(kept, lambda vm: vm["vm_id"], params, "InstanceIds")
    return {"Reservations": reservations(seen, shown), "NextToken": token}


def reservations(seen: Seen, vms: list[Any]) -> list[dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for vm in vms:
        key = reservation_id(vm)
        reservation = made.setdefault(
            key, {"ReservationId": key, "OwnerId": seen.context.owner, "Groups": [], "Instances": []}
        )
        reservation["Instances"].append(instance(seen, vm))
    for reservation in made.values():
        reservation["Instances"].sort(key=lambda each: each.pop("_vm_id"))
        for index, each in enumerate(reservation["Instances"]):
            each["AmiLaunchIndex"] = index
    return list(made.values())


def instance(seen: Seen, vm: Mapping[str, Any]) -> dict[str, Any]:
    """One instance; ``_vm_id`` orders them within their reservation."""
    ended = vm["ec2_state"] == "terminated"
    address = vm["leases"][0]["address"] if vm["leases"] and not ended else None
    return {
        "_vm_id": vm["vm_id"],
        "InstanceId": instance_id(vm),
        "ImageId": seen.image_of(vm),
        "InstanceType": seen.type_of(vm),
        "State": state_of(vm),
        "StateTransitionReason": "",
        "StateReason": {"Code": "Server.InternalError", "Message": vm["error"]} if vm["error"] else None,
        "LaunchTime": _launched(vm),
        "Placement": {"AvailabilityZone": seen.context.zone, "GroupName": "", "Tenancy": "default"},
        "Monitoring": {"State": "disabled"},
        "PrivateIpAddress": address,
        "PublicIpAddress": public_address(vm),
        "PrivateDnsName": f"ip-{address.replace('.', '-')}" if address else "",
        "PublicDnsName": "",
        "SubnetId": seen.subnets.get(vm["vm_id"]),
        "VpcId": vpc_id(seen.context) if vm["vm_id"] in seen.subnets else None,
        "Architecture": _architecture(seen, vm),
        "Platform": "windows" if vm["platform"] == "windows" else None,
        "PlatformDetails": "Windows" if vm["platform"] == "windows" else "Linux/UNIX",
        "RootDeviceName": "/dev/vda",
        "RootDeviceType": "ebs",
        "VirtualizationType": "hvm",
        "Hypervisor": "xen",
        "EbsOptimized": False,
        "ProductCodes": [],
        "BlockDeviceMappings": [
            {
                "DeviceName": f"/dev/{place['device']}",
                "Ebs": {
                    "VolumeId": ids.id_of(ids.VOLUME, disk["uuid"]),
                    "Status": "detaching" if place["leaving"] else "attached",
                    "AttachTime": disk["created"],
                    "DeleteOnTermination": place["delete_with_vm"],
                },
            }
            for disk, place in sorted(seen.volumes_of(vm), key=lambda pair: pair[1]["number"])
            if not place["cdrom"]
        ],
        "SecurityGroups": [],
        "NetworkInterfaces": [],
        "Tags": as_tags(vm["name"]),
    }


async def describe_instance_status(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of instances that run; of all with ``IncludeAllInstances``."""
    only(params, "InstanceIds", "Filters", "MaxResults", "NextToken", "IncludeAllInstances", "IncludeManagedResources")
    wanted = params.get("InstanceIds")
    there = await find(context, wanted, ended=True) if wanted else await live(context)
    if not params.get("IncludeAllInstances"):
        there = [vm for vm in there if vm["ec2_state"] == "running"]
    known: dict[str, Values] = {
        "availability-zone": lambda vm: [context.zone],
        "instance-state-name": lambda vm: [vm["ec2_state"]],
        "instance-state-code": lambda vm: [str(CODES[vm["ec2_state"]])],
        "instance-status.status": lambda vm: [_status(vm)],
        "system-status.status": lambda vm: [_status(vm)],
    }
    shown, token = page(filtered(there, params.get("Filters"), known), lambda vm: vm["vm_id"], params, "InstanceIds")
    return {"InstanceStatuses": [_instance_status(context, vm) for vm in shown], "NextToken": token}


def _status(vm: Mapping[str, Any]) -> str:
    if vm["ec2_state"] != "running":
        return "not-applicable"
    return "insufficient-data" if vm["doubtful"] else "ok"


def _instance_status(context: Context, vm: Mapping[str, Any]) -> dict[str, Any]:
    status = _status(vm)
    told = {"ok": "passed", "insufficient-data": "insufficient-data"}.get(status)
    summary = {"Status": status, "Details": [{"Name": "reachability", "Status": told}] if told else []}
    return {
        "InstanceId": instance_id(vm),
        "AvailabilityZone": context.zone,
        "InstanceState": state_of(vm),
        "InstanceStatus": summary,
        "SystemStatus": summary,
        "Events": [],
    }


async def get_console_output(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The last 64 KiB of what it wrote to its serial console."""
    only(params, "InstanceId", "Latest")
    (vm,) = await find(context, [params["InstanceId"]])
    text = await context.read("user.vm.get_console", vm_id=vm["vm_id"], limit=65_536)
    return {
        "InstanceId": params["InstanceId"],
        "Timestamp": utc_now(),
        "Output": base64.b64encode(text.encode()).decode(),
    }


# ------------------------------------------------------------------ how they are made


async def run_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    Make ``MaxCount`` instances, or none. A repeat with the same ``ClientToken`` gets the first answer. The key is given
    to the image's user.
    """
    only(params, "ImageId", "InstanceType", "MinCount", "MaxCount", "KeyName", "UserData", "ClientToken", "Placement",
         "SecurityGroupIds", "SecurityGroups", "SubnetId", "TagSpecifications", "BlockDeviceMappings", "Monitoring",
         "InstanceInitiatedShutdownBehavior", "MetadataOptions")  # fmt: skip
    count = params["MaxCount"]
    if not 1 <= params["MinCount"] <= count:
        raise bad_value("MinCount", f"it is not from 1 to MaxCount, {count}")
    for name in ("ImageId", "InstanceType"):
        if not params.get(name):
            raise EC2Error("MissingParameter", f"The request must contain the parameter {name}")
    _check_rest(context, params)
    image = ids.pick(ids.IMAGE, [params["ImageId"]], await images(context), image_id)[0]
    template = await find_type(context, params["InstanceType"])
    asked: dict[str, Any] = {
        "name": name_of_new(params.get("TagSpecifications"), "instance") or "instance",
        "description": "",
        "image_id": image["image_id"],
        "template_id": template["template_id"],
        "count": count,
        **await wanted_networks(context, params.get("SubnetId")),
        **_disks(params.get("BlockDeviceMappings", [])),
    }
    if params.get("KeyName"):
        asked["ssh_key"] = await _public_key(context, params["KeyName"])
        asked["ssh_username"] = image["default_user"] or "root"
    if params.get("UserData"):
        asked["user_data"] = _user_data(params["UserData"])
    if params.get("InstanceInitiatedShutdownBehavior") == "terminate":
        asked["on_poweroff"] = "destroy"
    groups = await wanted_groups(context, params)
    vms = await context.change("user.vm.create", token=params.get("ClientToken") or None, **asked)
    await assigned(context, vms, groups)
    made = reservations(await look(context), vms)
    return made[0]


def _check_rest(context: Context, params: Mapping[str, Any]) -> None:
    """:raises EC2Error: something is asked for in a way that is not done here."""
    only(params.get("Placement") or {}, "AvailabilityZone", "Tenancy")
    placement = params.get("Placement") or {}
    if placement.get("AvailabilityZone", context.zone) != context.zone:
        raise EC2Error("InvalidParameterValue", f"The region {context.region} has the zone {context.zone} alone.")
    if placement.get("Tenancy", "default") != "default":
        raise EC2Error("UnsupportedOperation", "Tenancy is default here.")
    only(params.get("Monitoring") or {})
    options = params.get("MetadataOptions") or {}
    only(options, "HttpTokens", "HttpEndpoint")
    if options.get("HttpTokens", "optional") != "optional" or options.get("HttpEndpoint", "enabled") != "enabled":
        raise EC2Error("UnsupportedOperation", "How metadata is told is the cluster's to say here.")
    if params.get("InstanceInitiatedShutdownBehavior", "stop") not in ("stop", "terminate"):
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
        if each.get("DeviceName") in _ROOT:
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


HANDLERS: Final = {
    "RunInstances": run_instances,
    "DescribeInstances": describe_instances,
    "DescribeInstanceStatus": describe_instance_status,
    "GetConsoleOutput": get_console_output,
}
