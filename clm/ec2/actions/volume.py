"""Volumes are disks, of the catalogue and VMs' own; snapshots are snapshots of disks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.card import place_state
from clm.ec2.actions.catalogue import GIB, size_gib
from clm.ec2.actions.instance import find, instance_id, live
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import SNAPSHOTS, VOLUMES, Tags, tags_of_all, wanted_tags
from clm.ec2.xml import told_time
from cm.rpc.vocabulary import PAGE_MAX

STANDARD: Final = "standard"  # the one type of volumes
DELETION_S: Final = 25.0  # that a call waits for the end of a snapshot's
_STATES: Final = {"adding": "creating", "ok": "available", "deleted": "deleting"}


def volume_id(disk: Mapping[str, Any]) -> str:
    return ids.id_of(ids.VOLUME, disk["uuid"])


def snapshot_id(snapshot: Mapping[str, Any]) -> str:
    return ids.id_of(ids.SNAPSHOT, snapshot["uuid"])


async def disks(context: Context) -> list[dict[str, Any]]:
    found = await context.read("user.disk.get_list", limit=PAGE_MAX)
    return [each for each in found if each["kind"] != "iso"]


async def snapshots(context: Context) -> list[dict[str, Any]]:
    """The caller's. One whose deletion is under way is none any more: clients ask about each that they are shown."""
    found = await context.read("user.snapshot.get_list", limit=PAGE_MAX)
    return [each for each in found if not each["going"]]


async def find_disk(context: Context, given: str) -> Mapping[str, Any]:
    """:raises EC2Error: it is none of the caller's volumes."""
    return ids.pick(ids.VOLUME, [given], await disks(context), volume_id)[0]


async def find_free_disk(context: Context, given: str) -> Mapping[str, Any]:
    """
    The same, once the deletion of its snapshots has ended: clients were told that those have gone. What takes longer is
    refused by the cluster.

    :raises EC2Error: as ``find_disk``.
    """
    disk = await find_disk(context, given)
    if disk["operation"] != "snapshot_delete":
        return disk
    await context.read("user.operation.wait", operation_id=disk["operation_id"], timeout=DELETION_S)
    return await find_disk(context, given)


def volume_state(disk: Mapping[str, Any]) -> str:
    return "in-use" if disk["attachments"] else _STATES.get(disk["state"], "error")


VOLUME_FILTERS: Final[dict[str, Values]] = {
    "volume-id": lambda each: [volume_id(each)],
    "status": lambda each: [volume_state(each)],
    "size": lambda each: [str(size_gib(each["size_bytes"]))],
    "create-time": lambda each: [told_time(each["created"])],
    "encrypted": lambda each: ["false"],
    "volume-type": lambda each: [STANDARD],
    "attachment.device": lambda each: [f"/dev/{place['device']}" for place in each["attachments"]],
    "attachment.status": lambda each: [place_state(place) for place in each["attachments"]],
    "attachment.delete-on-termination": lambda each: [
        "true" if place["delete_with_vm"] else "false" for place in each["attachments"]
    ],
}


async def describe_volumes(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's disks but for ISO images, VMs' own among them; none in the trash."""
    only(params, "VolumeIds", "Filters", "MaxResults", "NextToken", "IncludeManagedResources")
    there = await disks(context)
    if params.get("VolumeIds"):
        there = ids.pick(ids.VOLUME, params["VolumeIds"], there, volume_id)
    vms = await _instances(context)
    known: dict[str, Values] = {
        **VOLUME_FILTERS,
        "availability-zone": lambda each: [context.zone],
        "attachment.instance-id": lambda each: [vms[p["vm_id"]] for p in each["attachments"] if p["vm_id"] in vms],
    }
    tags = await tags_of_all(context, VOLUMES)
    kept = filtered(there, params.get("Filters"), known, tags.of)
    shown, token = page(kept, lambda each: each["disk_id"], params, "VolumeIds")
    return {"Volumes": [_volume(context, each, vms, tags) for each in shown], "NextToken": token}


async def _instances(context: Context) -> dict[int, str]:
    return {vm["vm_id"]: instance_id(vm) for vm in await live(context)}


def _volume(context: Context, disk: Mapping[str, Any], vms: Mapping[int, str], tags: Tags) -> dict[str, Any]:
    return {
        "VolumeId": volume_id(disk),
        "Size": size_gib(disk["size_bytes"]),
        "State": volume_state(disk),
        "AvailabilityZone": context.zone,
        "CreateTime": disk["created"],
        "VolumeType": STANDARD,
        "Encrypted": False,
        "MultiAttachEnabled": False,
        "SnapshotId": "",
        "Attachments": [
            _attachment(disk, vms[place["vm_id"]], place["device"], place_state(place), place["delete_with_vm"])
            for place in disk["attachments"] if place["vm_id"] in vms
        ],
        "Tags": tags.shown(disk),
    }  # fmt: skip


def _attachment(disk: Mapping[str, Any], vm: str, device: str, state: str, delete: bool = False) -> dict[str, Any]:
    return {
        "VolumeId": volume_id(disk),
        "InstanceId": vm,
        "Device": f"/dev/{device}",
        "State": state,
        "AttachTime": disk["created"],
        "DeleteOnTermination": delete,
    }


async def create_volume(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """An empty one of whole GiB, or a new one with what a snapshot holds."""
    only(params, "AvailabilityZone", "Size", "SnapshotId", "VolumeType", "TagSpecifications", "ClientToken")
    if params.get("AvailabilityZone", context.zone) != context.zone:
        raise EC2Error("InvalidParameterValue", f"The region {context.region} has the zone {context.zone} alone.")
    (tags,) = wanted_tags(params.get("TagSpecifications"), VOLUMES)
    size, token = params.get("Size"), params.get("ClientToken") or None
    if params.get("SnapshotId"):
        held = ids.pick(ids.SNAPSHOT, [params["SnapshotId"]], await snapshots(context), snapshot_id)[0]
        if size is not None and size != size_gib(held["size_bytes"]):
            raise EC2Error("UnsupportedOperation", "A volume of a snapshot is as large as that; grow it afterwards.")
        made = await context.change(
            "user.snapshot.create_disk", token=token, snapshot_id=held["snapshot_id"], name=tags.named, **tags.asked
        )
    elif size is None:
        raise EC2Error("MissingParameter", "The request must contain either Size or SnapshotId")
    elif not 1 <= size <= 2048:
        raise bad_value("Size", "it is not from 1 to 2048 GiB")
    else:
        size_mib = size * GIB // 2**20
        made = await context.change("user.disk.create", token=token, name=tags.named, size_mib=size_mib, **tags.asked)
    disk = await context.read("user.disk.get_by_id", disk_id=made["disk_id"])
    return _volume(context, disk, {}, Tags(VOLUMES, {disk["disk_id"]: tags.tags}))


async def delete_volume(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """It lies in the trash until that is emptied; EC2's clients see it no more."""
    only(params, "VolumeId")
    disk = await find_free_disk(context, params["VolumeId"])
    if disk["attachments"]:
        raise EC2Error("VolumeInUse", f"Volume {params['VolumeId']} is currently attached to an instance")
    await context.change("user.disk.delete", disk_id=disk["disk_id"])
    return {}


async def attach_volume(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The guest sees the next free device, which is told; the one that is asked for has no say in it."""
    only(params, "VolumeId", "InstanceId", "Device")
    disk = await find_free_disk(context, params["VolumeId"])
    (vm,) = await find(context, [params["InstanceId"]])
    if disk["attachments"]:
        raise EC2Error("VolumeInUse", f"{params['VolumeId']} is already attached to an instance")
    work = await context.change("user.disk.attach", disk_id=disk["disk_id"], vm_id=vm["vm_id"])
    return _attachment(disk, instance_id(vm), work["device"], "attaching")


async def detach_volume(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Unmount it in the guest before: one that does not let go keeps it. The volume's id is enough."""
    only(params, "VolumeId", "InstanceId", "Device")
    disk = await find_disk(context, params["VolumeId"])
    vms = await _instances(context)
    places = [each for each in disk["attachments"] if each["vm_id"] in vms]
    if params.get("InstanceId"):
        ids.check(ids.INSTANCE, params["InstanceId"])
        places = [each for each in places if vms[each["vm_id"]] == params["InstanceId"]]
    if not places:
        raise EC2Error("IncorrectState", f"Volume '{params['VolumeId']}' is in the 'available' state.")
    work = await context.change("user.disk.detach", disk_id=disk["disk_id"], vm_id=places[0]["vm_id"])
    return _attachment(disk, vms[places[0]["vm_id"]], work["device"], "detaching")


# ------------------------------------------------------------------ snapshots

SNAPSHOT_FILTERS: Final[dict[str, Values]] = {
    "snapshot-id": lambda each: [snapshot_id(each)],
    "description": lambda each: [each["description"]],
    "status": lambda each: [_snapshot_state(each)],
    "volume-size": lambda each: [str(size_gib(each["size_bytes"]))],
    "start-time": lambda each: [told_time(each["created"])],
    "encrypted": lambda each: ["false"],
}


def _snapshot_state(snapshot: Mapping[str, Any]) -> str:
    return "completed" if snapshot["taken"] else "pending"


async def describe_snapshots(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's; nobody else's are public."""
    only(params, "SnapshotIds", "OwnerIds", "RestorableByUserIds", "Filters", "MaxResults", "NextToken")
    there = await snapshots(context)
    if params.get("SnapshotIds"):
        there = ids.pick(ids.SNAPSHOT, params["SnapshotIds"], there, snapshot_id)
    for whose in ("OwnerIds", "RestorableByUserIds"):
        if params.get(whose) and not {"self", context.owner} & set(params[whose]):
            there = []
    volumes = {each["disk_id"]: volume_id(each) for each in await disks(context)}
    known: dict[str, Values] = {
        **SNAPSHOT_FILTERS,
        "volume-id": lambda each: [volumes.get(each["disk_id"], "")],
        "owner-id": lambda each: [context.owner],
    }
    tags = await tags_of_all(context, SNAPSHOTS)
    kept = filtered(there, params.get("Filters"), known, tags.of)
    shown, token = page(kept, lambda each: each["snapshot_id"], params, "SnapshotIds")
    return {"Snapshots": [_snapshot(context, each, volumes, tags) for each in shown], "NextToken": token}


def _snapshot(
    context: Context, snapshot: Mapping[str, Any], volumes: Mapping[int, str], tags: Tags
) -> dict[str, Any]:
    return {
        "SnapshotId": snapshot_id(snapshot),
        "VolumeId": volumes.get(snapshot["disk_id"], ""),
        "State": _snapshot_state(snapshot),
        "StartTime": snapshot["taken"] or snapshot["created"],
        "Progress": "100%" if snapshot["taken"] else "0%",
        "OwnerId": context.owner,
        "Description": snapshot["description"],
        "VolumeSize": size_gib(snapshot["size_bytes"]),
        "Encrypted": False,
        "StorageTier": "standard",
        "Tags": tags.shown(snapshot),
    }


async def create_snapshot(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of one volume; its guest may run meanwhile."""
    only(params, "VolumeId", "Description", "TagSpecifications")
    disk = await find_free_disk(context, params["VolumeId"])
    (tags,) = wanted_tags(params.get("TagSpecifications"), SNAPSHOTS)
    work = await context.change(
        "user.disk.create_snapshot", disk_id=disk["disk_id"], name=tags.named,
        description=params.get("Description", ""), **tags.asked,
    )  # fmt: skip
    made = await context.read("user.snapshot.get_by_id", snapshot_id=work["snapshot_ids"][0])
    kept = Tags(SNAPSHOTS, {made["snapshot_id"]: tags.tags})
    return _snapshot(context, made, {disk["disk_id"]: volume_id(disk)}, kept)


async def delete_snapshot(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """This one alone, also where it was taken together with others."""
    only(params, "SnapshotId")
    held = ids.pick(ids.SNAPSHOT, [params["SnapshotId"]], await snapshots(context), snapshot_id)[0]
    await context.change("user.snapshot.delete", snapshot_id=held["snapshot_id"], alone=held["group_id"] is not None)
    return {}


HANDLERS: Final = {
    "DescribeVolumes": describe_volumes,
    "CreateVolume": create_volume,
    "DeleteVolume": delete_volume,
    "AttachVolume": attach_volume,
    "DetachVolume": detach_volume,
    "DescribeSnapshots": describe_snapshots,
    "CreateSnapshot": create_snapshot,
    "DeleteSnapshot": delete_snapshot,
}
