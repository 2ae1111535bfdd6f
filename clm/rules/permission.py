"""
What users may be allowed or denied one by one, and the views that it opens. What is not named here, any user may.

A view is named as on the wire, whether the cloud answers it itself or passes it on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cm.rpc.errors import NotPermitted

KNOWN: Final = {
    "cloud_create": "make VMs",
    "group_create": "make groups",
    "api_key_create": "make keys for programs",
    "share": "share objects with others",
}

DEFAULT: Final = tuple(KNOWN)

GATES: Final = {
    "user.vm.create": "cloud_create",
    "user.farm.create": "cloud_create",
    "user.farm.grow": "cloud_create",
    "user.group.create": "group_create",
    "user.api_key.create": "api_key_create",
    "user.acl.set": "share",
    "user.system_image.set_group": "share",
}


@dataclass(eq=False)
class PermissionNeeded(NotPermitted):
    code = "permission_needed"
    message = "This needs the permission {permission}, which an administrator of the cloud may give."
    permission: str


def require_permission(view: str, permissions: frozenset[str]) -> None:
    """
    :param permissions: those of the caller.
    :raises PermissionNeeded: the view is behind another.
    """
    needed = GATES.get(view)
    if needed is not None and needed not in permissions:
        raise PermissionNeeded(needed)


def unknown(permissions: Iterable[str]) -> list[str]:
    """Those that there are none of."""
    return sorted(set(permissions) - KNOWN.keys())
