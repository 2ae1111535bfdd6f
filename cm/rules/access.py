"""
Who may do what with a VM, an image, a network, an expiry lease or a VM template: levels, what each action needs, and
the level that somebody has.

An object's own account is always its owner. Others have the highest level that they, or a group that their cloud
manager says they are in, were granted; of a public image everybody is a user.

Source: CIRCLE's levels (user, operator, owner) and its rule of granting; CC1's public and group access are the level
user for all and for a group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cm.rpc.errors import NotPermitted


class Level(StrEnum):
    USER = "user"
    OPERATOR = "operator"
    OWNER = "owner"


class Shared(StrEnum):
    """What can be shared. Images of all kinds are one; a network is a user's, an expiry lease an administrator's."""

    VM = "vm"
    IMAGE = "image"
    NETWORK = "network"
    EXPIRY = "expiry"
    VM_TEMPLATE = "vm_template"


class ImageFilter(StrEnum):
    """CC1's three kinds of access, to filter lists by: one's own, everybody's, and what groups share."""

    PRIVATE = "private"
    PUBLIC = "public"
    GROUP = "group"


class Action(StrEnum):
    SEE = "see"
    CONSOLE = "console"  # the screen; what a VM wrote to its serial console is there to see
    START = "start"
    STOP = "stop"
    SHUTDOWN = "shutdown"
    RESET = "reset"
    PAUSE = "pause"
    RESUME = "resume"
    EDIT = "edit"
    PASSWORD = "password"  # give an account of the guest another
    KEYS = "keys"  # say who may log in to the guest
    SECRETS = "secrets"  # what its maker handed to the guest
    RESIZE = "resize"
    SAVE = "save"
    SNAPSHOT = "snapshot"
    DRIVE = "drive"  # change what is in a VM's CD drives
    ATTACH = "attach"  # give disks to a VM, and take them from it
    DESTROY = "destroy"
    RENEW = "renew"  # have the expiry lease of a VM begin anew, or give it another
    USE = "use"  # make VMs of an image or by a template, attach an image; have VMs on a network, give them a lease
    DELETE = "delete"
    GRANT = "grant"  # at least this; ``needed_to_grant`` says what for which level
    SHARE = "share"  # with groups and with all, at once
    TRANSFER = "transfer"  # offer it to another account; of owners the object's own account alone (``transfer.py``)


@dataclass(eq=False)
class AccessNeeded(NotPermitted):
    """The caller sees the object, and has not the level for this."""

    code = "access_needed"
    message = "This needs the level {needs} on {kind} {object_id}."
    kind: Shared
    object_id: int
    needs: Level


RANK: Final[dict[Level, int]] = {Level.USER: 1, Level.OPERATOR: 2, Level.OWNER: 3}

# Which level an action needs. CIRCLE's code gives power to owners alone; its seed says "operator: change state".
NEEDS: Final[dict[tuple[Shared, Action], Level]] = {
    (Shared.VM, Action.SEE): Level.USER,
    (Shared.VM, Action.CONSOLE): Level.OPERATOR,
    (Shared.VM, Action.START): Level.OPERATOR,
    (Shared.VM, Action.STOP): Level.OPERATOR,
    (Shared.VM, Action.SHUTDOWN): Level.OPERATOR,
    (Shared.VM, Action.RESET): Level.OPERATOR,
    (Shared.VM, Action.PAUSE): Level.OPERATOR,
    (Shared.VM, Action.RESUME): Level.OPERATOR,
    (Shared.VM, Action.EDIT): Level.OPERATOR,
    (Shared.VM, Action.GRANT): Level.OPERATOR,
    (Shared.VM, Action.PASSWORD): Level.OWNER,
    (Shared.VM, Action.KEYS): Level.OWNER,
    (Shared.VM, Action.SECRETS): Level.OWNER,
    (Shared.VM, Action.RESIZE): Level.OWNER,
    (Shared.VM, Action.SAVE): Level.OWNER,
    (Shared.VM, Action.SNAPSHOT): Level.OWNER,
    (Shared.VM, Action.ATTACH): Level.OWNER,
    (Shared.VM, Action.DRIVE): Level.OPERATOR,
    (Shared.VM, Action.RENEW): Level.OPERATOR,
    (Shared.VM, Action.DESTROY): Level.OWNER,
    (Shared.VM, Action.TRANSFER): Level.OWNER,
    (Shared.IMAGE, Action.SEE): Level.USER,
    (Shared.IMAGE, Action.USE): Level.USER,
    (Shared.IMAGE, Action.EDIT): Level.OPERATOR,
    (Shared.IMAGE, Action.GRANT): Level.OPERATOR,
    (Shared.IMAGE, Action.DELETE): Level.OWNER,
    (Shared.IMAGE, Action.SNAPSHOT): Level.OWNER,
    (Shared.IMAGE, Action.SHARE): Level.OWNER,
    (Shared.IMAGE, Action.TRANSFER): Level.OWNER,
    (Shared.NETWORK, Action.SEE): Level.USER,
    (Shared.NETWORK, Action.USE): Level.USER,
    (Shared.NETWORK, Action.EDIT): Level.OPERATOR,
    (Shared.NETWORK, Action.GRANT): Level.OPERATOR,
    (Shared.NETWORK, Action.DELETE): Level.OWNER,
    (Shared.EXPIRY, Action.SEE): Level.USER,
    (Shared.EXPIRY, Action.USE): Level.USER,
    (Shared.EXPIRY, Action.GRANT): Level.OPERATOR,
    (Shared.EXPIRY, Action.EDIT): Level.OWNER,
    (Shared.VM_TEMPLATE, Action.SEE): Level.USER,
    (Shared.VM_TEMPLATE, Action.USE): Level.USER,
    (Shared.VM_TEMPLATE, Action.GRANT): Level.OPERATOR,
    (Shared.VM_TEMPLATE, Action.EDIT): Level.OWNER,  # as in CIRCLE
    (Shared.VM_TEMPLATE, Action.DELETE): Level.OWNER,
    (Shared.VM_TEMPLATE, Action.TRANSFER): Level.OWNER,
}


@dataclass(frozen=True)
class Person:
    """A caller as grants know them: ``groups`` are ids of the cloud manager ``issuer``, "" for an account of ours."""

    account_id: int
    issuer: str = ""
    groups: Collection[int] = ()


@dataclass(frozen=True)
class Grant:
    """A level for an account, or for those in a group of an issuer; never both."""

    level: Level
    account_id: int | None = None
    issuer: str | None = None
    group_id: int | None = None

    def is_for(self, person: Person) -> bool:
        if self.account_id is not None:
            return self.account_id == person.account_id
        # Numbers of groups say something only together with whose they are.
        return bool(self.issuer) and self.issuer == person.issuer and self.group_id in person.groups


def highest(levels: Iterable[Level]) -> Level | None:
    return max(levels, key=RANK.__getitem__, default=None)


def level_of(person: Person, account_id: int, grants: Iterable[Grant], public: bool = False) -> Level | None:
    """
    The level somebody has on an object; None: they do not see it.

    :param account_id: whose object it is.
    """
    if person.account_id == account_id:
        return Level.OWNER
    levels = [grant.level for grant in grants if grant.is_for(person)]
    return highest([*levels, Level.USER] if public else levels)


def enough(level: Level | None, needs: Level) -> bool:
    return level is not None and RANK[level] >= RANK[needs]


_ABOVE: Final = {Level.USER: Level.OPERATOR, Level.OPERATOR: Level.OWNER, Level.OWNER: Level.OWNER}


def needed_to_grant(was: Level | None, becomes: Level | None) -> Level:
    """What it takes to change somebody's level: the one above both, so that nobody makes others their equals."""
    return highest(_ABOVE[level] for level in (was, becomes) if level is not None) or Level.OPERATOR
