"""Regions are clusters; each has one zone, called as its region with a letter more."""

from __future__ import annotations

from typing import Any, Final

from clm.ec2.actions.vpc import default_vpc
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error
from clm.ec2.lists import Values, filtered

REGIONS: Final[dict[str, Values]] = {
    "region-name": lambda each: [each["RegionName"]],
    "endpoint": lambda each: [each["Endpoint"]],
    "opt-in-status": lambda each: [each["OptInStatus"]],
}
ZONES: Final[dict[str, Values]] = {
    "region-name": lambda each: [each["RegionName"]],
    "zone-name": lambda each: [each["ZoneName"]],
    "zone-id": lambda each: [each["ZoneId"]],
    "zone-type": lambda each: [each["ZoneType"]],
    "state": lambda each: [each["State"]],
    "group-name": lambda each: [each["GroupName"]],
    "opt-in-status": lambda each: [each["OptInStatus"]],
}


async def describe_regions(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """All clusters, whichever was asked, and whether they answer or not."""
    only(params, "RegionNames", "Filters", "AllRegions")
    made = [
        {"RegionName": each["name"], "Endpoint": _endpoint(context, each["name"]), "OptInStatus": "opt-in-not-required"}
        for each in await context.cloud("user.cluster.get_list")
    ]
    return {"Regions": filtered(_named(made, "RegionName", params.get("RegionNames")), params.get("Filters"), REGIONS)}


async def describe_availability_zones(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The zone of the region that is asked; it is unavailable when its cluster does not answer."""
    only(params, "ZoneNames", "ZoneIds", "Filters", "AllAvailabilityZones")
    clusters = await context.cloud("user.cluster.get_list")
    cluster = next(each for each in clusters if each["name"] == context.region)
    zone: dict[str, Any] = {
        "State": "available" if cluster["state"] in ("ok", "unknown") else "unavailable",
        "OptInStatus": "opt-in-not-required",
        "Messages": [],
        "RegionName": context.region,
        "ZoneName": context.zone,
        "ZoneId": context.zone,
        "GroupName": context.region,
        "NetworkBorderGroup": context.region,
        "ZoneType": "availability-zone",
    }
    made = _named(_named([zone], "ZoneName", params.get("ZoneNames")), "ZoneId", params.get("ZoneIds"))
    return {"AvailabilityZones": filtered(made, params.get("Filters"), ZONES)}


async def describe_account_attributes(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """What old clients ask to know whether there is a VPC."""
    only(params, "AttributeNames")
    values = {"supported-platforms": ["VPC"], "default-vpc": [await default_vpc(context) or "none"]}
    wanted = params.get("AttributeNames") or list(values)
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": each} for each in values[name]]}
            for name in values
            if name in wanted
        ]
    }


def _named(made: list[dict[str, Any]], name: str, wanted: list[str] | None) -> list[dict[str, Any]]:
    if not wanted:
        return made
    absent = sorted(set(wanted) - {each[name] for each in made})
    if absent:
        raise EC2Error("InvalidParameterValue", f"Invalid {name}: {', '.join(absent)[:200]}")
    return [each for each in made if each[name] in wanted]


def _endpoint(context: Context, name: str) -> str:
    """A host, as EC2 tells them; with ``ec2_url`` the one that it makes."""
    url = context.endpoint.replace("{cluster}", name)
    return url.partition("://")[2].rstrip("/") or url


HANDLERS: Final = {
    "DescribeRegions": describe_regions,
    "DescribeAvailabilityZones": describe_availability_zones,
    "DescribeAccountAttributes": describe_account_attributes,
}
