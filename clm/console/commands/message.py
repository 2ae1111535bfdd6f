"""``wawel messages`` and ``wawel news``."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.options import shared
from clm.console.output import chosen, emit_list, write
from clm.console.problems import one_line
from clm.console.units import when


@click.command()
@click.option("--unread", is_flag=True, help="Only those that were not read.")
@click.option("--limit", type=click.IntRange(1, 1000), help="No more than so many.")
@click.option("--mark-read", is_flag=True, help="Mark the ones shown as read.")
@click.pass_obj
def messages(console: Console, unread: bool, limit: int | None, mark_read: bool) -> None:
    """Messages to me, newest first."""
    params: dict[str, Any] = {"unread_only": True} if unread else {}
    if limit is not None:
        params["limit"] = limit
    found = console.call("user.message.get_list", params)
    emit_list(console, found, "message")
    ids = [each["message_id"] for each in found if "message_id" in each] if isinstance(found, list) else []
    if mark_read and ids:
        console.change("user.message.mark_read", {"message_ids": ids})


messages.params += shared(cluster=False)


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="No more than so many.")
@click.pass_obj
def news(console: Console, limit: int) -> None:
    """News of the cloud, newest first."""
    found = console.call("guest.news.get_list", {"limit": limit})
    if chosen(console) != "table" or not isinstance(found, list):
        emit_list(console, found, "news")
        return
    for each in found:
        write(f"{one_line(str(each.get('topic') or ''))}  ({when(each.get('created'))})")
        for line in str(each.get("content") or "").split("\n"):
            write(f"  {line}")


news.params += shared(cluster=False)
