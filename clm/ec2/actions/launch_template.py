"""
Launch templates, which the cloud keeps for each region by themselves. What is in them is what ``RunInstances`` takes,
and is looked at when instances are made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import TEMPLATES, Tags, wanted_tags
from cm.rpc.errors import NameTaken

# Members of ``RunInstances`` that a template may hold.
HOLDS: Final = (
    "ImageId", "InstanceType", "KeyName", "UserData", "Placement", "SecurityGroupIds", "SecurityGroups",
    "NetworkInterfaces", "TagSpecifications", "BlockDeviceMappings", "Monitoring", "InstanceInitiatedShutdownBehavior",
    "MetadataOptions", "DisableApiTermination",
)  # fmt: skip
LATEST: Final = "$Latest"
DEFAULT: Final = "$Default"
Template = Mapping[str, Any]
Version = Mapping[str, Any]


def template_id(template: Template) -> str:
    return ids.id_of(ids.TEMPLATE, template["uuid"])


async def templates(context: Context) -> list[dict[str, Any]]:
    """The caller's of the region."""
    found = await context.cloud("user.launch_template.get_list")
    return [each for each in found if each["cluster_id"] == context.cluster_id]


async def versions(context: Context, template: Template) -> list[dict[str, Any]]:
    """The newest first."""
    key = template["launch_template_id"]
    found: list[dict[str, Any]] = await context.cloud("user.launch_template.list_versions", launch_template_id=key)
    return found


async def _one(context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """:raises EC2Error: it is named by both, by neither, or is not there."""
    given, name = params.get("LaunchTemplateId"), params.get("LaunchTemplateName")
    if bool(given) == bool(name):
        raise EC2Error("MissingParameter", "The request must contain either LaunchTemplateId or LaunchTemplateName")
    there = await templates(context)
    return ids.pick(ids.TEMPLATE, [given], there, template_id)[0] if given else _named(there, str(name))


def _named(there: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    found = next((each for each in there if each["name"] == name), None)
    if found is None:
        told = f"The launch template '{name[:100]}' does not exist"
        raise EC2Error("InvalidLaunchTemplateName.NotFoundException", told)
    return found


def _number(template: Template, given: str) -> int:
    """:raises EC2Error: it is no version's."""
    if given in (LATEST, DEFAULT):
        return int(template["latest_version" if given == LATEST else "default_version"])
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise bad_value("Version", f"'{given[:100]}' is neither a number nor {LATEST} nor {DEFAULT}")
    return int(given)


def _picked(there: Sequence[Version], template: Template, given: str) -> Version:
    number = there[0]["number"] if given == LATEST and there else _number(template, given)
    found = next((each for each in there if each["number"] == number), None)
    if found is None:
        told = f"{template_id(template)} has no version {given[:20]}"
        raise EC2Error("InvalidLaunchTemplateId.VersionNotFound", told)
    return found


# ------------------------------------------------------------------ what is told


def _told(context: Context, template: Template) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template_id(template),
        "LaunchTemplateName": template["name"],
        "CreateTime": template["created"],
        "CreatedBy": context.arn,
        "DefaultVersionNumber": template["default_version"],
        "LatestVersionNumber": template["latest_version"],
        "Tags": Tags(TEMPLATES).shown(template),
    }


def _told_version(context: Context, template: Template, version: Version) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template_id(template),
        "LaunchTemplateName": template["name"],
        "VersionNumber": version["number"],
        "VersionDescription": version["description"] or None,
        "CreateTime": version["created"],
        "CreatedBy": context.arn,
        "DefaultVersion": version["number"] == template["default_version"],
        "LaunchTemplateData": json.loads(version["data"]),
    }


FILTERS: Final[dict[str, Values]] = {
    "launch-template-name": lambda each: [each["name"]],
    "create-time": lambda each: [each["created"]],
}


async def describe_launch_templates(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's in the region."""
    only(params, "LaunchTemplateIds", "LaunchTemplateNames", "Filters", "MaxResults", "NextToken",
         "IncludeManagedResources")  # fmt: skip
    there = await templates(context)
    chosen = params.get("LaunchTemplateIds") or params.get("LaunchTemplateNames")
    if params.get("LaunchTemplateIds"):
        there = ids.pick(ids.TEMPLATE, params["LaunchTemplateIds"], there, template_id)
    if params.get("LaunchTemplateNames"):
        there = [_named(there, name) for name in dict.fromkeys(params["LaunchTemplateNames"])]
    kept = filtered(there, params.get("Filters"), FILTERS, Tags(TEMPLATES).of)
    params = {**params, "_chosen": chosen}
    shown, token = page(kept, lambda each: each["launch_template_id"], params, "_chosen", least=1)
    return {"LaunchTemplates": [_told(context, each) for each in shown], "NextToken": token}


async def describe_launch_template_versions(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of one template; of all templates the latest or default ones, where ``Versions`` asks for these."""
    only(params, "LaunchTemplateId", "LaunchTemplateName", "Versions", "MinVersion", "MaxVersion", "Filters",
         "MaxResults", "NextToken", "IncludeManagedResources")  # fmt: skip
    wanted = params.get("Versions") or []
    if params.get("LaunchTemplateId") or params.get("LaunchTemplateName"):
        of = [await _one(context, params)]
    elif wanted and set(wanted) <= {LATEST, DEFAULT}:
        of = await templates(context)
    else:
        raise EC2Error("MissingParameter", f"Without a launch template, Versions is {LATEST} or {DEFAULT}")
    made: list[tuple[Template, Version]] = []
    for template in of:
        there: Sequence[Version] = await versions(context, template)
        if wanted:
            numbers = {_picked(there, template, each)["number"] for each in wanted}
            there = [each for each in there if each["number"] in numbers]
        least = _number(template, params.get("MinVersion") or "0")
        most = _number(template, params.get("MaxVersion") or LATEST)
        made += [(template, each) for each in there if least <= each["number"] <= most]
    known: dict[str, Values] = {
        "is-default-version": lambda pair: ["true" if pair[1]["number"] == pair[0]["default_version"] else "false"],
        "image-id": lambda pair: [json.loads(pair[1]["data"]).get("ImageId", "")],
        "instance-type": lambda pair: [json.loads(pair[1]["data"]).get("InstanceType", "")],
    }
    kept = filtered(made, params.get("Filters"), known)
    shown, token = page(kept, _order, params, least=1)
    return {"LaunchTemplateVersions": [_told_version(context, *pair) for pair in shown], "NextToken": token}


def _order(pair: tuple[Template, Version]) -> int:
    """Each version's own number over all templates."""
    return int(pair[0]["launch_template_id"]) * 2**31 + int(pair[1]["number"])


# ------------------------------------------------------------------ changes


async def create_launch_template(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """With its first version, which is the default one. Whether there is what it names is seen when it is used."""
    only(params, "LaunchTemplateName", "VersionDescription", "LaunchTemplateData", "ClientToken", "TagSpecifications")
    (tags,) = wanted_tags(params.get("TagSpecifications"), TEMPLATES)
    name = params["LaunchTemplateName"]
    asked = {"name": name, "data": _data(params["LaunchTemplateData"]), "cluster_id": context.cluster_id, **tags.asked}
    if params.get("VersionDescription"):
        asked["description"] = params["VersionDescription"]
    try:
        made = await context.change(
            "user.launch_template.create", cloud=True, token=params.get("ClientToken") or None, **asked
        )
    except NameTaken:
        told = f"The launch template '{name[:100]}' exists"
        raise EC2Error("InvalidLaunchTemplateName.AlreadyExistsException", told) from None
    return {"LaunchTemplate": _told(context, made)}


def _data(given: Mapping[str, Any]) -> str:
    """:raises EC2Error: it holds what ``RunInstances`` does not do here."""
    only(given, *HOLDS)
    return json.dumps(given, separators=(",", ":"), sort_keys=True)


async def create_launch_template_version(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """What ``SourceVersion`` holds, but for what is given anew."""
    only(params, "LaunchTemplateId", "LaunchTemplateName", "SourceVersion", "VersionDescription", "LaunchTemplateData",
         "ClientToken")  # fmt: skip
    template, given = await _one(context, params), params["LaunchTemplateData"]
    if params.get("SourceVersion"):
        source = _picked(await versions(context, template), template, params["SourceVersion"])
        given = {**json.loads(source["data"]), **given}
    asked = {"data": _data(given), "description": params.get("VersionDescription", "")}
    made = await context.change(
        "user.launch_template.add_version", cloud=True, token=params.get("ClientToken") or None,
        launch_template_id=template["launch_template_id"], **asked,
    )  # fmt: skip
    return {"LaunchTemplateVersion": _told_version(context, template, made)}


async def modify_launch_template(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Name another version the default one."""
    only(params, "LaunchTemplateId", "LaunchTemplateName", "DefaultVersion", "ClientToken")
    template = await _one(context, params)
    if not params.get("DefaultVersion"):
        raise EC2Error("MissingParameter", "The request must contain the parameter SetDefaultVersion")
    chosen = _picked(await versions(context, template), template, params["DefaultVersion"])
    made = await context.change(
        "user.launch_template.set_default", cloud=True, launch_template_id=template["launch_template_id"],
        number=chosen["number"],
    )  # fmt: skip
    return {"LaunchTemplate": _told(context, made)}


async def delete_launch_template(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """With all its versions; instances that were made of it go on."""
    only(params, "LaunchTemplateId", "LaunchTemplateName")
    template = await _one(context, params)
    key = template["launch_template_id"]
    await context.change("user.launch_template.delete", cloud=True, launch_template_id=key)
    return {"LaunchTemplate": _told(context, template)}


async def delete_launch_template_versions(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Those that are there, but for the default one, each for itself."""
    only(params, "LaunchTemplateId", "LaunchTemplateName", "Versions")
    template = await _one(context, params)
    there = {each["number"] for each in await versions(context, template)}
    done: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    for number in dict.fromkeys(_number(template, given) for given in params["Versions"]):
        told = {"LaunchTemplateId": template_id(template), "LaunchTemplateName": template["name"],
                "VersionNumber": number}  # fmt: skip
        if number not in there:
            wrong = {"Code": "launchTemplateVersionDoesNotExist", "Message": f"There is no version {number}"}
            left.append({**told, "ResponseError": wrong})
        elif number == template["default_version"]:
            wrong = {"Code": "unexpectedError", "Message": "It is the default version"}
            left.append({**told, "ResponseError": wrong})
        else:
            await context.change(
                "user.launch_template.delete_version", cloud=True,
                launch_template_id=template["launch_template_id"], number=number,
            )  # fmt: skip
            done.append(told)
    return {"SuccessfullyDeletedLaunchTemplateVersions": done, "UnsuccessfullyDeletedLaunchTemplateVersions": left}


# ------------------------------------------------------------------ use


async def with_template(context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """
    What ``RunInstances`` is asked for, with what its launch template holds beside. Tags of a kind that it is asked for
    with are in place of the template's of that kind.

    :raises EC2Error: there is no such template, or version.
    """
    given = {name: value for name, value in params.items() if name != "LaunchTemplate"}
    asked = params.get("LaunchTemplate")
    if not asked:
        return given
    template = await _one(context, asked)
    chosen = _picked(await versions(context, template), template, asked.get("Version") or DEFAULT)
    held = json.loads(chosen["data"])
    tagged = {each.get("ResourceType") for each in given.get("TagSpecifications", [])}
    kept = [each for each in held.pop("TagSpecifications", []) if each.get("ResourceType") not in tagged]
    made = {**held, **given}
    if kept or tagged:
        made["TagSpecifications"] = [*kept, *given.get("TagSpecifications", [])]
    return made


HANDLERS: Final = {
    "CreateLaunchTemplate": create_launch_template,
    "CreateLaunchTemplateVersion": create_launch_template_version,
    "DescribeLaunchTemplates": describe_launch_templates,
    "DescribeLaunchTemplateVersions": describe_launch_template_versions,
    "ModifyLaunchTemplate": modify_launch_template,
    "DeleteLaunchTemplate": delete_launch_template,
    "DeleteLaunchTemplateVersions": delete_launch_template_versions,
}
