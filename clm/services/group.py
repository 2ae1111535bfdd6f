"""
Use cases of groups. Whoever changes a group, or who is in it, holds its row: two changes are one after the other.

What somebody is a member of is part of who they are as a caller; so each change of it is told to all processes as
``user:<id>``, and counts from the next call on. People are told by messages.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from clm.results.group import Group, GroupPerson, SeenGroup
from clm.rules.group import (
    Event,
    NotMember,
    Status,
    TooManyGroups,
    WrongMembership,
    check_leads,
    check_remove,
    next_status,
)
from clm.services.context import CloudCall
from clm.services.message import add_message, take_back
from clm.store import group as store
from clm.store.change import record_change
from cm.rpc.errors import NameTaken, ObjectNotFound
from cm.rpc.vocabulary import Role
from cm.runtime.database import notify
from cm.runtime.taken import refused_by


def create(caller: CloudCall, name: str, description: str) -> SeenGroup:
    """
    Make a group that the caller leads and is a member of.

    :raises TooManyGroups: they lead as many as one may.
    :raises NameTaken: another group has the name, upper and lower case aside.
    """
    session, user_id = caller.session, caller.user_id
    _check_may_lead(caller, user_id)
    with refused_by(session, {"uq_group_name": NameTaken("group", name)}):
        group_id = store.insert_group(session, name, description, user_id)
    store.write_status(session, group_id, user_id, Status.NONE, Status.MEMBER)
    notify(session, "user", user_id)
    _record(session, group_id, "enter")
    caller.note("create group", name=name)
    return store.get_with_status(session, group_id, user_id)


def edit(caller: CloudCall, group_id: int, name: str | None, description: str | None) -> SeenGroup:
    """
    Change what is not None.

    :raises NotLeader: the caller does not decide about the group.
    :raises NameTaken: another group has the name.
    """
    session = caller.session
    _led(caller, group_id, version=caller.if_version)
    with refused_by(session, {"uq_group_name": NameTaken("group", name or "")}):
        store.update_group(session, group_id, name=name, description=description)
    _record(session, group_id)
    caller.note("edit group", group_id=group_id)
    return store.get_with_status(session, group_id, caller.user_id)


def delete(caller: CloudCall, group_id: int) -> None:
    """
    Delete a group: what is shared with it is shared with nobody from now on; clusters then forget it in their time.

    :raises NotLeader: the caller does not decide about the group.
    """
    session = caller.session
    group = _led(caller, group_id, version=caller.if_version)
    take_back(session, group["leader_id"], "group_request", {"group_id": group_id})
    people = store.close_group(session, group_id)
    record_change(session, "group", group_id, "exit", users=people)
    told = {"group_id": group_id, "group": group["name"]}
    for user_id in people:
        notify(session, "user", user_id)
        if user_id != caller.user_id:
            add_message(session, user_id, "warn", "group_deleted", told)
    caller.note("delete group", group_id=group_id, people=len(people))


def join_request(caller: CloudCall, group_id: int) -> SeenGroup:
    """
    Ask the leader to be let in.

    :raises WrongMembership: the caller has asked already, or is a member.
    :raises ObjectNotFound: there is no such group.
    """
    session, user_id = caller.session, caller.user_id
    group = store.get_group(session, group_id, lock=True)
    _require_active(session, user_id)
    _move(session, group_id, user_id, Event.REQUEST)
    _tell_of_request(session, group, group["leader_id"], user_id, caller.identity.login)
    _record(session, group_id)
    caller.note("ask to join", group_id=group_id)
    return store.get_with_status(session, group_id, user_id)


def activate_user(caller: CloudCall, user_id: int, group_id: int) -> None:
    """
    Let in somebody who asked.

    :raises WrongMembership: they did not, or have cancelled, or are a member.
    """
    session = caller.session
    group = _led(caller, group_id)
    store.get_login(session, user_id)
    _move(session, group_id, user_id, Event.ACCEPT)
    take_back(session, group["leader_id"], "group_request", {"group_id": group_id, "user_id": user_id})
    add_message(session, user_id, "info", "group_accepted", {"group_id": group_id, "group": group["name"]})
    _record(session, group_id)
    caller.note("accept", group_id=group_id, user_id=user_id)


def delete_user(caller: CloudCall, user_id: int, group_id: int) -> None:
    """
    End a membership or a request, somebody's own or, as the leader, another's.

    :raises LeaderStays: it is the leader's own.
    :raises WrongMembership: they are neither member nor waiting.
    """
    session = caller.session
    group = store.get_group(session, group_id, lock=True)
    check_remove(group_id, group["leader_id"], user_id, caller.user_id, _is_cloud_admin(caller))
    was = _move(session, group_id, user_id, Event.REMOVE)
    take_back(session, group["leader_id"], "group_request", {"group_id": group_id, "user_id": user_id})
    told = {"group_id": group_id, "group": group["name"]}
    if user_id != caller.user_id:
        code = "group_rejected" if was is Status.WAITING else "group_removed"
        add_message(session, user_id, "warn", code, told)
    elif was is Status.MEMBER:
        who = {"user_id": user_id, "login": caller.identity.login}
        add_message(session, group["leader_id"], "info", "group_left", {**told, **who})
    _record(session, group_id, also=user_id)
    caller.note("remove from group", group_id=group_id, user_id=user_id)


def change_owner(caller: CloudCall, user_id: int, group_id: int) -> SeenGroup:
    """
    Have another member lead the group; the requests that wait are theirs to answer now.

    :raises WrongMembership: they are no member.
    :raises TooManyGroups: they lead as many as one may.
    :raises ObjectNotFound: they are no active user.
    """
    session = caller.session
    group = _led(caller, group_id, version=caller.if_version)
    handed = user_id != group["leader_id"]
    if handed:
        _check_may_lead(caller, user_id)
    _require_active(session, user_id)
    status = store.status_of(session, group_id, user_id)
    if status is not Status.MEMBER:
        raise WrongMembership(group_id, user_id, status.value, Status.MEMBER.value)
    if handed:
        store.update_group(session, group_id, leader_id=user_id)
        take_back(session, group["leader_id"], "group_request", {"group_id": group_id})
        told = {"group_id": group_id, "group": group["name"]}
        for new in {user_id, group["leader_id"]} - {caller.user_id}:
            code = "group_leader" if new == user_id else "group_leader_changed"
            add_message(session, new, "info", code, told)
        for waiting in store.list_people(session, group_id, Status.WAITING):
            _tell_of_request(session, group, user_id, waiting["user_id"], waiting["login"])
        _record(session, group_id)
    caller.note("change leader", group_id=group_id, user_id=user_id)
    return store.get_with_status(session, group_id, caller.user_id)


def list_members(caller: CloudCall, group_id: int) -> list[GroupPerson]:
    """
    :raises NotMember: only members and cloud administrators see one another.
    """
    store.get_group(caller.session, group_id)
    if not _is_cloud_admin(caller):
        if store.status_of(caller.session, group_id, caller.user_id) is not Status.MEMBER:
            raise NotMember(group_id)
    return store.list_people(caller.session, group_id, Status.MEMBER)


def list_requests(caller: CloudCall, group_id: int) -> list[GroupPerson]:
    """
    :raises NotLeader: the caller does not decide about them.
    """
    group = store.get_group(caller.session, group_id)
    check_leads(group_id, group["leader_id"], caller.user_id, _is_cloud_admin(caller))
    return store.list_people(caller.session, group_id, Status.WAITING)


def _is_cloud_admin(caller: CloudCall) -> bool:
    return caller.identity.may(Role.CLOUD)


def _led(caller: CloudCall, group_id: int, version: int | None = None) -> Group:
    """The group, held, when the caller decides about it."""
    group = store.get_group(caller.session, group_id, lock=True)
    check_leads(group_id, group["leader_id"], caller.user_id, _is_cloud_admin(caller))
    return group if version is None else store.get_group(caller.session, group_id, version=version)


def _require_active(session: Session, user_id: int) -> None:
    if not store.is_active(session, user_id):
        raise ObjectNotFound("user", user_id)


def _check_may_lead(caller: CloudCall, user_id: int) -> None:
    if store.count_led(caller.session, user_id) >= caller.policy.groups_max:
        raise TooManyGroups(user_id, caller.policy.groups_max)


def _move(session: Session, group_id: int, user_id: int, event: Event) -> Status:
    """What they were before the event."""
    was = store.status_of(session, group_id, user_id)
    now = next_status(group_id, user_id, was, event)
    if not store.write_status(session, group_id, user_id, was, now):  # their account was deleted meanwhile
        raise WrongMembership(group_id, user_id, Status.NONE.value, was.value)
    if Status.MEMBER in (was, now):
        notify(session, "user", user_id)
    return was


def _tell_of_request(session: Session, group: Group, leader_id: int, user_id: int, login: str) -> None:
    params = {"group_id": group["group_id"], "group": group["name"], "user_id": user_id, "login": login}
    add_message(session, leader_id, "info", "group_request", params)


def _record(session: Session, group_id: int, event: str = "change", *, also: int | None = None) -> None:
    """Tell the feed of everybody who is in the group or waits to be, and of one who was until now."""
    users = set(store.everybody(session, group_id)) | ({also} if also is not None else set())
    record_change(session, "group", group_id, event, users=sorted(users), shown=store.get_group(session, group_id))
