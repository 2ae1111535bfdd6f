"""
Sharing VMs, images (of every kind), networks and VM templates with other accounts and with groups.

Levels: a *user* sees an object and may use an image, a network or a VM template; an *operator* also has a VM's screen
and power, and edits; an *owner* does everything. To change somebody's level one needs the level above both the old and
the new.
"""

from __future__ import annotations

from cm.results.access import AccessEntry
from cm.rpc.types import AccountNumber, Id, Login
from cm.rpc.view import user_view
from cm.rules.access import Action, Level, Shared
from cm.services import acl as service
from cm.services.context import ClusterCall


@user_view(on={"object_id": Action.SEE})
def get_list(caller: ClusterCall, kind: Shared, object_id: Id) -> list[AccessEntry]:
    """
    Who has which level on an object of these kinds, its own account first; whoever is only a user sees what concerns
    them.

    :return: ``level`` and ``subject``: ``user_id``, ``login`` and ``account_number``, or ``group_id`` and ``issuer``.
    """
    return service.get_list(caller, kind, object_id)


@user_view(changing=True, on={"object_id": Action.GRANT})
def set(
    caller: ClusterCall,
    kind: Shared,
    object_id: Id,
    level: Level | None,
    login: Login | None = None,
    group_id: Id | None = None,
    account_number: AccountNumber | None = None,
) -> None:
    """
    Change what an account or a group of the caller's may do with an object of these kinds; null takes it back.

    :param login: of an account of the caller's own cloud manager that has been here before.
    :param account_number: likewise, by what that one counts it as.
    """
    service.set_level(caller, kind, object_id, level, login=login, group_id=group_id, account_number=account_number)
