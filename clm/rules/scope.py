"""What an API key is good for: views by name or pattern, or kinds of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cm.rpc.errors import NotPermitted

ALL: Final = "all"
READ: Final = "read"  # whatever changes nothing
ITEM: Final = re.compile(r"(?:all|read|[a-z_*]+(?:\.[a-z_0-9*]+){0,2})\Z")

# What a key could make itself more with, or lock its owner out by: for whoever has logged in.
SESSION_ONLY: Final = frozenset(
    {
        "user.api_key.create",
        "user.api_key.delete",
        "user.account.set_password",
        "user.account.edit",
        "user.totp.begin",
        "user.totp.confirm",
        "user.totp.disable",
        "admin.administrator.add",
        "cloud.user.set_admin",
        "cloud.user.set_password",
        "cloud.user.reset_totp",
    }
)


@dataclass(eq=False)
class ScopeNeeded(NotPermitted):
    code = "scope_needed"
    message = "This API key is not good for {method}."
    method: str


@dataclass(eq=False)
class SessionNeeded(NotPermitted):
    code = "session_needed"
    message = "{method} needs somebody who has logged in; an API key is not enough."
    method: str


def require_session(method: str, api_key_id: int | None) -> None:
    """
    For what only some calls of a view are: those that make an administrator or say where a password is mailed to.

    :param api_key_id: the key that the caller comes with, if it is one.
    :raises SessionNeeded: it is one.
    """
    if api_key_id is not None:
        raise SessionNeeded(method)


def allows(scope: Sequence[str], view: str, changing: bool) -> bool:
    """
    Whether one item of the scope covers the view.

    :param scope: ``all``, ``read``, names of views, and patterns in which ``*`` stands for any part of a name:
        ``user.vm.*``, ``*.get_list``. What begins with ``*`` or is ``all`` covers administrators' views, too, if the
        key's owner may call them.
    """
    return any(_covers(item, view, changing) for item in scope)


def _covers(item: str, view: str, changing: bool) -> bool:
    if item == ALL:
        return True
    if item == READ:
        return not changing
    return _pattern(item).fullmatch(view) is not None


def _pattern(item: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in item.split("*")))


def wrong_items(scope: Sequence[str]) -> list[str]:
    """Those that could be no part of a scope."""
    return [item for item in scope if ITEM.match(item) is None]
