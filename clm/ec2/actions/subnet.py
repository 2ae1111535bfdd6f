"""Subnets are the caller's networks; those of addresses from elsewhere are none."""

from __future__ import annotations

from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.vpc import default_vpc, networks, shown_subnet, subnet_id
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error
from clm.ec2.names import SUBNETS, Tags, wanted_tags


async def create_subnet(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """A network of exactly this block, where it is free in one of the VPC's."""
    only(params, "VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId", "TagSpecifications")
    (tags,) = wanted_tags(params.get("TagSpecifications"), SUBNETS)
    vpc = await default_vpc(context)
    ids.pick(ids.VPC, [params["VpcId"]], [{"VpcId": vpc}] if vpc else [], lambda each: str(each["VpcId"]))
    if not params.get("CidrBlock"):
        raise EC2Error("MissingParameter", "The request must contain the parameter CidrBlock")
    for name in ("AvailabilityZone", "AvailabilityZoneId"):
        if params.get(name, context.zone) != context.zone:
            raise EC2Error("InvalidParameterValue", f"The region {context.region} has the zone {context.zone} alone.")
    block = params["CidrBlock"]
    called = tags.name or SUBNETS.nameless({"network": block})
    made = await context.change("user.network.request", name=called, network=block, **tags.asked)
    held = await context.read("user.network.get_by_id", network_id=made["network_id"])
    return {"Subnet": shown_subnet(context, held, Tags(SUBNETS, {held["network_id"]: tags.tags}))}


async def delete_subnet(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """One that no instance is on."""
    only(params, "SubnetId")
    held = ids.pick(ids.SUBNET, [params["SubnetId"]], await networks(context), subnet_id)[0]
    await context.change("user.network.release", network_id=held["network_id"])
    return {}


# What all subnets are; each can be set to that.
_FIXED: Final = {
    "MapPublicIpOnLaunch": False, "MapCustomerOwnedIpOnLaunch": False, "EnableDns64": False,
    "EnableResourceNameDnsARecordOnLaunch": False, "EnableResourceNameDnsAAAARecordOnLaunch": False,
}  # fmt: skip


async def modify_subnet_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Nothing of a subnet can be changed; each attribute can be set to what it is."""
    only(params, "SubnetId", *_FIXED, "AssignIpv6AddressOnCreation")
    held = ids.pick(ids.SUBNET, [params["SubnetId"]], await networks(context), subnet_id)[0]
    now = {**_FIXED, "AssignIpv6AddressOnCreation": held["network6"] is not None}
    for name, value in now.items():
        if (params.get(name) or {}).get("Value", value) != value:
            raise EC2Error("UnsupportedOperation", f"{name} of a subnet is {str(value).lower()} here.")
    return {}


HANDLERS: Final = {
    "CreateSubnet": create_subnet,
    "DeleteSubnet": delete_subnet,
    "ModifySubnetAttribute": modify_subnet_attribute,
}
