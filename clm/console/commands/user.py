"""``wawel user``: what administrators do with accounts, of a cloud or of a lone cluster."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import verb
from clm.console.output import emit, emit_list
from clm.console.values import NamedType, Whole


@click.group(cls=NounGroup, noun="user", no_args_is_help=True)
def user() -> None:
    """Users and their accounts. More for administrators is below "wawel cloud user" and "wawel admin user"."""


@verb(user, "ls", cluster=False)
@click.option("--state", help="Only those in this state.")
@click.option("--search", metavar="TEXT", help="Only those with this in login, name or address.")
@click.option("--limit", type=Whole(1, 10_000), help="No more than so many.")
def ls(console: Console, state: str | None, search: str | None, limit: int | None) -> None:
    """List accounts, as an administrator."""
    told: dict[str, Any] = {"state": state, "search": search, "limit": limit}
    params = {name: value for name, value in told.items() if value is not None}
    if console.is_cloud:
        emit_list(console, console.call("cloud.user.get_list", params), "user")
        return
    if state or search:
        raise click.UsageError("A lone cluster does not sort its accounts: --state and --search are for clouds.")
    emit_list(console, console.call("admin.user.get_list", params), "user")


def _change(console: Console, which: tuple[str, ...], method: str, local: bool, **more: Any) -> None:
    answers = []
    for each in which:
        found = find(console, "user", each, admin=True)
        if console.is_cloud:
            answers.append(console.change(method, {"user_id": found.id, **more}))
        else:
            answers.append(console.change("admin.user.edit", {"user_id": found.id, "active": local}))
    if len(answers) == 1:
        emit(console, answers[0], "user")
    else:
        emit_list(console, answers, "user")


_USERS = click.argument("which", nargs=-1, required=True, type=NamedType("user"), metavar="USER...")


@verb(user, "activate", changes=True, cluster=False)
@_USERS
def activate(console: Console, which: tuple[str, ...]) -> None:
    """Let registered users in."""
    _change(console, which, "cloud.user.activate", True)


@verb(user, "block", changes=True, cluster=False, asks=True)
@_USERS
def block(console: Console, which: tuple[str, ...]) -> None:
    """Keep users out; their sessions end at once."""
    console.confirm(f"Block {', '.join(which)}?")
    _change(console, which, "cloud.user.block", False, block=True)


@verb(user, "unblock", changes=True, cluster=False)
@_USERS
def unblock(console: Console, which: tuple[str, ...]) -> None:
    """Let blocked users in again."""
    _change(console, which, "cloud.user.block", True, block=False)
