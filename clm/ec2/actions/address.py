"""
Elastic addresses are public addresses of IPv4. The tag ``Name`` is what is said of one, its description. An instance is
reached by one at its first network card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions.instance import find, instance_id, live
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error, bad_value
from clm.ec2.lists import Values, filtered
from clm.ec2.names import ADDRESSES, Tags, tags_of_all, wanted_tags
from cm.rpc.errors import CloudError

# The one card that an instance is reached at.
CARD: Final = 0


def allocation_id(address: Mapping[str, Any]) -> str:
    return ids.id_of(ids.ADDRESS, address["uuid"])


def association_id(address: Mapping[str, Any]) -> str | None:
    """None: nobody is reached by it."""
    return None if address["vm_id"] is None else _bound(address)


def _bound(address: Mapping[str, Any]) -> str:
    """Another one for each network card, so that an old one is good for nothing."""
    said = f"{address['uuid']} {address['vm_id']} {address['nic']}"
    return f"{ids.ASSOCIATION.prefix}-{hashlib.sha256(said.encode()).hexdigest()[: ids.DIGITS]}"


async def addresses(context: Context) -> list[Mapping[str, Any]]:
    """The caller's; of IPv6 EC2 has none."""
    return [each for each in await context.read("user.public_address.get_list") if ":" not in each["address"]]


ADDRESS_FILTERS: Final[dict[str, Values]] = {
    "allocation-id": lambda each: [allocation_id(each)],
    "association-id": lambda each: [association_id(each) or ""],
    "domain": lambda each: ["vpc"],
    "private-ip-address": lambda each: [each["guest"] or ""],
    "public-ip": lambda each: [each["address"]],
}


async def describe_addresses(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The caller's addresses of IPv4, and which instances are reached by them."""
    only(params, "AllocationIds", "PublicIps", "Filters")
    there = await addresses(context)
    if params.get("AllocationIds"):
        there = ids.pick(ids.ADDRESS, params["AllocationIds"], there, allocation_id)
    if params.get("PublicIps"):
        there = [_by_ip(there, each) for each in dict.fromkeys(params["PublicIps"])]
    reached = {vm["vm_id"]: instance_id(vm) for vm in await live(context)}
    known: dict[str, Values] = {
        **ADDRESS_FILTERS,
        "instance-id": lambda each: [reached.get(each["vm_id"], "")],
        "network-border-group": lambda each: [context.region],
    }
    tags = await tags_of_all(context, ADDRESSES)
    kept = filtered(there, params.get("Filters"), known, tags.of)
    return {"Addresses": [_shown(context, each, reached, tags) for each in kept]}


def _shown(
    context: Context, address: Mapping[str, Any], reached: Mapping[int, str], tags: Tags
) -> dict[str, Any]:
    return {
        "PublicIp": address["address"],
        "AllocationId": allocation_id(address),
        "AssociationId": association_id(address),
        "Domain": "vpc",
        "InstanceId": reached.get(address["vm_id"]),
        "PrivateIpAddress": address["guest"],
        "PublicIpv4Pool": "amazon",  # what AWS calls its own
        "NetworkBorderGroup": context.region,
        "Tags": tags.shown(address),
    }


async def describe_addresses_attribute(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Names of addresses in DNS are not kept: no address has one."""
    only(params, "AllocationIds", "Attribute", "MaxResults", "NextToken")
    there = await addresses(context)
    if params.get("AllocationIds"):
        there = ids.pick(ids.ADDRESS, params["AllocationIds"], there, allocation_id)
    return {"Addresses": [{"PublicIp": each["address"], "AllocationId": allocation_id(each)} for each in there]}


async def allocate_address(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """One of the region's that is free, or exactly the one that is asked for; its domain is vpc, whichever is asked."""
    only(params, "Domain", "Address", "NetworkBorderGroup", "PublicIpv4Pool", "TagSpecifications")
    if params.get("PublicIpv4Pool", "amazon") != "amazon":
        raise EC2Error("UnsupportedOperation", "There is one pool of addresses here, amazon.")
    if params.get("NetworkBorderGroup", context.region) != context.region:
        raise bad_value("NetworkBorderGroup", f"it is not {context.region}")
    if ":" in params.get("Address", ""):
        raise bad_value("Address", "it is not of IPv4")
    (tags,) = wanted_tags(params.get("TagSpecifications"), ADDRESSES)
    asked: dict[str, Any] = {"description": tags.named, **tags.asked}
    if params.get("Address"):
        asked["address"] = params["Address"]
    made = await context.change("user.public_address.request", **asked)
    shown = _shown(context, made, {}, Tags(ADDRESSES))
    return {name: shown[name] for name in ("PublicIp", "AllocationId", "Domain", "PublicIpv4Pool",
                                           "NetworkBorderGroup")}  # fmt: skip


async def release_address(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Give back one that no instance has."""
    only(params, "AllocationId", "PublicIp", "NetworkBorderGroup")
    address = _one(params, await addresses(context))
    if address["vm_id"] is not None:
        raise EC2Error("InvalidIPAddress.InUse", f"Address {address['address']} is in use by an instance")
    await context.change("user.public_address.release", public_address_id=address["public_address_id"])
    return {}


async def associate_address(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    Another instance that has the address loses it, unless ``AllowReassociation`` is false; an address that the instance
    had stays the caller's.
    """
    only(params, "AllocationId", "PublicIp", "InstanceId", "AllowReassociation")
    if not params.get("InstanceId"):
        raise EC2Error("MissingParameter", "The request must contain the parameter InstanceId")
    there = await addresses(context)
    address = _one(params, there)
    (vm,) = await find(context, [params["InstanceId"]])
    had = (address["vm_id"], address["nic"])
    if had == (vm["vm_id"], CARD):
        return {"AssociationId": association_id(address)}
    if address["vm_id"] is not None and not params.get("AllowReassociation", True):
        raise EC2Error("Resource.AlreadyAssociated", f"{allocation_id(address)} is already associated")
    leaving = [each for each in there if (each["vm_id"], each["nic"]) == (vm["vm_id"], CARD)]
    leaving += [address] if address["vm_id"] is not None else []
    left: list[Mapping[str, Any]] = []
    try:
        for each in leaving:
            await context.change("user.public_address.unassign", public_address_id=each["public_address_id"])
            left.append(each)
        made = await _assign(context, address, vm["vm_id"], CARD)
    except CloudError:
        for each in left:  # all of it or nothing
            await _assign(context, each, each["vm_id"], each["nic"])
        raise
    return {"AssociationId": association_id(made)}


async def _assign(context: Context, address: Mapping[str, Any], vm_id: int, nic: int) -> dict[str, Any]:
    made: dict[str, Any] = await context.change(
        "user.public_address.assign", public_address_id=address["public_address_id"], vm_id=vm_id, nic=nic
    )
    return made


async def disassociate_address(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Nobody is reached by it any more; it stays the caller's."""
    only(params, "AssociationId", "PublicIp")
    there = await addresses(context)
    if params.get("AssociationId"):
        bound = [each for each in there if each["vm_id"] is not None]
        address = ids.pick(ids.ASSOCIATION, [params["AssociationId"]], bound, _bound)[0]
    else:
        address = _one(params, there)
    await context.change("user.public_address.unassign", public_address_id=address["public_address_id"])
    return {}


def _one(params: Mapping[str, Any], there: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    if params.get("AllocationId"):
        return ids.pick(ids.ADDRESS, [params["AllocationId"]], there, allocation_id)[0]
    if params.get("PublicIp"):
        return _by_ip(there, params["PublicIp"])
    raise EC2Error("MissingParameter", "The request must name the address by its id or by PublicIp")


def _by_ip(there: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    found = next((each for each in there if each["address"] == wanted), None)
    if found is None:
        raise EC2Error("InvalidAddress.NotFound", f"Address '{wanted[:100]}' not found.")
    return found


HANDLERS: Final = {
    "AllocateAddress": allocate_address,
    "AssociateAddress": associate_address,
    "DescribeAddresses": describe_addresses,
    "DescribeAddressesAttribute": describe_addresses_attribute,
    "DisassociateAddress": disassociate_address,
    "ReleaseAddress": release_address,
}
