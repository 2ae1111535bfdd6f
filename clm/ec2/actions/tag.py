"""Tags, of which there is ``Name``: what an object is called. It cannot be taken away, only said anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions import address, catalogue, group, instance, volume, vpc
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import NAME, name_in


@dataclass(frozen=True)
class Tagged:
    """A kind of object that has a name, and how it is given another."""

    kind: ids.Kind
    resource: str  # EC2's word for it
    every: Callable[[Context], Awaitable[Sequence[Mapping[str, Any]]]]
    id_of: Callable[[Mapping[str, Any]], str]
    edit: str
    parameter: str
    name: str = "name"  # where the tag is kept


TAGGED: Final = (
    Tagged(ids.INSTANCE, "instance", instance.live, instance.instance_id, "user.vm.edit", "vm_id"),
    Tagged(ids.IMAGE, "image", catalogue.images, catalogue.image_id, "user.system_image.edit", "image_id"),
    Tagged(ids.VOLUME, "volume", volume.disks, volume.volume_id, "user.disk.edit", "disk_id"),
    Tagged(ids.SNAPSHOT, "snapshot", volume.snapshots, volume.snapshot_id, "user.snapshot.edit", "snapshot_id"),
    Tagged(ids.GROUP, "security-group", group.groups, group.group_id, "user.security_group.edit", "security_group_id"),
    Tagged(ids.SUBNET, "subnet", vpc.networks, vpc.subnet_id, "user.network.edit", "network_id"),
    Tagged(ids.ADDRESS, "elastic-ip", address.addresses, address.allocation_id, "user.public_address.edit",
           "public_address_id", "description"),
)  # fmt: skip


async def create_tags(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Give objects a name; all ids are looked at before one of them gets it."""
    only(params, "Resources", "Tags")
    name = name_in(params["Tags"])
    if not name:
        raise EC2Error("UnsupportedOperation", "A name cannot be empty.")
    found = [(tagged, each) for tagged, ids_ in _by_kind(params["Resources"]) for each in
             ids.pick(tagged.kind, ids_, await tagged.every(context), tagged.id_of)]  # fmt: skip
    for tagged, each in found:
        await context.change(tagged.edit, **{tagged.parameter: each[tagged.parameter], tagged.name: name})
    return {}


async def delete_tags(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of tags that nothing has, none is there to delete; a name stays."""
    only(params, "Resources", "Tags")
    tags = params.get("Tags")
    for tagged, ids_ in _by_kind(params["Resources"]):
        there = ids.pick(tagged.kind, ids_, await tagged.every(context), tagged.id_of)
        for each in there:
            # As with EC2 one that is not there is deleted already, and one with another value is not meant.
            if each[tagged.name] and (
                not tags
                or any(
                    tag.get("Key") == NAME and tag.get("Value", each[tagged.name]) == each[tagged.name] for tag in tags
                )
            ):
                raise EC2Error(
                    "UnsupportedOperation", "The tag Name is what the object is called, and cannot be deleted."
                )
    return {}


def _by_kind(resources: list[str]) -> list[tuple[Tagged, list[str]]]:
    """:raises EC2Error: an id is of no kind that has a name."""
    made: dict[str, tuple[Tagged, list[str]]] = {}
    for given in resources:
        prefix = given.partition("-")[0]
        tagged = next((each for each in TAGGED if each.kind.prefix == prefix), None)
        if tagged is None:
            raise EC2Error("InvalidID", f"The ID '{given[:100]}' is not valid")
        made.setdefault(prefix, (tagged, []))[1].append(given)
    return list(made.values())


KNOWN: Final[dict[str, Values]] = {
    "key": lambda tag: [NAME],
    "value": lambda tag: [tag["Value"]],
    "resource-id": lambda tag: [tag["ResourceId"]],
    "resource-type": lambda tag: [tag["ResourceType"]],
}


async def describe_tags(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """The names of all that the caller has."""
    only(params, "Filters", "MaxResults", "NextToken")
    made: list[dict[str, Any]] = []
    for tagged in TAGGED:
        for each in sorted(await tagged.every(context), key=lambda each: each[tagged.parameter]):
            if each.get("mine", True) and each[tagged.name]:
                told = {"Key": NAME, "ResourceId": tagged.id_of(each), "ResourceType": tagged.resource}
                made.append({**told, "Value": each[tagged.name]})
    # An id of its own for each, which does not change while others come and go: its digits, as a number.
    shown, token = page(filtered(made, params.get("Filters"), KNOWN), _number, params)
    return {"Tags": shown, "NextToken": token}


def _number(tag: Mapping[str, Any]) -> int:
    return int(tag["ResourceId"].partition("-")[2][:15], 16)


HANDLERS: Final = {"CreateTags": create_tags, "DeleteTags": delete_tags, "DescribeTags": describe_tags}
