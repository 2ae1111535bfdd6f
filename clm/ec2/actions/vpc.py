"""
A VPC for each account and cluster, out of what there is: its subnets are the account's networks, its blocks the pools
that they are cut from. It can be read alone. Where users have no networks of their own there is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from ipaddress import IPv4Network
from operator import itemgetter
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.context import Context, only
from clm.ec2.errors import bad_value
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import SUBNETS, Tags, tags_of_all

_EVERYWHERE: Final = "0.0.0.0/0"


def vpc_id(context: Context) -> str:
    return _own(context, ids.VPC)


def _own(context: Context, kind: ids.Kind) -> str:
    """Of what an account has one of in each cluster."""
    said = f"{context.owner} {context.region}"
    return f"{kind.prefix}-{hashlib.sha256(said.encode()).hexdigest()[: ids.DIGITS]}"


def subnet_id(network: Mapping[str, Any]) -> str:
    return ids.id_of(ids.SUBNET, network["uuid"])


async def networks(context: Context) -> list[dict[str, Any]]:
    """The caller's, but for those whose guests have addresses from elsewhere: a subnet has a range of its own."""
    found: list[dict[str, Any]] = await context.read("user.network.list_user_networks")
    return [network for network in found if network["network"]]


async def wanted_networks(context: Context, given: str | None) -> dict[str, Any]:
    """What a new instance is asked for with to be in a subnet; nothing: it is in the default one, if there is any."""
    if not given:
        return {}
    found = ids.pick(ids.SUBNET, [given], await networks(context), subnet_id)[0]
    return {"networks": [found["network_id"]]}


async def _blocks(context: Context) -> list[str]:
    """What the VPC's addresses are of."""
    pools = [each["network"] for each in await context.read("user.network.list_available_networks")]
    blocks = list(dict.fromkeys(pools))
    for each in await networks(context):
        own = IPv4Network(each["network"])
        if not any(own.subnet_of(IPv4Network(block)) for block in blocks):
            blocks.append(each["network"])
    return blocks


async def default_vpc(context: Context) -> str | None:
    return vpc_id(context) if await _blocks(context) else None


async def _vpcs(context: Context) -> list[dict[str, Any]]:
    blocks = await _blocks(context)
    if not blocks:
        return []
    made = vpc_id(context)
    return [
        {
            "VpcId": made,
            "OwnerId": context.owner,
            "State": "available",
            "CidrBlock": blocks[0],
            "DhcpOptionsId": _own(context, ids.DHCP_OPTIONS),
            "CidrBlockAssociationSet": [
                {"AssociationId": made.replace("vpc-", "vpc-cidr-assoc-"), "CidrBlock": block,
                 "CidrBlockState": {"State": "associated"}}
                for block in blocks
            ],
            "InstanceTenancy": "default",
            "IsDefault": True,
            "Tags": [],
        }
    ]  # fmt: skip


async def describe_vpcs(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The one that there is, if users have networks of their own."""
    only(params, "VpcIds", "Filters", "MaxResults", "NextToken")
    known: dict[str, Values] = {
        "vpc-id": lambda each: [each["VpcId"]],
        "dhcp-options-id": lambda each: [each["DhcpOptionsId"]],
        "is-default": lambda each: ["true"],
        "isDefault": lambda each: ["true"],  # as old clients write it
        "state": lambda each: ["available"],
        "cidr": lambda each: [each["CidrBlock"]],
        "cidr-block-association.cidr-block": lambda each: [a["CidrBlock"] for a in each["CidrBlockAssociationSet"]],
        "owner-id": lambda each: [context.owner],
    }
    return await _told(params, await _vpcs(context), "Vpcs", ids.VPC, "VpcId", known)


async def describe_vpc_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Guests are told servers of names; their own names are known to each other alone."""
    only(params, "VpcId", "Attribute")
    ids.pick(ids.VPC, [params["VpcId"]], await _vpcs(context), itemgetter("VpcId"))
    values = {"enableDnsSupport": True, "enableDnsHostnames": False, "enableNetworkAddressUsageMetrics": False}
    name = params["Attribute"]
    if name not in values:
        raise bad_value("Attribute", f"'{name[:100]}' is no attribute of VPCs")
    return {"VpcId": params["VpcId"], name[0].upper() + name[1:]: {"Value": values[name]}}


async def describe_subnets(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's networks; the default one is made with their first instance."""
    only(params, "SubnetIds", "Filters", "MaxResults", "NextToken")
    there = await networks(context)
    if params.get("SubnetIds"):
        there = ids.pick(ids.SUBNET, params["SubnetIds"], there, subnet_id)
    known: dict[str, Values] = {
        "subnet-id": lambda each: [subnet_id(each)],
        "vpc-id": lambda each: [vpc_id(context)],
        "availability-zone": lambda each: [context.zone],
        "availabilityZone": lambda each: [context.zone],
        "availability-zone-id": lambda each: [context.zone],
        "cidr-block": lambda each: [each["network"]],
        "cidr": lambda each: [each["network"]],
        "default-for-az": lambda each: ["true" if each["is_default"] else "false"],
        "defaultForAz": lambda each: ["true" if each["is_default"] else "false"],
        "available-ip-address-count": lambda each: [str(each["leases"] - each["leases_used"])],
        "state": lambda each: ["available"],
        "owner-id": lambda each: [context.owner],
    }
    tags = await tags_of_all(context, SUBNETS)
    kept = filtered(there, params.get("Filters"), known, tags.of)
    shown, token = page(kept, lambda each: each["network_id"], params, "SubnetIds")
    return {"Subnets": [shown_subnet(context, each, tags) for each in shown], "NextToken": token}


def shown_subnet(context: Context, network: Mapping[str, Any], tags: Tags) -> dict[str, Any]:
    return {
        "SubnetId": subnet_id(network),
        "SubnetArn": f"arn:aws:ec2:{context.region}:{context.owner}:subnet/{subnet_id(network)}",
        "VpcId": vpc_id(context),
        "OwnerId": context.owner,
        "State": "available",
        "CidrBlock": network["network"],
        "AvailableIpAddressCount": network["leases"] - network["leases_used"],
        "AvailabilityZone": context.zone,
        "AvailabilityZoneId": context.zone,
        "DefaultForAz": network["is_default"],
        "MapPublicIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": network["network6"] is not None,
        "Ipv6CidrBlockAssociationSet": [
            {"AssociationId": subnet_id(network).replace("subnet-", "subnet-cidr-assoc-"),
             "Ipv6CidrBlock": network["network6"], "Ipv6CidrBlockState": {"State": "associated"}}
        ] if network["network6"] else [],
        "Tags": tags.shown(network),
    }  # fmt: skip


async def describe_internet_gateways(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The VPC's: its guests get out by their nodes."""
    only(params, "InternetGatewayIds", "Filters", "MaxResults", "NextToken")
    made = [
        {"InternetGatewayId": _own(context, ids.GATEWAY), "OwnerId": context.owner, "Tags": [],
         "Attachments": [{"State": "available", "VpcId": each["VpcId"]}]}
        for each in await _vpcs(context)
    ]  # fmt: skip
    known: dict[str, Values] = {
        "internet-gateway-id": lambda each: [each["InternetGatewayId"]],
        "attachment.vpc-id": lambda each: [vpc_id(context)],
        "attachment.state": lambda each: ["available"],
        "owner-id": lambda each: [context.owner],
    }
    return await _told(params, made, "InternetGateways", ids.GATEWAY, "InternetGatewayId", known)


async def describe_route_tables(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The VPC's main one, which all subnets have: between them, and out."""
    only(params, "RouteTableIds", "Filters", "MaxResults", "NextToken")
    table, gateway = _own(context, ids.ROUTES), _own(context, ids.GATEWAY)
    made = []
    for vpc in await _vpcs(context):
        routes = [(each["CidrBlock"], "local", "CreateRouteTable") for each in vpc["CidrBlockAssociationSet"]]
        routes.append((_EVERYWHERE, gateway, "CreateRoute"))
        made.append({
            "RouteTableId": table, "VpcId": vpc["VpcId"], "OwnerId": context.owner, "PropagatingVgws": [], "Tags": [],
            "Associations": [{"Main": True, "RouteTableAssociationId": table.replace("rtb-", "rtbassoc-"),
                              "RouteTableId": table, "AssociationState": {"State": "associated"}}],
            "Routes": [
                {"DestinationCidrBlock": to, "GatewayId": by, "Origin": origin, "State": "active"}
                for to, by, origin in routes
            ],
        })  # fmt: skip
    known: dict[str, Values] = {
        "route-table-id": lambda each: [table],
        "vpc-id": lambda each: [vpc_id(context)],
        "association.main": lambda each: ["true"],
        "association.route-table-id": lambda each: [table],
        "association.subnet-id": lambda each: [],  # the main one is of subnets that name none
        "owner-id": lambda each: [context.owner],
    }
    return await _told(params, made, "RouteTables", ids.ROUTES, "RouteTableId", known)


async def describe_network_acls(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The VPC's default one, which lets all pass: what keeps packets are security groups."""
    only(params, "NetworkAclIds", "Filters", "MaxResults", "NextToken")
    acl, vpcs = _own(context, ids.NETWORK_ACL), await _vpcs(context)
    subnets = [subnet_id(each) for each in await networks(context)] if vpcs else []
    entries = [
        {"Egress": egress, "CidrBlock": _EVERYWHERE, "Protocol": "-1", "RuleAction": action, "RuleNumber": number}
        for egress in (True, False)
        for number, action in ((100, "allow"), (32_767, "deny"))
    ]
    made = [
        {
            "NetworkAclId": acl, "VpcId": each["VpcId"], "OwnerId": context.owner, "IsDefault": True, "Tags": [],
            "Entries": entries,
            "Associations": [{"NetworkAclAssociationId": subnet.replace("subnet-", "aclassoc-"), "NetworkAclId": acl,
                              "SubnetId": subnet} for subnet in subnets],
        }
        for each in vpcs
    ]  # fmt: skip
    known: dict[str, Values] = {
        "network-acl-id": lambda each: [acl],
        "association.network-acl-id": lambda each: [acl],
        "association.subnet-id": lambda each: subnets,
        "vpc-id": lambda each: [each["VpcId"]],
        "default": lambda each: ["true"],
        "owner-id": lambda each: [context.owner],
    }
    return await _told(params, made, "NetworkAcls", ids.NETWORK_ACL, "NetworkAclId", known)


async def describe_dhcp_options(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The VPC's one set: guests are told servers of names by their nodes."""
    only(params, "DhcpOptionsIds", "Filters", "MaxResults", "NextToken")
    servers = {"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]}
    made = [
        {"DhcpOptionsId": each["DhcpOptionsId"], "OwnerId": context.owner, "Tags": [], "DhcpConfigurations": [servers]}
        for each in await _vpcs(context)
    ]
    known: dict[str, Values] = {
        "dhcp-options-id": lambda each: [each["DhcpOptionsId"]],
        "key": lambda each: ["domain-name-servers"],
        "value": lambda each: ["AmazonProvidedDNS"],
        "owner-id": lambda each: [context.owner],
    }
    return await _told(params, made, "DhcpOptions", ids.DHCP_OPTIONS, "DhcpOptionsId", known)


async def _told(params: Mapping[str, Any], there: Any, name: str, kind: ids.Kind, own: str,
                known: Mapping[str, Values]) -> dict[str, Any]:  # fmt: skip
    """What there is at most one of, by the action's parameter of ids and its filters."""
    parameter = f"{own}s"
    if params.get(parameter):
        there = ids.pick(kind, params[parameter], there, itemgetter(own))
    kept = filtered(there, params.get("Filters"), known, lambda each: {})
    shown, token = page(kept, lambda each: 1, params, parameter)
    return {name: shown, "NextToken": token}


HANDLERS: Final = {
    "DescribeVpcs": describe_vpcs,
    "DescribeVpcAttribute": describe_vpc_attribute,
    "DescribeSubnets": describe_subnets,
    "DescribeInternetGateways": describe_internet_gateways,
    "DescribeRouteTables": describe_route_tables,
    "DescribeNetworkAcls": describe_network_acls,
    "DescribeDhcpOptions": describe_dhcp_options,
}
