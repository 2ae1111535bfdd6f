"""Instances are VMs: what is told of them. Each comes from its cluster with all that belongs to it (``list_whole``)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from clm.ec2 import ids
from clm.ec2.actions.card import card_id, groups_of, place_state, subnet_of
from clm.ec2.actions.card import shown as shown_card
from clm.ec2.actions.catalogue import architecture, image_id
from clm.ec2.actions.metadata_option import metadata_options
from clm.ec2.actions.vpc import vpc_id
from clm.ec2.context import Context, only
from clm.ec2.kept import Told
from clm.ec2.lists import Values, bounds, filtered, page, passing
from clm.ec2.model import model
from clm.ec2.names import INSTANCES, Tags
from clm.ec2.names import told as named_tags
from clm.ec2.xml import Markup, markup, told_time
from cm.runtime.wall import utc_now

TERMINATED_S: Final = 3600  # that an instance is told of after its end
CODES: Final = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
VM = Mapping[str, Any]
"""A VM as ``user.vm.list_whole`` tells of it."""


class _Named(msgspec.Struct):
    uuid: str


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_names = msgspec.json.Decoder(list[_Named])
_vms = msgspec.json.Decoder(list[dict[str, Any]])
_vm = msgspec.json.Decoder(dict[str, Any])


def instance_id(vm: VM) -> str:
    return ids.id_of(ids.INSTANCE, vm["uuid"])


def state_of(vm: VM) -> dict[str, Any]:
    return {"Code": CODES[vm["ec2_state"]], "Name": vm["ec2_state"]}


async def _whole(context: Context, wanted: Sequence[str] | None, ended: bool, **more: Any) -> bytes:
    """
    The caller's VMs, newest first, as JSON.

    :param wanted: the ids of those that are asked for, which need not be there; None: all that live.
    :param ended: of these also such as ended within the last hour.
    :raises EC2Error: an id is malformed.
    """
    asked = dict(more)
    if wanted is not None:
        asked["uuids"] = list(dict.fromkeys(ids.digits(ids.INSTANCE, given) for given in wanted))
        asked["ended_s"] = TERMINATED_S if ended else 0
    return await context.raw("user.vm.list_whole", **asked)


async def live(context: Context) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await context.read("user.vm.get_list")
    return found


async def whole(context: Context, wanted: Sequence[str] | None = None, *, ended: bool = False) -> list[dict[str, Any]]:
    """As ``_whole``, read: those of ``wanted`` that are there."""
    return _vms.decode(await _whole(context, wanted, ended))


async def find(context: Context, wanted: Sequence[str], *, ended: bool = False) -> list[VM]:
    """
    The instances of these ids, in their order.

    :param ended: also those that ended within the last hour.
    :raises EC2Error: an id is malformed, or of no instance of the caller's.
    """
    there: list[VM] = [*await whole(context, wanted, ended=ended)]
    return ids.pick(ids.INSTANCE, wanted, there, instance_id)


# ------------------------------------------------------------------ what is told


def _filters(context: Context) -> dict[str, Values]:
    return {
        "instance-id": lambda vm: [instance_id(vm)],
        "instance-state-name": lambda vm: [vm["ec2_state"]],
        "instance-state-code": lambda vm: [str(CODES[vm["ec2_state"]])],
        "instance-type": lambda vm: [vm["type"]],
        "image-id": lambda vm: [_image(vm) or ""],
        "availability-zone": lambda vm: [context.zone],
        "private-ip-address": lambda vm: [each["address"] for each in vm["leases"]],
        "network-interface.addresses.private-ip-address": lambda vm: [each["address"] for each in vm["leases"]],
        "ip-address": lambda vm: [public_address(vm) or ""],
        "network-interface.addresses.association.public-ip": lambda vm: [public_address(vm) or ""],
        "subnet-id": lambda vm: [_subnet(vm) or ""],
        "vpc-id": lambda vm: [vpc_id(context)] if _subnet(vm) else [],
        "instance.group-id": lambda vm: [each["GroupId"] for each in groups_of_vm(vm)],
        "instance.group-name": lambda vm: [each["GroupName"] for each in groups_of_vm(vm)],
        "group-id": lambda vm: [each["GroupId"] for each in groups_of_vm(vm)],
        "group-name": lambda vm: [each["GroupName"] for each in groups_of_vm(vm)],
        "network-interface.network-interface-id": lambda vm: [card_id(each) for each in vm["nics"]],
        "network-interface.mac-address": lambda vm: [each["mac"] for each in vm["nics"]],
        "network-interface.subnet-id": lambda vm: [subnet_of(each) or "" for each in vm["nics"]],
        "launch-time": lambda vm: [told_time(_launched(vm))],
        "reservation-id": lambda vm: [_reservation(vm)],
        "owner-id": lambda vm: [context.owner],
        "architecture": lambda vm: [_architecture(vm)],
        "platform": lambda vm: ["windows"] if vm["platform"] == "windows" else [],
        "root-device-name": lambda vm: ["/dev/vda"],
        "root-device-type": lambda vm: ["ebs"],
        "virtualization-type": lambda vm: ["hvm"],
        "hypervisor": lambda vm: ["xen"],
        "tenancy": lambda vm: ["default"],
        "placement-group-name": lambda vm: [_group(vm)["GroupName"]],
        "instance-lifecycle": lambda vm: [],
        "block-device-mapping.volume-id": lambda vm: [ids.id_of(ids.VOLUME, disk["uuid"]) for disk in vm["disks"]],
        "block-device-mapping.device-name": lambda vm: [f"/dev/{disk['device']}" for disk in vm["disks"]],
    }


def _launched(vm: VM) -> str:
    return str(vm["launched"] or vm["created"])


def public_address(vm: VM) -> str | None:
    """Of IPv4; None also where it has one of IPv6 alone, for which EC2 has no place here."""
    found = vm["public_ip"]
    return found if found and ":" not in found else None


def _architecture(vm: VM) -> str:
    return architecture(vm["image"]) if vm["image"] else "x86_64"


def _image(vm: VM) -> str | None:
    """Also of one that is no more, as with EC2."""
    return image_id(vm["image"]) if vm["image"] else None


def _subnet(vm: VM) -> str | None:
    """Of its first card."""
    return next((subnet_of(card) for card in vm["nics"]), None)


def groups_of_vm(vm: VM) -> list[dict[str, str]]:
    """Of its first card, as EC2 has it."""
    return next((groups_of(card) for card in vm["nics"]), [])


def _group(vm: VM) -> dict[str, str]:
    """Its placement group; an empty name: none."""
    found = vm.get("affinity_group")
    if not found:
        return {"GroupName": ""}
    return {"GroupName": found["name"], "GroupId": ids.id_of(ids.PLACEMENT_GROUP, found["uuid"])}


def _tags(vm: VM) -> dict[str, str]:
    return Tags(INSTANCES, {vm["vm_id"]: vm["tags"]}).of(vm)


def _reservation(vm: VM) -> str:
    return "r-" + str(vm["reservation_id"] or vm["uuid"]).replace("-", "")[: ids.DIGITS]


_SLICE: Final = 400  # of work that is done in one turn, some 2 ms; finding a text again is 1
_LOOKED, _WRITTEN = 8, 40  # what it takes to read one for the filters, and to write one


async def describe_instances(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's instances; one that has ended is told of for an hour to whoever asks for it by its id."""
    only(params, "InstanceIds", "Filters", "MaxResults", "NextToken", "IncludeManagedResources")
    wanted, filters = params.get("InstanceIds") or None, params.get("Filters")
    size, before = bounds(params, "InstanceIds")
    passes = passing(filters, _filters(context), _tags) if filters else None
    # A page and one more, by which it is known whether another follows.
    page_alone = {} if size is None or passes is not None else {"limit": size + 1, "before": before}
    answer = await _whole(context, wanted, True, **page_alone)
    await context.pause()  # to read it is a turn of its own
    if wanted:
        ids.pick(ids.INSTANCE, wanted, _names.decode(answer), lambda each: ids.id_of(ids.INSTANCE, each.uuid))
    told = await _told(context, answer, passes)
    shown, token = page(told, lambda each: each.vm_id, params, "InstanceIds")
    return {"Reservations": reservations(context, shown), "NextToken": token}


async def _told(context: Context, answer: bytes, passes: Callable[[VM], bool] | None) -> list[Told]:
    """What is told of those that pass, a slice in each turn."""
    made, work = [], 0
    for row in map(bytes, _rows.decode(answer)):
        if work >= _SLICE:
            await context.pause()
            work = 0
        if passes is not None:
            work += _LOOKED
            if not passes(_vm.decode(row)):
                continue
        key = context.kept.key(context.place, row)
        told = context.kept.find(key)
        if told is None:
            work += _WRITTEN
            told = tell(context, _vm.decode(row))
            context.kept.keep(key, told)
        work += 1
        made.append(told)
    return made


def tell(context: Context, vm: VM) -> Told:
    shape = model().shape("DescribeInstances", "Reservations", "Instances")
    return Told(vm["vm_id"], _reservation(vm), markup(shape, instance(context, vm)))


def reservations(context: Context, told: Sequence[Told]) -> list[dict[str, Any]]:
    """In the order of what is given; the instances of each in that of their making."""
    made: dict[str, list[Told]] = {}
    for each in told:
        made.setdefault(each.reservation, []).append(each)
    return [
        {"ReservationId": key, "OwnerId": context.owner, "Groups": [], "Instances": _indexed(some)}
        for key, some in made.items()
    ]


def _indexed(told: list[Told]) -> list[Markup]:
    told.sort(key=lambda each: each.vm_id)
    return [Markup(f"{each.text}<amiLaunchIndex>{index}</amiLaunchIndex>") for index, each in enumerate(told)]


async def made_of(context: Context, vms: Sequence[VM]) -> list[VM]:
    """
    New VMs with all that belongs to them.

    :param vms: as they were answered when they were made, which may be long ago: what is gone has nothing any more.
    """
    there = {each["vm_id"]: each for each in await whole(context, [instance_id(vm) for vm in vms], ended=True)}
    gone: dict[str, Any] = {"image": None, "nics": [], "disks": [], "tags": {}}
    return [there.get(vm["vm_id"]) or {**vm, "type": vm["template_name"], **gone} for vm in vms]


def instance(context: Context, vm: VM) -> dict[str, Any]:
    """One instance, but for its index within its reservation."""
    ended = vm["ec2_state"] == "terminated"
    subnet = _subnet(vm)
    address = vm["leases"][0]["address"] if vm["leases"] and not ended else None
    return {
        "InstanceId": instance_id(vm),
        "ImageId": _image(vm),
        "InstanceType": vm["type"],
        "State": state_of(vm),
        "StateTransitionReason": "",
        "StateReason": {"Code": "Server.InternalError", "Message": vm["error"]} if vm["error"] else None,
        "LaunchTime": _launched(vm),
        "Placement": {"AvailabilityZone": context.zone, "Tenancy": "default", **_group(vm)},
        "Monitoring": {"State": "disabled"},
        "MetadataOptions": metadata_options(vm["imds"]),
        "PrivateIpAddress": address,
        "PublicIpAddress": public_address(vm),
        "PrivateDnsName": f"ip-{address.replace('.', '-')}" if address else "",
        "PublicDnsName": "",
        "SubnetId": subnet,
        "VpcId": vpc_id(context) if subnet else None,
        "Architecture": _architecture(vm),
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
                "DeviceName": f"/dev/{disk['device']}",
                "Ebs": {
                    "VolumeId": ids.id_of(ids.VOLUME, disk["uuid"]),
                    "Status": place_state(disk),
                    "AttachTime": disk["created"],
                    "DeleteOnTermination": disk["delete_with_vm"],
                },
            }
            for disk in vm["disks"]
        ],
        "SecurityGroups": groups_of_vm(vm),
        "NetworkInterfaces": [shown_card(context, each, each["public"]) for each in vm["nics"]],
        "SourceDestCheck": not any(each["spoofing"] for each in vm["nics"][:1]),
        "Tags": named_tags(_tags(vm)),
    }


async def describe_instance_status(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of instances that run; of all with ``IncludeAllInstances``."""
    only(params, "InstanceIds", "Filters", "MaxResults", "NextToken", "IncludeAllInstances", "IncludeManagedResources")
    wanted = params.get("InstanceIds")
    there: list[VM] = await find(context, wanted, ended=True) if wanted else [*await whole(context)]
    if not params.get("IncludeAllInstances"):
        there = [vm for vm in there if vm["ec2_state"] == "running"]
    known: dict[str, Values] = {
        "availability-zone": lambda vm: [context.zone],
        "instance-state-name": lambda vm: [vm["ec2_state"]],
        "instance-state-code": lambda vm: [str(CODES[vm["ec2_state"]])],
        "instance-status.status": lambda vm: [_status(vm)],
        "system-status.status": lambda vm: [_status(vm)],
    }
    kept = filtered(there, params.get("Filters"), known, _tags)
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


async def get_console_screenshot(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """What its screen shows now: a PNG, where AWS gives a JPEG. ``WakeUp`` is taken and does nothing."""
    only(params, "InstanceId", "WakeUp")
    (vm,) = await find(context, [params["InstanceId"]])
    picture = await context.read("user.vm.get_screenshot", vm_id=vm["vm_id"])
    return {"InstanceId": params["InstanceId"], "ImageData": picture["png"]}


HANDLERS: Final = {
    "DescribeInstances": describe_instances,
    "DescribeInstanceStatus": describe_instance_status,
    "GetConsoleOutput": get_console_output,
    "GetConsoleScreenshot": get_console_screenshot,
}
