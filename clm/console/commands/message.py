"""``wawel messages`` and ``wawel news``."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.options import shared
from clm.console.output import chosen, emit_list, write
from clm.console.problems import REFUSED, Problem, one_line
from clm.console.units import when
from clm.console.values import Whole


@click.command()
@click.option("--unread", is_flag=True, help="Only those that were not read.")
@click.option("--limit", type=Whole(1, 1000), help="No more than so many.")
@click.option("--mark-read", is_flag=True, help="Mark the ones shown as read.")
@click.pass_obj
def messages(console: Console, unread: bool, limit: int | None, mark_read: bool) -> None:
    """Messages to me, newest first: of a cloud those of all its clusters, or with --cluster of one."""
    params: dict[str, Any] = {"unread_only": True} if unread else {}
    if limit is not None:
        params["limit"] = limit
    if unread and not console.is_cloud:
        raise Problem("A lone cluster does not note what was read; leave out --unread.")
    found = console.call("user.message.get_list", params)
    if isinstance(found, list) and console.is_cloud:
        found = _of_clusters(console, found)
    emit_list(console, found, "message")
    ids = [each["message_id"] for each in found if "message_id" in each] if isinstance(found, list) else []
    if mark_read and ids:
        console.change("user.message.mark_read", {"message_ids": ids})


def _of_clusters(console: Console, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the names of their clusters; only those of the one that was asked for."""
    told = console.call("guest.cluster.list_names")
    names = {each["cluster_id"]: each["name"] for each in told if isinstance(each, dict)}
    only = console.options.cluster.removeprefix("name:")
    if only and only not in names.values():
        number = next((key for key in names if str(key) == only.removeprefix("id:")), None)
        if number is None:
            raise Problem(f"There is no cluster {only}.", REFUSED, f"The clusters are: {', '.join(names.values())}.")
        only = names[number]
    named = [{**each, "cluster": names.get(each.get("cluster_id"), "")} for each in found]
    return [each for each in named if not only or each["cluster"] == only]


messages.params += shared()


@click.command()
@click.option("--limit", type=Whole(1, 1000), default=10, show_default=True, help="No more than so many.")
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
