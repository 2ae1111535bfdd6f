"""The tag ``Name``, which is an object's name with us. Other tags are not kept yet, and refused rather than lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from clm.ec2.errors import EC2Error

NAME: Final = "Name"


def as_tags(name: str) -> list[dict[str, str]]:
    return [{"Key": NAME, "Value": name}]


def tags_of(named: Mapping[str, Any]) -> dict[str, str]:
    """What filters by tags look at, of an object with a name."""
    return {NAME: named["name"]}


def name_in(tags: Iterable[Mapping[str, Any]]) -> str | None:
    """:raises EC2Error: there is another tag than ``Name``."""
    name = None
    for tag in tags:
        if tag.get("Key") != NAME:
            raise EC2Error(
                "UnsupportedOperation", f"The tag {str(tag.get('Key'))[:100]} is not kept here: Name alone is."
            )
        name = tag.get("Value", "")
    return name


def name_of_new(specifications: Sequence[Mapping[str, Any]] | None, kind: str) -> str | None:
    """
    The name that something new is given by its tags.

    :param kind: ``instance``, ``volume`` ...
    :raises EC2Error: something else is tagged, or with something else.
    """
    name = None
    for each in specifications or ():
        if each.get("Tags") and each.get("ResourceType") != kind:
            raise EC2Error("UnsupportedOperation", f"Of what is made here, a {kind} alone can be given tags.")
        name = name_in(each.get("Tags", [])) or name
    return name
