"""Tags of what there is: of all kinds that have any, by their ids."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clm.ec2 import ids
from clm.ec2.actions import address, catalogue, group, instance, key, launch_template, volume, vpc
from clm.ec2.context import Context, only
from clm.ec2.errors import EC2Error
from clm.ec2.lists import Values, filtered, page
from clm.ec2.names import (
    ADDRESSES,
    GROUPS,
    IMAGES,
    INSTANCES,
    KEYS,
    NAME,
    SNAPSHOTS,
    SUBNETS,
    TEMPLATES,
    VOLUMES,
    Tagged,
    Tags,
    checked,
    put_tags,
    split,
    tags_of_all,
    take_tags,
)
from cm.rpc.vocabulary import TAGS_MAX


@dataclass(frozen=True)
class Kind:
    """How objects are found whose tags are told."""

    id: ids.Kind
    tagged: Tagged
    every: Callable[[Context], Awaitable[Sequence[Mapping[str, Any]]]]
    id_of: Callable[[Mapping[str, Any]], str]


KINDS: Final = (
    Kind(ids.INSTANCE, INSTANCES, instance.live, instance.instance_id),
    Kind(ids.IMAGE, IMAGES, catalogue.images, catalogue.image_id),
    Kind(ids.VOLUME, VOLUMES, volume.disks, volume.volume_id),
    Kind(ids.SNAPSHOT, SNAPSHOTS, volume.snapshots, volume.snapshot_id),
    Kind(ids.GROUP, GROUPS, group.groups, group.group_id),
    Kind(ids.SUBNET, SUBNETS, vpc.networks, vpc.subnet_id),
    Kind(ids.ADDRESS, ADDRESSES, address.addresses, address.allocation_id),
    Kind(ids.KEY, KEYS, key.keys, key.key_id),
    Kind(ids.TEMPLATE, TEMPLATES, launch_template.templates, launch_template.template_id),
)

Found = tuple[Kind, Mapping[str, Any]]


async def create_tags(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Give objects tags; all ids and tags are looked at before one of them gets any."""
    only(params, "Resources", "Tags")
    tags = checked(params["Tags"])
    if not tags:
        raise EC2Error("MissingParameter", "The request must contain the parameter Tag")
    found = await _found(context, params["Resources"])
    wanted = {kind.id.prefix: split(kind.tagged, tags) for kind, _ in found}
    kept = {kind.id.prefix: await tags_of_all(context, kind.tagged) for kind in {kind for kind, _ in found}}
    for kind, each in found:
        if len(kept[kind.id.prefix].kept_of(each).keys() | tags.keys()) > TAGS_MAX:
            raise EC2Error("TagLimitExceeded", f"An object has at most {TAGS_MAX} tags.")
    for kind, each in found:
        made, tagged = wanted[kind.id.prefix], kind.tagged
        if made.tags:
            await put_tags(context, tagged, each, made.tags)
        if made.name is not None:
            await _call(context, tagged, each, made.name)
    return {}


async def delete_tags(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """
    One that is not there is deleted already, and one with another value is not meant. What loses its ``Name`` is called
    as what never had one.
    """
    only(params, "Resources", "Tags")
    meant = params.get("Tags") or []
    if any(not tag.get("Key") for tag in meant):
        raise EC2Error("MissingParameter", "A tag needs a Key")
    found = await _found(context, params["Resources"])
    kept = {kind.id.prefix: await tags_of_all(context, kind.tagged) for kind in {kind for kind, _ in found}}
    for kind, each in found:
        tagged, there = kind.tagged, kept[kind.id.prefix].of(each)
        going = [key for key, value in there.items() if not meant or any(
            tag["Key"] == key and tag.get("Value", value) == value for tag in meant
        )]  # fmt: skip
        if tagged.name and NAME in going:
            going.remove(NAME)
            await _call(context, tagged, each, tagged.nameless(each))
        if going:
            await take_tags(context, tagged, each, going)
    return {}


async def _call(context: Context, tagged: Tagged, item: Mapping[str, Any], name: str) -> None:
    await context.change(tagged.edit, **{tagged.key: item[tagged.key], tagged.name: name})


async def _found(context: Context, resources: list[str]) -> list[Found]:
    """
    What some ids are of.

    :raises EC2Error: one is of no kind that has tags, or of nothing that is there.
    """
    by_prefix: dict[str, tuple[Kind, list[str]]] = {}
    for given in resources:
        prefix = given.partition("-")[0]
        kind = next((each for each in KINDS if each.id.prefix == prefix), None)
        if kind is None:
            raise EC2Error("InvalidID", f"The ID '{given[:100]}' is not valid")
        by_prefix.setdefault(prefix, (kind, []))[1].append(given)
    return [
        (kind, each)
        for kind, given in by_prefix.values()
        for each in ids.pick(kind.id, given, await kind.every(context), kind.id_of)
    ]


FILTERS: Final[dict[str, Values]] = {
    "key": lambda tag: [tag["Key"]],
    "value": lambda tag: [tag["Value"]],
    "resource-id": lambda tag: [tag["ResourceId"]],
    "resource-type": lambda tag: [tag["ResourceType"]],
}


async def describe_tags(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Of all that the caller has."""
    only(params, "Filters", "MaxResults", "NextToken")
    kept = await context.read("user.tag.get_list")
    made: list[dict[str, Any]] = []
    for kind in KINDS:
        tagged = kind.tagged
        of_kind = Tags(tagged, {each["object_id"]: each["tags"] for each in kept if each["kind"] == tagged.kind})
        if not tagged.name and not tagged.tag and not of_kind.kept:
            continue  # nothing to be found among them
        for each in await kind.every(context):
            if each.get("mine", True):
                told = {"ResourceId": kind.id_of(each), "ResourceType": tagged.resource}
                made += [{"Key": key, "Value": value, **told} for key, value in of_kind.of(each).items()]
    of_tags: dict[str, Values] = {**FILTERS, "tag-key": FILTERS["key"], "tag-value": FILTERS["value"]}
    shown, token = page(filtered(made, params.get("Filters"), of_tags, _itself), _number, params)
    return {"Tags": shown, "NextToken": token}


def _itself(tag: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"]}


def _number(tag: Mapping[str, Any]) -> int:
    """Each tag's own, which does not change while others come and go."""
    return int(hashlib.sha256(f"{tag['ResourceId']} {tag['Key']}".encode()).hexdigest()[:15], 16)


HANDLERS: Final = {"CreateTags": create_tags, "DeleteTags": delete_tags, "DescribeTags": describe_tags}
