"""Instances are VMs: how they are made, and what is told of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.card import Cards, card_id, cards, place_state
from clm.ec2.actions.card import shown as shown_card
from clm.ec2.actions.catalogue import architecture, image_id, images, type_name
from clm.ec2.actions.vpc import vpc_id
from clm.ec2.context import Context, only
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import INSTANCES, Tags, tags_of_all
from clm.ec2.xml import told_time
from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import PAGE_MAX
from cm.runtime.wall import utc_now

TERMINATED_S: Final = 3600  # that an instance is told of after its end
CLOSED_MAX: Final = 1000  # destroyed VMs that are looked through for one that is asked for
# What there is of metadata's options, the same for all instances.
METADATA: Final = {
    "HttpTokens": "optional",
    "HttpEndpoint": "enabled",
    "HttpProtocolIpv6": "disabled",
    "InstanceMetadataTags": "disabled",
}
CODES: Final = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


def instance_id(vm: Mapping[str, Any]) -> str:
    return ids.id_of(ids.INSTANCE, vm["uuid"])


def state_of(vm: Mapping[str, Any]) -> dict[str, Any]:
    return {"Code": CODES[vm["ec2_state"]], "Name": vm["ec2_state"]}


@dataclass
class Seen:
    """What is told of VMs beside what they say themselves, each found once for all of them."""

    context: Context
    cards: Cards
    images: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)
    disks: dict[int, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = field(default_factory=dict)

    tags: Tags = Tags(INSTANCES)

    def type_of(self, vm: Mapping[str, Any]) -> str:
        return self.types.get(vm["template_id"], vm["template_name"])

    def image_of(self, vm: Mapping[str, Any]) -> str | None:
        image = self.images.get(vm["image_id"])
        return None if image is None else image_id(image)

    def volumes_of(self, vm: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        return self.disks.get(vm["vm_id"], [])


async def look(context: Context) -> Seen:
    seen = Seen(context, await cards(context))
    seen.images = {each["image_id"]: each for each in await images(context)}
    seen.types = {each["template_id"]: type_name(each) for each in await context.read("user.template.get_list")}
    seen.tags = await tags_of_all(context, INSTANCES)
    for disk in await context.read("user.disk.get_list", limit=PAGE_MAX):
        for place in disk["attachments"]:
            if not place["cdrom"]:  # what is in a drive is no volume
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
        "subnet-id": lambda vm: [seen.cards.subnet_of_vm(vm) or ""],
        "vpc-id": lambda vm: [vpc_id(seen.context)] if seen.cards.subnet_of_vm(vm) else [],
        "instance.group-id": lambda vm: [each["GroupId"] for each in seen.cards.groups_of_vm(vm)],
        "instance.group-name": lambda vm: [each["GroupName"] for each in seen.cards.groups_of_vm(vm)],
        "group-id": lambda vm: [each["GroupId"] for each in seen.cards.groups_of_vm(vm)],
        "group-name": lambda vm: [each["GroupName"] for each in seen.cards.groups_of_vm(vm)],
        "network-interface.network-interface-id": lambda vm: [card_id(each) for each in seen.cards.of(vm)],
        "network-interface.mac-address": lambda vm: [each["mac"] for each in seen.cards.of(vm)],
        "network-interface.subnet-id": lambda vm: [seen.cards.subnet_of(each) or "" for each in seen.cards.of(vm)],
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
        "block-device-mapping.device-name": lambda vm: [f"/dev/{place['device']}" for _, place in seen.volumes_of(vm)],
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
    kept = filtered(there, params.get("Filters"), _filters(seen), seen.tags.of)
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
    subnet = seen.cards.subnet_of_vm(vm)
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
        "MetadataOptions": {"State": "applied", **METADATA},
        "PrivateIpAddress": address,
        "PublicIpAddress": public_address(vm),
        "PrivateDnsName": f"ip-{address.replace('.', '-')}" if address else "",
        "PublicDnsName": "",
        "SubnetId": subnet,
        "VpcId": vpc_id(seen.context) if subnet else None,
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
                    "Status": place_state(place),
                    "AttachTime": disk["created"],
                    "DeleteOnTermination": place["delete_with_vm"],
                },
            }
            for disk, place in sorted(seen.volumes_of(vm), key=lambda pair: pair[1]["number"])
        ],
        "SecurityGroups": seen.cards.groups_of_vm(vm),
        "NetworkInterfaces": [
            shown_card(seen.cards, each, public_address(vm) if each["nic"] == 0 else None) for each in seen.cards.of(vm)
        ],
        "SourceDestCheck": not any(each["spoofing"] for each in seen.cards.of(vm)[:1]),
        "Tags": seen.tags.shown(vm),
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
    tags = await tags_of_all(context, INSTANCES)
    kept = filtered(there, params.get("Filters"), known, tags.of)
    shown, token = page(kept, lambda vm: vm["vm_id"], params, "InstanceIds")
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


HANDLERS: Final = {
    "DescribeInstances": describe_instances,
    "DescribeInstanceStatus": describe_instance_status,
    "GetConsoleOutput": get_console_output,
}
