"""What is asked of volumes beside what they are: how they are doing, and to be larger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.catalogue import size_gib
from clm.ec2.actions.volume import STANDARD, disks, find_disk, find_free_disk, volume_id, volume_state
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered, page
from cm.runtime.wall import utc_now

LARGEST_GIB: Final = 2048
_GROWS: Final = frozenset({"disk_grow", "disk_move"})  # the latter of those that grow by being copied


async def describe_volume_status(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """One that could not be made, or is lost, is impaired."""
    only(params, "VolumeIds", "Filters", "MaxResults", "NextToken", "IncludeManagedResources")
    there = await disks(context)
    if params.get("VolumeIds"):
        there = ids.pick(ids.VOLUME, params["VolumeIds"], there, volume_id)
    known: dict[str, Values] = {
        "availability-zone": lambda each: [context.zone],
        "volume-status.status": lambda each: [_status(each)],
        "volume-status.details-name": lambda each: ["io-enabled"],
        "volume-status.details-status": lambda each: ["passed" if _status(each) == "ok" else "failed"],
    }
    kept = filtered(there, params.get("Filters"), known)
    shown, token = page(kept, lambda each: each["disk_id"], params, "VolumeIds")
    return {"VolumeStatuses": [_told_status(context, each) for each in shown], "NextToken": token}


def _status(disk: Mapping[str, Any]) -> str:
    state = volume_state(disk)
    return {"error": "impaired", "creating": "insufficient-data"}.get(state, "ok")


def _told_status(context: Context, disk: Mapping[str, Any]) -> dict[str, Any]:
    status = _status(disk)
    passed = {"ok": "passed", "impaired": "failed"}.get(status)
    return {
        "VolumeId": volume_id(disk),
        "AvailabilityZone": context.zone,
        "VolumeStatus": {"Status": status, "Details": [{"Name": "io-enabled", "Status": passed}] if passed else []},
        "Actions": [],
        "Events": [],
    }


async def describe_volume_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of both that volumes have with EC2: what one holds is never withheld, and there are no product codes."""
    only(params, "VolumeId", "Attribute")
    values: dict[str, dict[str, Any]] = {
        "autoEnableIO": {"AutoEnableIO": {"Value": True}}, "productCodes": {"ProductCodes": []},
    }  # fmt: skip
    if params["Attribute"] not in values:
        raise bad_value("Attribute", f"'{params['Attribute'][:100]}' is no attribute of volumes")
    await find_disk(context, params["VolumeId"])
    return {"VolumeId": params["VolumeId"], **values[params["Attribute"]]}


async def modify_volume_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """``AutoEnableIO`` can be set to true, which it is."""
    only(params, "VolumeId", "AutoEnableIO")
    await find_disk(context, params["VolumeId"])
    if not (params.get("AutoEnableIO") or {}).get("Value", True):
        raise EC2Error("UnsupportedOperation", "What a volume holds is never withheld here.")
    return {}


async def modify_volume(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Make it larger; a running guest sees that at once. What else it is stays."""
    only(params, "VolumeId", "Size", "VolumeType")
    if params.get("VolumeType", STANDARD) != STANDARD:
        raise EC2Error("UnsupportedOperation", f"Volumes are of the type {STANDARD} here.")
    disk = await find_free_disk(context, params["VolumeId"])
    was, wanted = size_gib(disk["size_bytes"]), params.get("Size")
    if wanted is None or wanted == was:
        return {"VolumeModification": _modification(disk, "completed")}
    if not was < wanted <= LARGEST_GIB:
        raise bad_value("Size", f"it is not from {was} to {LARGEST_GIB} GiB, and volumes do not shrink")
    await context.change("user.disk.grow", disk_id=disk["disk_id"], size_mib=wanted * 1024)
    return {"VolumeModification": {**_modification(disk, "modifying"), "TargetSize": wanted, "StartTime": utc_now()}}


def _modification(disk: Mapping[str, Any], state: str) -> dict[str, Any]:
    size = size_gib(disk["size_bytes"])
    return {
        "VolumeId": volume_id(disk),
        "ModificationState": state,
        "OriginalSize": size,
        "TargetSize": size if state == "completed" else None,
        "OriginalVolumeType": STANDARD,
        "TargetVolumeType": STANDARD,
        "Progress": 100 if state == "completed" else 0,
        "StatusMessage": disk["waiting_for"] or None,
    }


async def describe_volumes_modifications(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Those under way; of a volume that is named and does not change, the last one is completed: it is not kept."""
    only(params, "VolumeIds", "Filters", "MaxResults", "NextToken", "IncludeManagedResources")
    there = await disks(context)
    if params.get("VolumeIds"):
        there = ids.pick(ids.VOLUME, params["VolumeIds"], there, volume_id)
    else:
        there = [each for each in there if each["operation"] in _GROWS]
    known: dict[str, Values] = {
        "volume-id": lambda each: [volume_id(each)],
        "modification-state": lambda each: [_modified(each)],
        "original-size": lambda each: [str(size_gib(each["size_bytes"]))],
        "original-volume-type": lambda each: [STANDARD],
        "target-volume-type": lambda each: [STANDARD],
    }
    kept = filtered(there, params.get("Filters"), known)
    shown, token = page(kept, lambda each: each["disk_id"], params, "VolumeIds")
    return {"VolumesModifications": [_modification(each, _modified(each)) for each in shown], "NextToken": token}


def _modified(disk: Mapping[str, Any]) -> str:
    return "modifying" if disk["operation"] in _GROWS else "completed"


HANDLERS: Final = {
    "DescribeVolumeStatus": describe_volume_status,
    "DescribeVolumeAttribute": describe_volume_attribute,
    "ModifyVolumeAttribute": modify_volume_attribute,
    "ModifyVolume": modify_volume,
    "DescribeVolumesModifications": describe_volumes_modifications,
}
