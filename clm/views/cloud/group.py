"""All groups, for administrators of the cloud. What leaders may do, they may do by user.group, too."""

from __future__ import annotations

from clm.results.group import Group
from clm.services import group as service
from clm.services.context import CloudCall
from clm.store.group import list_all
from cm.rpc.types import Id
from cm.rpc.view import cloud_view


@cloud_view
def get_list(caller: CloudCall) -> list[Group]:
    """All groups, by name."""
    return list_all(caller.session)


@cloud_view(changing=True)
def delete(caller: CloudCall, group_id: Id) -> None:
    """Delete a group. What is shared with it is shared with nobody then."""
    service.delete(caller, group_id)
