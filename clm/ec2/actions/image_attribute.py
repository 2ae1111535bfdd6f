"""Attributes of images one at a time; and who may use one, by the levels of ``user.acl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.catalogue import find_image, shown_image
from clm.ec2.actions.metadata_option import V2, imds_support
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.names import IMAGES, Tags
from cm.rpc.errors import ObjectNotFound

_PERMISSION: Final = "launchPermission"
_IMDS: Final = "imdsSupport"
# As the answer has them; what no image here has is empty.
_FIXED: Final[Mapping[str, dict[str, Any]]] = {
    "kernel": {"KernelId": {}},
    "ramdisk": {"RamdiskId": {}},
    "productCodes": {"ProductCodes": []},
    "sriovNetSupport": {"SriovNetSupport": {}},
    "bootMode": {"BootMode": {}},
    "tpmSupport": {"TpmSupport": {}},
    "uefiData": {"UefiData": {}},
    "lastLaunchedTime": {"LastLaunchedTime": {}},
    "deregistrationProtection": {"DeregistrationProtection": {"Value": "disabled"}},
}
USER: Final = "user"  # the level that launching takes
_WORDS: Final = {"add": "Add", "remove": "Remove"}


async def describe_image_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Who else may launch it is told to whom it belongs, or who may share it."""
    only(params, "ImageId", "Attribute")
    name = params["Attribute"]
    if name not in (*_FIXED, _PERMISSION, _IMDS, "description", "blockDeviceMapping"):
        raise bad_value("Attribute", f"'{name[:100]}' is no attribute of images")
    image = await find_image(context, params["ImageId"])
    made: dict[str, Any] = dict(_FIXED.get(name, {}))
    if name == _PERMISSION:
        made = {"LaunchPermissions": await _permissions(context, image)}
    elif name == _IMDS:
        support = imds_support(image)
        made = {"ImdsSupport": {"Value": support} if support else {}}
    elif name == "description":
        made = {"Description": {"Value": image["description"]}}
    elif name == "blockDeviceMapping":
        told = shown_image(image, Tags(IMAGES))
        made = {"BlockDeviceMappings": told["BlockDeviceMappings"]}
    return {"ImageId": params["ImageId"], **made}


async def _accounts(context: Context, image: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Accounts that it is shared with, by their numbers, with their levels."""
    entries = await context.read("user.acl.get_list", kind="image", object_id=image["image_id"])
    found = [(each["subject"].get("account_number"), each["level"]) for each in entries]
    return [(number, level) for number, level in found if number and number != image["account_number"]]


async def _permissions(context: Context, image: Mapping[str, Any]) -> list[dict[str, Any]]:
    public = [{"Group": "all"}] if image["access"] == "public" else []
    return [*public, *({"UserId": ids.account(int(number))} for number, _ in await _accounts(context, image))]


async def modify_image_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    Its description; or which accounts may launch it, by their numbers. Who has a higher level keeps that. Public it is
    made by administrators alone, and private again by its owners. With ``ImdsSupport`` v2.0 instances of it are told
    nothing without a token.
    """
    only(params, "ImageId", "Attribute", "Description", "LaunchPermission", "OperationType", "UserIds", "UserGroups",
         "Value", "ImdsSupport")  # fmt: skip
    if "ImdsSupport" in params:
        return await _support(context, params)
    text, permission = _wanted(params)
    image = await find_image(context, params["ImageId"])
    if permission is not None:
        await _share(context, image, permission)
    if text is not None:
        await context.change("user.system_image.edit", image_id=image["image_id"], description=text)
    return {}


async def _support(context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
    only(params, "ImageId", "ImdsSupport")
    if params["ImdsSupport"].get("Value") != V2:
        raise bad_value("ImdsSupport", f"it is not {V2}, and is not taken back")
    image = await find_image(context, params["ImageId"])
    await context.change("user.system_image.edit", image_id=image["image_id"], imds_tokens="required")
    return {}


def _wanted(params: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any] | None]:
    """
    The description to be, and what is to be added and removed; the old form names one by ``Attribute``.

    :raises EC2Error: nothing is asked for, or both, or something else.
    """
    name, text, permission = params.get("Attribute"), params.get("Description"), params.get("LaunchPermission")
    if name == "description":
        text = text or {"Value": params.get("Value", "")}
    elif name == _PERMISSION and permission is None:
        word = _WORDS.get(params.get("OperationType") or "")
        if word is None:
            raise bad_value("OperationType", "it is neither add nor remove")
        given = [{"UserId": each} for each in params.get("UserIds") or []]
        permission = {word: [*given, *({"Group": each} for each in params.get("UserGroups") or [])]}
    elif name not in (None, _PERMISSION):
        raise EC2Error("UnsupportedOperation", "Of an image its description and launchPermission can be changed.")
    if (text is None) == (permission is None):
        raise EC2Error("InvalidParameterCombination", "One attribute is changed at a time.")
    return None if text is None else str(text.get("Value", "")), permission


async def _share(context: Context, image: Mapping[str, Any], permission: Mapping[str, Any]) -> None:
    """All that is asked for is looked at before any of it is done; what is given is there before others lose theirs."""
    added, removed = (_subjects(permission.get(word) or []) for word in ("Add", "Remove"))
    if "all" in added and image["access"] != "public":
        raise EC2Error("UnsupportedOperation", "Images are made public by the cloud's administrators alone.")
    level = dict(await _accounts(context, image))
    for number in added:
        if number != "all" and number not in level and number != image["account_number"]:
            await _set(context, image, number, USER)
    if "all" in removed and image["access"] == "public":
        await _private(context, image)
    for number in removed:
        if level.get(number) == USER:
            await _set(context, image, number, None)


async def _private(context: Context, image: Mapping[str, Any]) -> None:
    """Groups that it is shared with keep it: our own view takes it from them, too."""
    if image["group_ids"]:
        raise EC2Error("UnsupportedOperation", "It is shared with groups of the cloud, which would lose it, too.")
    await context.change("user.system_image.set_private", image_id=image["image_id"])


async def _set(context: Context, image: Mapping[str, Any], number: str, level: str | None) -> None:
    try:
        await context.change(
            "user.acl.set", kind="image", object_id=image["image_id"], level=level, account_number=number
        )
    except ObjectNotFound as error:
        if error.kind != "user":
            raise
        raise EC2Error("InvalidAMIAttributeItemValue", f"There is no account {number} in this region") from None


def _subjects(given: Sequence[Mapping[str, Any]]) -> list[str]:
    """Numbers of accounts without leading zeros; "all": everybody."""
    made = []
    for each in given:
        only(each, "UserId", "Group")
        number, group = each.get("UserId"), each.get("Group")
        if bool(number) == bool(group) or (group and group != "all"):
            raise EC2Error("InvalidAMIAttributeItemValue", "Each is either a UserId or the Group all")
        if number and not (number.isascii() and number.isdigit() and len(number) <= 12):
            raise EC2Error("InvalidAMIAttributeItemValue", f"'{number[:100]}' is no number of an account")
        made.append(str(int(number)) if number else "all")
    return list(dict.fromkeys(made))


async def reset_image_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """``launchPermission``: no account may launch it but those with a higher level, and not everybody."""
    only(params, "ImageId", "Attribute")
    if params["Attribute"] != _PERMISSION:
        raise bad_value("Attribute", f"it is not {_PERMISSION}")
    image = await find_image(context, params["ImageId"])
    everybody = [{"Group": "all"}] if image["access"] == "public" else []
    accounts = [{"UserId": number} for number, level in await _accounts(context, image) if level == USER]
    await _share(context, image, {"Remove": [*everybody, *accounts]})
    return {}


HANDLERS: Final = {
    "DescribeImageAttribute": describe_image_attribute,
    "ModifyImageAttribute": modify_image_attribute,
    "ResetImageAttribute": reset_image_attribute,
}
