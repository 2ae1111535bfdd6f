"""
Groups: how people come into one and leave it, and who may decide about it.

        request          accept
    none ─────► waiting ────────► member
      ▲  remove    │     remove     │
      └────────────┴────────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cm.rpc.errors import Conflict, LimitReached, NotPermitted


class Status(StrEnum):
    """What somebody is in a group."""

    NONE = "none"
    WAITING = "waiting"
    MEMBER = "member"


class Event(StrEnum):
    """``REMOVE`` is a request cancelled or turned down, and a member who leaves or is sent away."""

    REQUEST = "request"
    ACCEPT = "accept"
    REMOVE = "remove"


NEXT: Final[Mapping[tuple[Status, Event], Status]] = {
    (Status.NONE, Event.REQUEST): Status.WAITING,
    (Status.WAITING, Event.ACCEPT): Status.MEMBER,
    (Status.WAITING, Event.REMOVE): Status.NONE,
    (Status.MEMBER, Event.REMOVE): Status.NONE,
}


@dataclass(eq=False)
class WrongMembership(Conflict):
    code = "group_wrong_membership"
    message = "In group {group_id} user {user_id} is {state}; this needs {needs}."
    group_id: int
    user_id: int
    state: str
    needs: str


@dataclass(eq=False)
class LeaderStays(Conflict):
    code = "group_leader_stays"
    message = "User {user_id} leads group {group_id}; make another member its leader first."
    group_id: int
    user_id: int


@dataclass(eq=False)
class NotLeader(NotPermitted):
    code = "group_not_leader"
    message = "Only the leader of group {group_id} may do this."
    group_id: int


@dataclass(eq=False)
class NotMember(NotPermitted):
    code = "group_not_member"
    message = "Only members of group {group_id} may see this."
    group_id: int


@dataclass(eq=False)
class TooManyGroups(LimitReached):
    code = "group_limit"
    message = "User {user_id} leads {limit} groups, which is as many as one may."
    user_id: int
    limit: int


def next_status(group_id: int, user_id: int, was: Status, event: Event) -> Status:
    """
    :raises WrongMembership: the event does not happen to somebody who is that.
    """
    now = NEXT.get((was, event))
    if now is None:
        raise WrongMembership(group_id, user_id, was.value, needed(event))
    return now


def needed(event: Event) -> str:
    """What somebody must be for this to happen."""
    return " or ".join(status.value for status in Status if (status, event) in NEXT)


def check_leads(group_id: int, leader_id: int, user_id: int, is_cloud_admin: bool) -> None:
    """
    Cloud administrators decide about every group: a leader may be blocked or gone.

    :raises NotLeader: it is not theirs to decide.
    """
    if user_id != leader_id and not is_cloud_admin:
        raise NotLeader(group_id)


def check_remove(group_id: int, leader_id: int, removed_id: int, user_id: int, is_cloud_admin: bool) -> None:
    """
    Who may end somebody's membership or request: they themselves, and who decides about the group.

    :raises NotLeader: none of these.
    :raises LeaderStays: it is the leader's own.
    """
    if user_id != removed_id:
        check_leads(group_id, leader_id, user_id, is_cloud_admin)
    if removed_id == leader_id:
        raise LeaderStays(group_id, removed_id)
