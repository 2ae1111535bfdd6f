"""Groups of people: those that the caller leads, is in, or may ask to join."""

from __future__ import annotations

from clm.results.group import GroupPerson, LedGroup, SeenGroup
from clm.services import group as service
from clm.services.context import CloudCall
from clm.store.group import get_with_status, list_joined, list_led, list_with_status
from cm.rpc.types import Id, Name, Text
from cm.rpc.view import user_view


@user_view(changing=True)
def create(caller: CloudCall, name: Name, description: Text = "") -> SeenGroup:
    """Make a group; the caller leads it and is its first member."""
    return service.create(caller, name, description)


@user_view(changing=True)
def edit(caller: CloudCall, group_id: Id, name: Name | None = None, description: Text | None = None) -> SeenGroup:
    """Change a group that the caller leads; what is not given stays."""
    return service.edit(caller, group_id, name, description)


@user_view(changing=True)
def delete(caller: CloudCall, group_id: Id) -> None:
    """Delete a group that the caller leads. What is shared with it is shared with nobody then."""
    service.delete(caller, group_id)


@user_view
def get_list(caller: CloudCall) -> list[SeenGroup]:
    """All groups, with what the caller is in each: member, waiting or none."""
    return list_with_status(caller.session, caller.user_id)


@user_view
def list_groups(caller: CloudCall) -> list[SeenGroup]:
    """The groups that the caller is a member of."""
    return list_joined(caller.session, caller.user_id)


@user_view
def list_own_groups(caller: CloudCall) -> list[LedGroup]:
    """The groups that the caller leads, with how many wait to be let in."""
    return list_led(caller.session, caller.user_id)


@user_view
def get_by_id(caller: CloudCall, group_id: Id) -> SeenGroup:
    """One group, with what the caller is in it."""
    return get_with_status(caller.session, group_id, caller.user_id)


@user_view
def list_members(caller: CloudCall, group_id: Id) -> list[GroupPerson]:
    """The members of a group that the caller is in: id, login and name."""
    return service.list_members(caller, group_id)


@user_view
def list_requests(caller: CloudCall, group_id: Id) -> list[GroupPerson]:
    """Who waits to be let in, for the leader: id, login and name."""
    return service.list_requests(caller, group_id)


@user_view(changing=True)
def join_request(caller: CloudCall, group_id: Id) -> SeenGroup:
    """Ask the leader to be let in."""
    return service.join_request(caller, group_id)


@user_view(changing=True)
def activate_user(caller: CloudCall, user_id: Id, group_id: Id) -> None:
    """Let in somebody who asked, as the leader."""
    service.activate_user(caller, user_id, group_id)


@user_view(changing=True)
def delete_user(caller: CloudCall, user_id: Id, group_id: Id) -> None:
    """End a membership or a request: the caller's own or, as the leader, another's."""
    service.delete_user(caller, user_id, group_id)


@user_view(changing=True)
def change_owner(caller: CloudCall, user_id: Id, group_id: Id) -> SeenGroup:
    """Have another member lead the group."""
    return service.change_owner(caller, user_id, group_id)
