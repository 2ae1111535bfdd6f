"""
Network interfaces are VMs' network cards: each is made and goes with its instance, so none is ever without one. Cards
on networks of everybody's are in no subnet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.group import group_id
from clm.ec2.actions.vpc import vpc_id
from clm.ec2.context import Context, only
from clm.ec2.lists import Values, filtered, page

Card = Mapping[str, Any]


def place_state(place: Mapping[str, Any]) -> str:
    """Of a card or a disk in a VM: whether its guest has it."""
    if place["leaving"]:
        return "detaching"
    return "attaching" if place["arriving"] else "attached"


def card_id(card: Card) -> str:
    return ids.id_of(ids.CARD, card["uuid"])


def attachment_id(card: Card) -> str:
    """A card has the one attachment, for as long as it is."""
    return ids.id_of(ids.CARD_ATTACHMENT, card["uuid"])


def subnet_of(card: Card) -> str | None:
    return ids.id_of(ids.SUBNET, card["subnet"]) if card["subnet"] else None


def groups_of(card: Card) -> list[dict[str, str]]:
    return [{"GroupId": group_id(each), "GroupName": each["name"]} for each in card["groups"]]


def shown(context: Context, card: Card, public: str | None) -> dict[str, Any]:
    """
    What instances tell of their cards.

    :param public: the address by which it is reached from outside.
    """
    four = [each for each in card["addresses"] if ":" not in each]
    association = {"PublicIp": public, "PublicDnsName": "", "IpOwnerId": context.owner} if public else None
    subnet = subnet_of(card)
    return {
        "NetworkInterfaceId": card_id(card),
        "OwnerId": context.owner,
        "Description": "",
        "MacAddress": card["mac"],
        "InterfaceType": "interface",
        "PrivateIpAddress": four[0] if four else None,
        "PrivateIpAddresses": [
            {"PrivateIpAddress": each, "Primary": index == 0, "Association": association if index == 0 else None}
            for index, each in enumerate(four)
        ],
        "Ipv6Addresses": [{"Ipv6Address": each} for each in card["addresses"] if ":" in each],
        "Association": association,
        "Groups": groups_of(card),
        "SourceDestCheck": not card["spoofing"],
        "Status": "in-use",
        "SubnetId": subnet,
        "VpcId": vpc_id(context) if subnet else None,
        "Attachment": {
            "AttachmentId": attachment_id(card),
            "DeviceIndex": card["nic"],
            "DeleteOnTermination": True,
            "Status": place_state(card),
        },
    }


async def describe_network_interfaces(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The network cards of the caller's instances."""
    only(params, "NetworkInterfaceIds", "Filters", "MaxResults", "NextToken", "IncludeManagedResources")
    there = [_told(context, card, vm) for vm in await context.read("user.vm.list_whole") for card in vm["nics"]]
    if params.get("NetworkInterfaceIds"):
        there = ids.pick(ids.CARD, params["NetworkInterfaceIds"], there, lambda each: str(each["NetworkInterfaceId"]))
    kept = filtered(there, params.get("Filters"), FILTERS, lambda each: {})
    some, token = page(kept, lambda each: int(each["_nic_id"]), params, "NetworkInterfaceIds")
    for each in some:
        del each["_nic_id"]
    return {"NetworkInterfaces": some, "NextToken": token}


def _told(context: Context, card: Card, vm: Mapping[str, Any]) -> dict[str, Any]:
    """``_nic_id`` orders them."""
    made, instance = shown(context, card, card["public"]), ids.id_of(ids.INSTANCE, vm["uuid"])
    attachment = {**made["Attachment"], "InstanceId": instance, "InstanceOwnerId": context.owner}
    return {
        **made, "_nic_id": card["nic_id"], "Attachment": attachment, "AvailabilityZone": context.zone,
        "RequesterManaged": False, "TagSet": [],
    }  # fmt: skip


FILTERS: Final[dict[str, Values]] = {
    "network-interface-id": lambda each: [each["NetworkInterfaceId"]],
    "subnet-id": lambda each: [each["SubnetId"]] if each["SubnetId"] else [],
    "vpc-id": lambda each: [each["VpcId"]] if each["VpcId"] else [],
    "availability-zone": lambda each: [each["AvailabilityZone"]],
    "owner-id": lambda each: [each["OwnerId"]],
    "requester-id": lambda each: [],
    "requester-managed": lambda each: ["false"],
    "status": lambda each: [each["Status"]],
    "description": lambda each: [each["Description"]],
    "interface-type": lambda each: [each["InterfaceType"]],
    "mac-address": lambda each: [each["MacAddress"]],
    "source-dest-check": lambda each: ["true" if each["SourceDestCheck"] else "false"],
    "group-id": lambda each: [group["GroupId"] for group in each["Groups"]],
    "group-name": lambda each: [group["GroupName"] for group in each["Groups"]],
    "private-ip-address": lambda each: [own["PrivateIpAddress"] for own in each["PrivateIpAddresses"]],
    "addresses.private-ip-address": lambda each: [own["PrivateIpAddress"] for own in each["PrivateIpAddresses"]],
    "ipv6-addresses.ipv6-address": lambda each: [own["Ipv6Address"] for own in each["Ipv6Addresses"]],
    "association.public-ip": lambda each: [each["Association"]["PublicIp"]] if each["Association"] else [],
    "addresses.association.public-ip": lambda each: [each["Association"]["PublicIp"]] if each["Association"] else [],
    "attachment.attachment-id": lambda each: [each["Attachment"]["AttachmentId"]],
    "attachment.instance-id": lambda each: [each["Attachment"]["InstanceId"]],
    "attachment.device-index": lambda each: [str(each["Attachment"]["DeviceIndex"])],
    "attachment.status": lambda each: [each["Attachment"]["Status"]],
}

HANDLERS: Final = {"DescribeNetworkInterfaces": describe_network_interfaces}
