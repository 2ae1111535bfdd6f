"""
Placement groups are affinity groups: *cluster* is together on one node, as a wish, and *spread* is each on another, or
not at all. None that runs is moved for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.instance import find
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered
from cm.rpc.errors import InUse, NameTaken

# By strategy: how the members lie, and whether one that cannot lie so is not started.
_STRATEGIES: Final = {"cluster": ("together", False), "spread": ("apart", True)}
_OURS: Final = {affinity: strategy for strategy, (affinity, _) in _STRATEGIES.items()}
_LEVEL: Final = "host"  # what nodes are to those that are spread
Group = Mapping[str, Any]


def group_id(group: Group) -> str:
    return ids.id_of(ids.PLACEMENT_GROUP, group["uuid"])


async def _groups(context: Context) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await context.read("user.affinity_group.get_list")
    return found


def _named(there: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    found = next((each for each in there if each["name"] == name), None)
    if found is None:
        raise EC2Error(ids.UNKNOWN_PLACEMENT_GROUP, f"The Placement Group '{name[:100]}' is unknown.")
    return found


def names_group(placement: Mapping[str, Any]) -> bool:
    return bool(placement.get("GroupName") or placement.get("GroupId"))


async def wanted_group(context: Context, placement: Mapping[str, Any]) -> dict[str, Any]:
    """
    The group that is named.

    :param placement: what has ``GroupName`` or ``GroupId``.
    :raises EC2Error: by both, or the caller has none such.
    """
    name, given = placement.get("GroupName"), placement.get("GroupId")
    if name and given:
        raise EC2Error("InvalidParameterCombination", "A placement group is named either by GroupName or by GroupId.")
    there = await _groups(context)
    return ids.pick(ids.PLACEMENT_GROUP, [given], there, group_id)[0] if given else _named(there, str(name))


async def create_placement_group(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    An affinity group of the region: ``cluster`` wishes its instances onto one node, ``spread`` has each on another, or
    not at all. There are no partitions, and no tags.
    """
    only(params, "GroupName", "Strategy", "SpreadLevel")
    name, strategy = params.get("GroupName"), params.get("Strategy") or "cluster"
    if not name:
        raise EC2Error("MissingParameter", "The request must contain the parameter GroupName")
    if strategy == "partition":
        raise EC2Error("UnsupportedOperation", "There are no partitions here: nodes are not told by racks.")
    if strategy not in _STRATEGIES:
        raise bad_value("Strategy", "it is neither cluster nor spread")
    level = params.get("SpreadLevel")
    if level and strategy != "spread":
        raise EC2Error("InvalidParameterCombination", "SpreadLevel is of the strategy spread.")
    if level and level != _LEVEL:
        raise EC2Error("UnsupportedOperation", f"SpreadLevel is {_LEVEL} here.")
    affinity, strict = _STRATEGIES[strategy]
    try:
        made = await context.change("user.affinity_group.create", name=name, affinity=affinity, strict=strict)
    except NameTaken as error:
        raise EC2Error("InvalidPlacementGroup.Duplicate", str(error)) from None
    return {"PlacementGroup": _shown(context, made)}


async def delete_placement_group(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """One that no instance is in."""
    only(params, "GroupName")
    held = _named(await _groups(context), params["GroupName"])
    try:
        await context.change("user.affinity_group.delete", affinity_group_id=held["affinity_group_id"])
    except InUse as error:
        raise EC2Error("InvalidPlacementGroup.InUse", str(error)) from None
    return {}


async def describe_placement_groups(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's of the region."""
    only(params, "GroupIds", "GroupNames", "Filters")
    there = await _groups(context)
    if params.get("GroupIds"):
        there = ids.pick(ids.PLACEMENT_GROUP, params["GroupIds"], there, group_id)
    if params.get("GroupNames"):
        there = [_named(there, name) for name in dict.fromkeys(params["GroupNames"])]
    known: dict[str, Values] = {
        "group-name": lambda each: [each["name"]],
        "group-arn": lambda each: [_arn(context, each)],
        "state": lambda each: ["available"],
        "strategy": lambda each: [_OURS[each["affinity"]]],
        "spread-level": lambda each: [_LEVEL] if each["affinity"] == "apart" else [],
    }
    kept = filtered(there, params.get("Filters"), known, lambda each: {})
    return {"PlacementGroups": [_shown(context, each) for each in kept]}


def _arn(context: Context, group: Group) -> str:
    return f"arn:aws:ec2:{context.region}:{context.owner}:placement-group/{group['name']}"


def _shown(context: Context, group: Group) -> dict[str, Any]:
    return {
        "GroupName": group["name"],
        "GroupId": group_id(group),
        "GroupArn": _arn(context, group),
        "State": "available",
        "Strategy": _OURS[group["affinity"]],
        "SpreadLevel": _LEVEL if group["affinity"] == "apart" else None,
        "Tags": [],
    }


async def modify_instance_placement(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    Put an instance into another group, or with an empty ``GroupName`` into none; where it starts next is by that.
    """
    only(params, "InstanceId", "GroupName", "GroupId")
    if "GroupName" not in params and "GroupId" not in params:
        raise EC2Error("MissingParameter", "The request must contain GroupName or GroupId")
    (vm,) = await find(context, [params["InstanceId"]])
    held = await wanted_group(context, params) if names_group(params) else None
    key = held["affinity_group_id"] if held else None
    await context.change("user.vm.set_affinity_group", vm_id=vm["vm_id"], affinity_group_id=key)
    return {"Return": True}


HANDLERS: Final = {
    "CreatePlacementGroup": create_placement_group,
    "DeletePlacementGroup": delete_placement_group,
    "DescribePlacementGroups": describe_placement_groups,
    "ModifyInstancePlacement": modify_instance_placement,
}
