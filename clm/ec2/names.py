"""
Tags. ``Name`` is what an object is called with us, where that is all that a name is for: of instances, volumes,
snapshots, subnets and, as its description, of addresses. Of images and security groups EC2 has a name beside the tag.
All others are ``user.tag``'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clm.ec2.context import Context
from clm.ec2.errors import EC2Error, bad_value
from cm.rpc.vocabulary import NAME_MAX, TAG_KEY_MAX, TAG_RESERVED, TAG_VALUE_MAX, TAGS_MAX, TagKind

NAME: Final = "Name"
CONTROLS: Final = frozenset(map(chr, (*range(32), *range(127, 160))))


@dataclass(frozen=True)
class Tagged:
    """
    A kind of object that has tags.

    :ivar resource: EC2's word for it; ``kind`` is ours, and ``key`` the member and parameter that its id is.
    :ivar tag: the view that gives tags to what the cloud itself keeps, and takes them; its objects tell theirs. "": it
        is the cluster's, with ``user.tag``, by ``kind``.
    :ivar name: the member that the tag ``Name`` is; "": it is a tag as others are.
    :ivar unnamed: what an object is called that has no such tag; ``apart``: the member that follows it, where names of
        one account's objects have to differ.
    :ivar edit: the view that gives it another name.
    """

    resource: str
    kind: TagKind | None
    key: str
    name: str = ""
    unnamed: str = ""
    edit: str = ""
    apart: str = ""
    tag: str = ""

    def nameless(self, item: Mapping[str, Any]) -> str:
        """What one is called that has no tag ``Name``."""
        return f"{self.unnamed} {item[self.apart]}" if self.apart else self.unnamed


INSTANCES: Final = Tagged("instance", TagKind.VM, "vm_id", "name", "instance", "user.vm.edit")
VOLUMES: Final = Tagged("volume", TagKind.DISK, "disk_id", "name", "volume", "user.disk.edit")
SNAPSHOTS: Final = Tagged("snapshot", TagKind.SNAPSHOT, "snapshot_id", "name", "snapshot", "user.snapshot.edit")
SUBNETS: Final = Tagged("subnet", TagKind.NETWORK, "network_id", "name", "network", "user.network.edit", "network")
ADDRESSES: Final = Tagged(
    "elastic-ip", TagKind.PUBLIC_ADDRESS, "public_address_id", "description", "", "user.public_address.edit"
)
GROUPS: Final = Tagged("security-group", TagKind.SECURITY_GROUP, "security_group_id")
IMAGES: Final = Tagged("image", TagKind.IMAGE, "image_id")
KEYS: Final = Tagged("key-pair", None, "key_id", tag="user.key.tag")
TEMPLATES: Final = Tagged("launch-template", None, "launch_template_id", tag="user.launch_template.tag")


@dataclass(frozen=True)
class Tags:
    """The tags of objects of one kind, found once for all of them."""

    tagged: Tagged
    kept: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def kept_of(self, item: Mapping[str, Any]) -> Mapping[str, str]:
        """Without its name."""
        kept: Mapping[str, str] = item["tags"] if self.tagged.tag else self.kept.get(item[self.tagged.key], {})
        return kept

    def of(self, item: Mapping[str, Any]) -> dict[str, str]:
        made = dict(self.kept_of(item))
        name = item[self.tagged.name] if self.tagged.name else ""
        if name and name not in (self.tagged.unnamed, self.tagged.nameless(item)):
            made[NAME] = name
        return made

    def shown(self, item: Mapping[str, Any]) -> list[dict[str, str]]:
        return told(self.of(item))


def told(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


async def tags_of_all(context: Context, tagged: Tagged) -> Tags:
    """Of the caller's objects; what others wrote on theirs that they share is theirs, as with EC2."""
    if tagged.tag:
        return Tags(tagged)
    found = await context.read("user.tag.get_list", kind=tagged.kind)
    return Tags(tagged, {each["object_id"]: each["tags"] for each in found})


async def put_tags(context: Context, tagged: Tagged, item: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Others that it has stay."""
    key = item[tagged.key]
    if tagged.tag:
        await context.change(tagged.tag, cloud=True, **{tagged.key: key}, tags=dict(tags))
    else:
        await context.change("user.tag.set", kind=tagged.kind, object_id=key, tags=dict(tags))


async def take_tags(context: Context, tagged: Tagged, item: Mapping[str, Any], keys: Sequence[str]) -> None:
    key = item[tagged.key]
    if tagged.tag:
        await context.change(tagged.tag, cloud=True, **{tagged.key: key}, remove=list(keys))
    else:
        await context.change("user.tag.remove", kind=tagged.kind, object_id=key, keys=list(keys))


@dataclass(frozen=True)
class Wanted:
    """
    Tags that something new is asked for with.

    :ivar tags: those that ``user.tag`` keeps.
    """

    tagged: Tagged
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def named(self) -> str:
        """What it is to be called."""
        return self.name or self.tagged.unnamed

    @property
    def asked(self) -> dict[str, Any]:
        """As the views that make something take them."""
        return {"tags": dict(self.tags)} if self.tags else {}


def wanted_tags(specifications: Sequence[Mapping[str, Any]] | None, *made: Tagged) -> tuple[Wanted, ...]:
    """
    Of each kind that is made.

    :raises EC2Error: something else is tagged, or a tag is none.
    """
    tags: dict[Any, list[Mapping[str, Any]]] = {each.resource: [] for each in made}
    for each in specifications or ():
        if each.get("Tags") and each.get("ResourceType") not in tags:
            raise EC2Error("UnsupportedOperation", f"Of what is made here, {' and '.join(tags)} alone can have tags.")
        if each.get("Tags"):
            tags[each["ResourceType"]] += each["Tags"]
    return tuple(split(each, checked(tags[each.resource])) for each in made)


def split(tagged: Tagged, tags: Mapping[str, str]) -> Wanted:
    """
    The name among some tags, and the others.

    :raises EC2Error: the object cannot be called so.
    """
    if not tagged.name or NAME not in tags:
        return Wanted(tagged, None, tags)
    name = tags[NAME]
    if len(name) > NAME_MAX:
        raise bad_value("Tag.Value", f"{NAME} has more than {NAME_MAX} characters")
    if tagged.unnamed and not name.strip():
        raise EC2Error("UnsupportedOperation", "A name cannot be empty here.")
    return Wanted(tagged, name, {key: value for key, value in tags.items() if key != NAME})


def checked(tags: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """
    Tags by their keys, as EC2 allows them.

    :raises EC2Error: a key is missing, given twice, reserved or too long, or a value is; or they are too many.
    """
    made: dict[str, str] = {}
    for tag in tags:
        key, value = tag.get("Key"), tag.get("Value", "")
        if not key:
            raise EC2Error("MissingParameter", "A tag needs a Key")
        if key.lower().startswith(TAG_RESERVED):
            raise bad_value("Tag.Key", f"keys that begin with {TAG_RESERVED} are reserved")
        if len(key) > TAG_KEY_MAX or len(value) > TAG_VALUE_MAX:
            raise bad_value("Tag", f"a key has up to {TAG_KEY_MAX} characters, a value up to {TAG_VALUE_MAX}")
        if CONTROLS & set(key + value):
            raise bad_value("Tag", "it holds a control character")
        if key in made:
            raise bad_value("Tag.Key", f"'{key}' is given more than once")
        made[key] = value
    if len(made) > TAGS_MAX:
        raise EC2Error("TagLimitExceeded", f"An object has at most {TAGS_MAX} tags.")
    return made
