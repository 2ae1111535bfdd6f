"""What instances are made of: images, and types, which are our templates by their EC2 name or their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.metadata_option import imds_support
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import IMAGES, Tags, tags_of_all
from clm.ec2.xml import told_time
from cm.rpc.vocabulary import PAGE_MAX

# EC2's names of architectures.
_ARCHITECTURE: Final = {"aarch64": "arm64"}
_STATE: Final = {"ok": "available", "failed": "failed"}
_PUBLIC: Final = "amazon"  # whose AWS's own images are said to be; here those that administrators made public
GIB: Final = 2**30


def image_id(image: Mapping[str, Any]) -> str:
    return ids.id_of(ids.IMAGE, image["uuid"])


def architecture(image: Mapping[str, Any]) -> str:
    return _ARCHITECTURE.get(image["architecture"], image["architecture"])


def size_gib(size_bytes: int) -> int:
    """EC2 counts volumes in whole GiB; a part of one is one."""
    return max(1, -(-size_bytes // GIB))


def owner_of(image: Mapping[str, Any]) -> str:
    """The number of the account whose it is."""
    return ids.account(int(image["account_number"]))


IMAGE_FILTERS: Final[dict[str, Values]] = {
    "architecture": lambda each: [architecture(each)],
    "creation-date": lambda each: [told_time(each["created"])],
    "description": lambda each: [each["description"]],
    "image-id": lambda each: [image_id(each)],
    "image-type": lambda each: ["machine"],
    "is-public": lambda each: ["true" if each["access"] == "public" else "false"],
    "name": lambda each: [each["name"]],
    "owner-id": lambda each: [owner_of(each)],
    "owner-alias": lambda each: [_PUBLIC] if each["access"] == "public" else [],
    "root-device-type": lambda each: ["ebs"],
    "state": lambda each: [_STATE.get(each["state"], "pending")],
    "virtualization-type": lambda each: ["hvm"],
    "hypervisor": lambda each: ["xen"],
    "platform": lambda each: ["windows"] if each["platform"] == "windows" else [],
}


async def images(context: Context) -> list[dict[str, Any]]:
    """All system images that the caller may use."""
    found: list[dict[str, Any]] = await context.read("user.system_image.get_list", limit=PAGE_MAX)
    return found


async def find_image(context: Context, given: str) -> dict[str, Any]:
    """:raises EC2Error: it is malformed, or of none that the caller may use."""
    return ids.pick(ids.IMAGE, [given], await images(context), image_id)[0]


async def describe_images(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The system images that the caller may use."""
    only(params, "ImageIds", "Filters", "Owners", "ExecutableUsers", "MaxResults", "NextToken", "IncludeDeprecated",
         "IncludeDisabled")  # fmt: skip
    there = await images(context)
    if params.get("ImageIds"):
        there = ids.pick(ids.IMAGE, params["ImageIds"], there, image_id)
    if params.get("Owners"):
        there = [each for each in there if _is_of(each, params["Owners"])]
    if params.get("ExecutableUsers"):
        users = params["ExecutableUsers"]
        there = [each for each in there if (each["access"] == "public" and "all" in users) or
                 (each["access"] != "public" and not each["mine"] and "self" in users)]  # fmt: skip
    tags = await tags_of_all(context, IMAGES)
    kept = filtered(there, params.get("Filters"), IMAGE_FILTERS, tags.of)
    shown, token = page(kept, lambda each: each["image_id"], params, "ImageIds")
    return {"Images": [shown_image(each, tags) for each in shown], "NextToken": token}


def _is_of(image: Mapping[str, Any], owners: list[str]) -> bool:
    public = image["access"] == "public" and _PUBLIC in owners
    return public or ("self" in owners and image["mine"]) or owner_of(image) in owners


def shown_image(image: Mapping[str, Any], tags: Tags) -> dict[str, Any]:
    return {
        "ImageId": image_id(image),
        "Name": image["name"],
        "Description": image["description"],
        "OwnerId": owner_of(image),
        "ImageOwnerAlias": _PUBLIC if image["access"] == "public" else None,
        "Public": image["access"] == "public",
        "State": _STATE.get(image["state"], "pending"),
        "StateReason": {"Code": "Client.ImportFailed", "Message": image["error"]} if image["error"] else None,
        "Architecture": architecture(image),
        "ImageType": "machine",
        "Platform": "windows" if image["platform"] == "windows" else None,
        "PlatformDetails": "Windows" if image["platform"] == "windows" else "Linux/UNIX",
        "ImageLocation": f"{image['user_login']}/{image['name']}",
        "RootDeviceName": "/dev/vda",
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/vda",
                "Ebs": {"VolumeSize": size_gib(image["size_bytes"]), "DeleteOnTermination": True, "Encrypted": False},
            }
        ],
        "VirtualizationType": "hvm",
        "Hypervisor": "xen",  # what AWS says of KVM, too: there are two words
        "CreationDate": told_time(image["created"]),
        "ImdsSupport": imds_support(image),
        "Tags": tags.shown(image),
    }


# ------------------------------------------------------------------ types


def type_name(template: Mapping[str, Any]) -> str:
    return str(template["ec2name"] or template["name"])


async def types(context: Context) -> list[dict[str, Any]]:
    """Templates, by their names: of two with one EC2 name the first counts, which is the smaller."""
    found: dict[str, dict[str, Any]] = {}
    for each in await context.read("user.template.get_list"):
        found.setdefault(type_name(each), each)
    return list(found.values())


async def find_type(context: Context, name: str) -> dict[str, Any]:
    """:raises EC2Error: there is none of this name."""
    found = next((each for each in await types(context) if name in (type_name(each), each["name"])), None)
    if found is None:
        raise EC2Error("InvalidParameterValue", f"Invalid value '{name[:100]}' for InstanceType.")
    return found


TYPES: Final[dict[str, Values]] = {
    "instance-type": lambda each: [type_name(each)],
    "current-generation": lambda each: ["true"],
    "vcpu-info.default-vcpus": lambda each: [str(each["cpu"])],
    "memory-info.size-in-mib": lambda each: [str(each["memory_mib"])],
    "bare-metal": lambda each: ["false"],
    "burstable-performance-supported": lambda each: ["false"],
    "hypervisor": lambda each: ["nitro"],
    "processor-info.supported-architecture": lambda each: ["x86_64"],
    "supported-root-device-type": lambda each: ["ebs"],
    "supported-virtualization-type": lambda each: ["hvm"],
    "free-tier-eligible": lambda each: ["false"],
    "instance-storage-supported": lambda each: ["false"],
}


async def describe_instance_types(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The cluster's templates."""
    only(params, "InstanceTypes", "Filters", "MaxResults", "NextToken")
    there = await types(context)
    wanted = params.get("InstanceTypes")
    if wanted:
        named = {type_name(each): each for each in there}
        absent = sorted(set(wanted) - set(named))
        if absent:
            raise EC2Error("InvalidInstanceType", f"The following supplied instance types do not exist: "
                           f"[{', '.join(absent)[:200]}]")  # fmt: skip
        there = [named[each] for each in dict.fromkeys(wanted)]
    shown, token = page(
        filtered(there, params.get("Filters"), TYPES), lambda each: each["template_id"], params, "InstanceTypes"
    )
    return {"InstanceTypes": [_type(each) for each in shown], "NextToken": token}


def _type(template: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "InstanceType": type_name(template),
        "CurrentGeneration": True,
        "FreeTierEligible": False,
        "SupportedUsageClasses": ["on-demand"],
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "BareMetal": False,
        "Hypervisor": "nitro",
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "VCpuInfo": {"DefaultVCpus": template["cpu"], "DefaultCores": template["cpu"], "DefaultThreadsPerCore": 1},
        "MemoryInfo": {"SizeInMiB": template["memory_mib"]},
        "InstanceStorageSupported": False,
        "BurstablePerformanceSupported": False,
        "HibernationSupported": True,
        "DedicatedHostsSupported": False,
        "AutoRecoverySupported": False,
    }


async def describe_instance_type_offerings(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Every type is offered in the one zone."""
    only(params, "LocationType", "Filters", "MaxResults", "NextToken")
    kind = params.get("LocationType") or "region"
    if kind not in ("region", "availability-zone", "availability-zone-id"):
        raise EC2Error("InvalidParameterValue", "LocationType is none of region and availability-zone here.")
    where = context.region if kind == "region" else context.zone
    known: dict[str, Values] = {"instance-type": lambda each: [type_name(each)], "location": lambda each: [where]}
    shown, token = page(
        filtered(await types(context), params.get("Filters"), known), lambda each: each["template_id"], params
    )
    offered = [{"InstanceType": type_name(each), "LocationType": kind, "Location": where} for each in shown]
    return {"InstanceTypeOfferings": offered, "NextToken": token}


HANDLERS: Final = {
    "DescribeImages": describe_images,
    "DescribeInstanceTypes": describe_instance_types,
    "DescribeInstanceTypeOfferings": describe_instance_type_offerings,
}
