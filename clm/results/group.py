"""Groups of people."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from clm.rules.group import Status
from cm.rpc.fields import FullName, LoginName, Named, Number, Text, Time, Total, Uuid, Version


class Group(TypedDict):
    """A group."""

    group_id: Number
    uuid: Uuid
    name: Named
    description: Text
    leader_id: Number
    leader: LoginName
    leader_name: FullName
    members: Total
    version: Version
    created: Time


class SeenGroup(Group):
    """A group, with what the caller is in it."""

    status: Status


class LedGroup(Group):
    """A group that the caller leads."""

    requests: Annotated[Total, Meta(description="How many wait to be let in.")]


class GroupPerson(TypedDict):
    """Somebody in a group."""

    user_id: Number
    login: LoginName
    name: FullName
