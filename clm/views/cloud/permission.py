"""Permissions that users may have."""

from __future__ import annotations

from clm.results.user import PermissionInfo
from clm.rules.permission import GATES, KNOWN
from clm.services.context import CloudCall
from cm.rpc.view import cloud_view


@cloud_view
def get_list(caller: CloudCall) -> list[PermissionInfo]:
    """What there is to be permitted, the views it opens, and whether users have it who were given no set of theirs."""
    return [
        {
            "name": name,
            "description": description,
            "views": sorted(view for view, needed in GATES.items() if needed == name),
            "default": name in caller.policy.permissions,
        }
        for name, description in KNOWN.items()
    ]
