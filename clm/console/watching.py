"""A list that stays on the terminal and follows what changes: by the server's events, or by asking again."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from clm.console.columns import columns
from clm.console.context import Console
from clm.console.output import chosen, emit_list, rich_table, write
from clm.console.problems import Problem, one_line
from clm.console.sources import NoFeed, follow
from cm.rpc.errors import Unavailable

if TYPE_CHECKING:
    from rich.live import Live

POLL_S: Final = 2.0
SETTLE_S: Final = 0.15  # events come in bursts: one look at the list for each burst
AGES_S: Final = 15.0  # ages in the list grow without any event


def watch_list(console: Console, look: Callable[[], Any], noun: str, every: bool, lead: bool) -> None:
    """
    Show a list anew whenever it changes, until Ctrl-C.

    :param look: asks for the list.
    :param every: everybody's objects are listed.
    :param lead: they are of several clusters.
    """
    if sys.stdout.isatty() and chosen(console) == "table":
        from rich.live import Live

        with Live(auto_refresh=False, screen=False) as live:
            for found, trouble in _looks(console, look, noun, every):
                _show(console, live, found, trouble, noun, lead)
        return
    last: Any = None
    for found, trouble in _looks(console, look, noun, every):
        if trouble:
            console.say(trouble)
        elif found != last:
            if last is not None and chosen(console) == "table":
                write()
            last = found
            try:
                emit_list(console, found, noun, every=lead)
            except Problem as problem:
                console.say(problem.message)  # a cluster did not answer; it may do so next time
            sys.stdout.flush()


def _looks(console: Console, look: Callable[[], Any], noun: str, every: bool) -> Iterator[tuple[Any, str]]:
    last: Any = None
    for _ in ticks(console, noun, every):
        try:
            last = look()
        except Unavailable as error:
            if last is None:
                raise
            yield last, f"{one_line(str(error))} Trying again."
            continue
        yield last, ""


def _show(console: Console, live: Live, found: Any, trouble: str, noun: str, lead: bool) -> None:
    from rich.console import Group
    from rich.text import Text

    missing: list[Any] = []
    if isinstance(found, Mapping):
        found, missing, lead = found.get("items") or [], found.get("missing") or [], True
    made = columns(noun, found, lead) if found else ()
    lines = [Text("There are none.", style="dim")] if not found else []
    lines += [Text(f"{one_line(str(each.get('cluster')))} did not answer", style="red") for each in missing]
    lines.append(Text(f"{time.strftime('%H:%M:%S')}  Ctrl-C ends this.  {trouble}", style="dim"))
    table = [rich_table(made, found, live.console.width, console.options.headers)[0]] if found else []
    live.update(Group(*table, *lines), refresh=True)


def ticks(console: Console, noun: str, every: bool) -> Iterator[None]:
    """When to look: now, after each change of such an object, and every few seconds where the server tells none."""
    changes: queue.Queue[bool] = queue.Queue()
    threading.Thread(target=_listen, args=(console, noun, every, changes.put), daemon=True).start()
    told = True
    yield
    while True:
        try:
            told = changes.get(timeout=AGES_S if told else POLL_S) and told
        except queue.Empty:
            yield
            continue
        if told:
            time.sleep(SETTLE_S)
            while not changes.empty():
                told = changes.get() and told
            yield


def _listen(console: Console, noun: str, every: bool, put: Callable[[bool], None]) -> None:
    """Put ``True`` for each change that matters; at last ``False``, when the server tells no changes (any more)."""
    try:
        for event in follow(console, every=every):
            told = event.json() if event is not None else None
            if event is None or event.name == "reset" or (isinstance(told, dict) and told.get("kind") == noun):
                put(True)
    except (NoFeed, Problem, OSError, ValueError):
        pass
    put(False)
