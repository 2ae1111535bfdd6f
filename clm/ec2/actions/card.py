"""
Network interfaces are VMs' network cards: each is made and goes with its instance, so none is ever without one. Cards
on networks of everybody's are in no subnet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.group import group_id, groups
from clm.ec2.actions.vpc import networks, subnet_id, vpc_id
from clm.ec2.context import Context, only
from clm.ec2.lists import Values, filtered, page
from cm.rpc.vocabulary import PAGE_MAX

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


@dataclass
class Cards:
    """All of the caller's network cards, and what is told of them beside what they say themselves."""

    context: Context
    every: list[Card] = field(default_factory=list)
    subnets: dict[int, str] = field(default_factory=dict)  # by our networks' ids
    groups: dict[int, dict[str, str]] = field(default_factory=dict)  # by our groups' ids

    def __post_init__(self) -> None:
        self._of: dict[int, list[Card]] = {}

    def add(self, cards: list[Card]) -> None:
        self.every += cards
        for card in cards:
            self._of.setdefault(card["vm_id"], []).append(card)

    def of(self, vm: Mapping[str, Any]) -> list[Card]:
        """A VM's, the first one first."""
        return sorted(self._of.get(vm["vm_id"], []), key=lambda card: card["nic"])

    def subnet_of(self, card: Card) -> str | None:
        return self.subnets.get(card["network_id"])

    def subnet_of_vm(self, vm: Mapping[str, Any]) -> str | None:
        """Of its first card."""
        return next((self.subnet_of(card) for card in self.of(vm)), None)

    def groups_of(self, card: Card) -> list[dict[str, str]]:
        return [self.groups[each] for each in card["security_group_ids"] if each in self.groups]

    def groups_of_vm(self, vm: Mapping[str, Any]) -> list[dict[str, str]]:
        """Of its first card, as EC2 has it."""
        return next((self.groups_of(card) for card in self.of(vm)), [])


async def cards(context: Context) -> Cards:
    """With one call for each kind of object, however many there are."""
    made = Cards(context)
    after: dict[str, int] = {}
    while True:
        part = await context.read("user.nic.get_list", limit=PAGE_MAX, **after)
        made.add(part)
        if len(part) < PAGE_MAX:
            break
        after = {"after": part[-1]["nic_id"]}
    made.subnets = {each["network_id"]: subnet_id(each) for each in await networks(context)}
    made.groups = {
        each["security_group_id"]: {"GroupId": group_id(each), "GroupName": each["name"]}
        for each in await groups(context)
    }
    return made


def shown(held: Cards, card: Card, public: str | None) -> dict[str, Any]:
    """
    What instances tell of their cards.

    :param public: the address by which it is reached from outside.
    """
    four = [each for each in card["addresses"] if ":" not in each]
    association = {"PublicIp": public, "PublicDnsName": "", "IpOwnerId": held.context.owner} if public else None
    subnet = held.subnet_of(card)
    return {
        "NetworkInterfaceId": card_id(card),
        "OwnerId": held.context.owner,
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
        "Groups": held.groups_of(card),
        "SourceDestCheck": not card["spoofing"],
        "Status": "in-use",
        "SubnetId": subnet,
        "VpcId": vpc_id(held.context) if subnet else None,
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
    held = await cards(context)
    vms = {vm["vm_id"]: ids.id_of(ids.INSTANCE, vm["uuid"]) for vm in await context.read("user.vm.get_list")}
    public = {
        (each["vm_id"], each["nic"]): each["address"]
        for each in await context.read("user.public_address.get_list")
        if each["vm_id"] is not None and ":" not in each["address"]
    }
    there = [
        _told(held, card, vms[card["vm_id"]], public.get((card["vm_id"], card["nic"])))
        for card in held.every
        if card["vm_id"] in vms
    ]
    if params.get("NetworkInterfaceIds"):
        there = ids.pick(ids.CARD, params["NetworkInterfaceIds"], there, lambda each: str(each["NetworkInterfaceId"]))
    kept = filtered(there, params.get("Filters"), FILTERS, lambda each: {})
    some, token = page(kept, lambda each: int(each["_nic_id"]), params, "NetworkInterfaceIds")
    for each in some:
        del each["_nic_id"]
    return {"NetworkInterfaces": some, "NextToken": token}


def _told(held: Cards, card: Card, instance: str, public: str | None) -> dict[str, Any]:
    """``_nic_id`` orders them."""
    context = held.context
    made = shown(held, card, public)
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
