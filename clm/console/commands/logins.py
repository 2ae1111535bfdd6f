"""``wawel logins``: who logged in, or tried to, an administrator's."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.options import shared
from clm.console.output import emit_list
from clm.console.values import Whole


@click.command()
@click.argument("login", required=False)
@click.option("--remote", metavar="ADDRESS", help="Only from there.")
@click.option("--refused/--let-in", default=None, help="Only those that were refused, or only the others.")
@click.option("--limit", type=Whole(1, 1000), metavar="N", help="At most so many; 100 without it.")
@click.pass_obj
def logins(console: Console, login: str | None, remote: str | None, refused: bool | None, limit: int | None) -> None:
    """
    Logins, good and refused, the newest first: who was claimed, from where, how, and what came of it.

    Alike ones are one line with their count. Of a cloud these are the logins at the cloud itself; with --cluster,
    those at the cluster.
    """
    given = {"login": login, "remote": remote, "refused": refused, "limit": limit}
    params: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    cluster = console.cluster() if console.options.cluster or not console.is_cloud else ""
    method = "cloud.login.get_list" if console.is_cloud and not cluster else "admin.login.get_list"
    emit_list(console, console.call(method, params, cluster=cluster), "login")


logins.params += shared()
