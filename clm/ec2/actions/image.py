"""How images come and go: made of instances and snapshots, fetched from URLs, copied; cancelled and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from clm.ec2 import ids
from clm.ec2.actions.catalogue import find_image, image_id, images
from clm.ec2.actions.instance import find
from clm.ec2.actions.launch import ROOTS
from clm.ec2.actions.volume import snapshot_id, snapshots
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import IMAGES, Wanted, put_tags, tags_of_all, told, wanted_tags
from cm.rpc.vocabulary import NAME_MAX, PAGE_MAX, SourceFormat

_ARCHITECTURES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
_PLATFORMS: Final = {"linux": "linux", "windows": "windows"}
_FORMATS: Final = {each.value.upper(): each.value for each in SourceFormat}
_TASKS: Final = replace(IMAGES, resource="import-image-task")  # the image to be is the task, and keeps its tags


async def create_image(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of an instance's root disk, as it is at one moment. The instance is not halted, whatever ``NoReboot`` says."""
    only(params, "InstanceId", "Name", "Description", "NoReboot", "TagSpecifications")
    (tags,) = wanted_tags(params.get("TagSpecifications"), IMAGES)
    (vm,) = await find(context, [params["InstanceId"]])
    made = await context.change("user.vm.save", vm_id=vm["vm_id"], **_called(params))
    return await _made(context, made, tags)


def _called(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": params["Name"], "description": params.get("Description", "")}


async def _made(context: Context, made: Mapping[str, Any], tags: Wanted) -> dict[str, Any]:
    image = await _tagged(context, made, tags)
    return {"ImageId": image_id(image)}


async def _tagged(context: Context, made: Mapping[str, Any], tags: Wanted) -> Mapping[str, Any]:
    """An image that is being made, with its tags."""
    if tags.tags:
        await put_tags(context, IMAGES, made, tags.tags)
    image: dict[str, Any] = await context.read("user.system_image.get_by_id", image_id=made["image_id"])
    return image


async def register_image(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of a snapshot, which ``BlockDeviceMappings`` names for the root device; or of a URL, as ``ImageLocation``."""
    only(params, "Name", "Description", "Architecture", "RootDeviceName", "BlockDeviceMappings", "ImageLocation",
         "VirtualizationType", "TagSpecifications")  # fmt: skip
    (tags,) = wanted_tags(params.get("TagSpecifications"), IMAGES)
    if params.get("VirtualizationType", "hvm") != "hvm":
        raise EC2Error("UnsupportedOperation", "VirtualizationType is hvm here.")
    architecture = _architecture(params)
    location, mappings = params.get("ImageLocation"), params.get("BlockDeviceMappings") or []
    asked: dict[str, Any]
    if bool(location) == bool(mappings):
        raise EC2Error("MissingParameter", "An image is made of a snapshot, by BlockDeviceMapping, or of ImageLocation")
    if location:
        url = _url("ImageLocation", location)
        view, asked = "user.system_image.import_url", {"url": url, "architecture": architecture}
    elif architecture != "x86_64":
        raise EC2Error("UnsupportedOperation", "Of a snapshot an image of x86_64 is made.")
    else:
        given = _root_snapshot(mappings, params.get("RootDeviceName"))
        held = ids.pick(ids.SNAPSHOT, [given], await snapshots(context), snapshot_id)[0]
        view, asked = "user.snapshot.to_image", {"snapshot_id": held["snapshot_id"]}
    return await _made(context, await context.change(view, **_called(params), **asked), tags)


def _root_snapshot(mappings: list[dict[str, Any]], root: str | None) -> str:
    """:raises EC2Error: there is more than the root device, or no snapshot of it."""
    if len(mappings) > 1:
        raise EC2Error("UnsupportedOperation", "An image has a root disk alone.")
    only(mappings[0], "DeviceName", "Ebs")
    ebs = mappings[0].get("Ebs") or {}
    only(ebs, "SnapshotId", "DeleteOnTermination", "VolumeType")
    if mappings[0].get("DeviceName") not in (ROOTS if root is None else {root}):
        raise bad_value("BlockDeviceMapping.1.DeviceName", "it is not the root device's")
    if not ebs.get("DeleteOnTermination", True):
        raise EC2Error("UnsupportedOperation", "An instance's root disk goes with it.")
    if not ebs.get("SnapshotId"):
        raise EC2Error("MissingParameter", "The root device needs Ebs.SnapshotId")
    return str(ebs["SnapshotId"])


def _architecture(params: Mapping[str, Any]) -> str:
    given = params.get("Architecture") or "x86_64"
    if given not in _ARCHITECTURES:
        raise bad_value("Architecture", "it is neither x86_64 nor arm64")
    return _ARCHITECTURES[given]


def _url(name: str, given: str) -> str:
    """:raises EC2Error: it is none that images are fetched from."""
    if urlsplit(given).scheme not in ("http", "https"):
        raise EC2Error("UnsupportedOperation", f"{name} is a URL of https or http here.")
    return given


async def deregister_image(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """It is deleted, unless instances still stand on it: then it is a ``DependencyViolation``."""
    only(params, "ImageId")
    image = await find_image(context, params["ImageId"])
    await context.change("user.system_image.delete", image_id=image["image_id"])
    return {"Return": True}


async def copy_image(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """A copy of the caller's own, within a region or from another, which stays when that one goes."""
    only(params, "Name", "Description", "SourceImageId", "SourceRegion", "ClientToken", "CopyImageTags",
         "TagSpecifications")  # fmt: skip
    if params["SourceRegion"] not in {each.name for each in context.clusters}:
        raise bad_value("SourceRegion", "there is no such region")
    source = replace(context, region=params["SourceRegion"])
    (tags,) = wanted_tags(params.get("TagSpecifications"), IMAGES)
    image = await find_image(source, params["SourceImageId"])
    if params.get("CopyImageTags"):
        tags = replace(tags, tags={**(await tags_of_all(source, IMAGES)).of(image), **tags.tags})
    asked = {"name": params["Name"]}
    if params.get("Description"):
        asked["description"] = params["Description"]
    token = params.get("ClientToken") or None
    if source.region == context.region:
        made = await context.change("user.system_image.copy", token=token, image_id=image["image_id"], **asked)
    else:
        made = await context.change(
            "user.system_image.copy_to_cluster", token=token, cloud=True, uuid=image["uuid"], target=context.region,
            **asked,
        )  # fmt: skip
    return await _made(context, made, tags)


# ------------------------------------------------------------------ imports


def task_id(image: Mapping[str, Any]) -> str:
    return ids.id_of(ids.IMPORT, image["uuid"])


async def import_image(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    From an object of a bucket of the caller's, or a URL of https or http, as it is or packed. The image is called as
    its file; its tags are those of the task.
    """
    only(params, "Architecture", "ClientToken", "Description", "DiskContainers", "Hypervisor", "LicenseType",
         "Platform", "TagSpecifications")  # fmt: skip
    (tags,) = wanted_tags(params.get("TagSpecifications"), _TASKS)
    containers = params.get("DiskContainers") or []
    if len(containers) != 1:
        raise EC2Error("UnsupportedOperation", "An image is imported from one disk container.")
    only(containers[0], "Description", "Format", "Url", "UserBucket")
    view, source, path = await _source(context, containers[0])
    asked: dict[str, Any] = {
        "name": _named(path),
        "description": params.get("Description") or containers[0].get("Description") or "",
        **source,
        "architecture": _architecture(params),
        "platform": _platform(params.get("Platform")),
    }
    if containers[0].get("Format"):
        format_ = _FORMATS.get(containers[0]["Format"].upper())
        if format_ is None:
            raise EC2Error("UnsupportedOperation", f"Format is one of {', '.join(sorted(_FORMATS))} here.")
        asked["format"] = format_
    made = await context.change(view, token=params.get("ClientToken") or None, **asked)
    image = await _tagged(context, made, tags)
    return _task(image, "active", tags.tags)


async def _source(context: Context, container: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
    """
    The view that imports what a container names, what that is asked with, and the file's name.

    :raises EC2Error: it is neither a URL nor an object of the caller's.
    """
    url: str = container.get("Url") or ""
    place = container.get("UserBucket")
    if bool(url) == bool(place):
        raise EC2Error("MissingParameter", "The disk container needs either Url or UserBucket")
    if place:
        only(place, "S3Bucket", "S3Key")
        bucket, key = place.get("S3Bucket"), place.get("S3Key")
    elif url.lower().startswith("s3://"):
        bucket, _, key = url[len("s3://") :].partition("/")
    else:
        return "user.system_image.import_url", {"url": _url("Url", url)}, unquote(urlsplit(url).path)
    if not bucket or not key:
        raise EC2Error("MissingParameter", "An object is named by a bucket and a key")
    there = {each["name"]: each["bucket_id"] for each in await context.read("user.bucket.get_list")}
    if bucket not in there:
        raise bad_value("DiskContainer.1.UserBucket.S3Bucket", "there is no such bucket of the caller's")
    return "user.system_image.import_object", {"bucket_id": there[bucket], "key": key}, key


def _named(path: str) -> str:
    """What an image is called that comes from there: as its file."""
    name = "".join(sign for sign in path.rpartition("/")[2] if sign.isprintable()).strip()
    return name[:NAME_MAX] or "imported"


def _platform(given: str | None) -> str:
    found = _PLATFORMS.get((given or "Linux").lower())
    if found is None:
        raise bad_value("Platform", "it is neither Linux nor Windows")
    return found


def _task(image: Mapping[str, Any], status: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "ImportTaskId": task_id(image),
        "ImageId": image_id(image) if status == "completed" else None,
        "Status": status,
        "StatusMessage": image["error"] or image["waiting_for"] or None,
        "Progress": str(image["progress"]) if status == "active" else None,
        "Description": image["description"],
        "Architecture": next(theirs for theirs, ours in _ARCHITECTURES.items() if ours == image["architecture"]),
        "Platform": "Windows" if image["platform"] == "windows" else "Linux",
        "SnapshotDetails": [{"DiskImageSize": float(image["size_bytes"]), "Status": status}],
        "Tags": told(tags),
    }


async def _tasks(context: Context) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """The caller's images that came as files, or are coming; and how far each is."""
    opened = await context.read("user.operation.get_list", only_open=True, limit=PAGE_MAX)
    coming = {each["operation_id"] for each in opened if each["kind"] == "image_import"}
    made: dict[int, str] = {}
    there = [each for each in await images(context) if each["mine"]]
    for image in there:
        if image["operation_id"] in coming:
            made[image["image_id"]] = "active"
        elif image["state"] == "failed":
            made[image["image_id"]] = "deleted"
        elif image["sha256"]:
            made[image["image_id"]] = "completed"
    return [each for each in there if each["image_id"] in made], made


async def describe_import_image_tasks(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's images that were imported or are being; one that could not be is ``deleted``, and says why."""
    only(params, "ImportTaskIds", "Filters", "MaxResults", "NextToken")
    there, state = await _tasks(context)
    if params.get("ImportTaskIds"):
        there = ids.pick(ids.IMPORT, params["ImportTaskIds"], there, task_id)
    tags = await tags_of_all(context, IMAGES)
    known: dict[str, Values] = {"task-state": lambda each: [state[each["image_id"]]]}
    kept = filtered(there, params.get("Filters"), known, tags.of)
    shown, token = page(kept, lambda each: each["image_id"], params, "ImportTaskIds", least=1)
    made = [_task(each, state[each["image_id"]], tags.of(each)) for each in shown]
    return {"ImportImageTasks": made, "NextToken": token}


async def cancel_import_task(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """What is being imported comes no more."""
    only(params, "ImportTaskId", "CancelReason")
    given = params.get("ImportTaskId")
    if not given:
        raise EC2Error("MissingParameter", "The request must contain the parameter ImportTaskId")
    there, state = await _tasks(context)
    image = ids.pick(ids.IMPORT, [given], there, task_id)[0]
    if state[image["image_id"]] != "active":
        raise EC2Error("IncorrectState", f"The task {given} is {state[image['image_id']]}")
    await context.change("user.operation.abandon", operation_id=image["operation_id"])
    return {"ImportTaskId": given, "PreviousState": "active", "State": "deleting"}


HANDLERS: Final = {
    "CreateImage": create_image,
    "RegisterImage": register_image,
    "DeregisterImage": deregister_image,
    "CopyImage": copy_image,
    "ImportImage": import_image,
    "DescribeImportImageTasks": describe_import_image_tasks,
    "CancelImportTask": cancel_import_task,
}
