"""``wawel events``."""

from __future__ import annotations

import sys

import click

from clm.console.context import Console
from clm.console.options import shared
from clm.console.output import as_json as json_of
from clm.console.output import chosen, write
from clm.console.problems import REFUSED, Problem, one_line
from clm.console.sources import NoFeed, follow
from clm.console.values import Whole
from cm.rpc.sse import Event


@click.command()
@click.option("-A", "--admin", is_flag=True, help="As an administrator: everybody's.")
@click.option("-f", "--follow", "stay", is_flag=True, help="For ever, until Ctrl-C.")
@click.option("--cursor", default="", help="Begin after this event, as an earlier run told it.")
@click.option("--count", type=Whole(1), help="End after so many.")
@click.option("--kind", help="Only of such objects: vm, image, operation ...")
@click.pass_obj
def events(console: Console, admin: bool, stay: bool, cursor: str, count: int | None, kind: str | None) -> None:
    """
    What changes, as it happens: an event a line; with -o json each as an object with its cursor.

    Without --follow it ends after the first event, or after --count of them.
    """
    left = count if count is not None else (0 if stay else 1)
    try:
        for event in follow(console, every=admin, cursor=cursor):
            if event is None:
                continue
            told = event.json()
            told = told if isinstance(told, dict) else {}
            if kind and told.get("kind") != kind and event.name != "reset":
                continue
            _tell(event, told, as_json=chosen(console) != "table")
            if left == 1:
                return
            left = max(0, left - 1)
    except NoFeed:
        raise Problem("This server tells no events.", REFUSED) from None


events.params += shared(cluster=False)


def _tell(event: Event, told: dict[str, object], as_json: bool) -> None:
    if as_json:
        line = json_of({"cursor": event.id, "event": event.name, **told}, indent=None)
    elif event.name == "reset":
        line = "reset  the cursor is too old, or of another server: look anew"
    else:
        shown = told.get("object")
        inner = shown if isinstance(shown, dict) else {}
        name = inner.get("name") or inner.get("login") or told.get("uuid") or ""
        what = f"{event.name:<7} {told.get('kind')} {told.get('object_id')}"
        line = f"{told.get('at') or ''}  {what}  {name}  {inner.get('state') or ''}"
    write(line if as_json else one_line(line))
    sys.stdout.flush()
