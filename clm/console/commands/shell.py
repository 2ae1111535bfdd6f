"""``wawel shell``: the same commands, one after another, on one connection."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from clm.console import quoting
from clm.console.context import Console, Options
from clm.console.places import state_dir
from clm.console.problems import OK, USAGE, Problem

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completion
    from prompt_toolkit.document import Document

LEAVE = ("exit", "quit")


@click.command()
@click.option("--keep-going", is_flag=True, help="Go on after a command that fails; only matters without a terminal.")
@click.pass_obj
def shell(console: Console, keep_going: bool) -> None:
    """
    An interactive shell, with completion and history; Ctrl-D leaves.

    Without a terminal it reads commands, one a line, and ends at the first that fails, with its exit code.
    """
    if console.in_shell:
        raise Problem("This is the shell already.")
    console.in_shell = True
    base = replace(console.options)
    try:
        if sys.stdin.isatty() and sys.stdout.isatty():
            _interact(console, base)
        else:
            code = run_lines(console, base, io.TextIOWrapper(sys.stdin.buffer, "utf-8", errors="replace"), keep_going)
            if code:
                raise click.exceptions.Exit(code)
    finally:
        console.in_shell = False


def run_lines(console: Console, base: Options, lines: Iterable[str], keep_going: bool = False) -> int:
    """
    Run commands, one a line.

    :return: the exit code of the first that failed; the last one's if they all ran.
    """
    first = OK
    for line in lines:
        words = split(line)
        if words and words[0] in LEAVE:
            break
        code = run_words(console, base, words)
        first = first or code
        if code and not keep_going:
            break
    return first


def split(line: str) -> list[str] | None:
    """A line as words, quoted as for a shell; ``None``: a quotation mark is open."""
    words = quoting.split(line)
    return words[1:] if words and words[0] == "wawel" else words


def run_words(console: Console, base: Options, words: list[str] | None) -> int:
    from clm.console.main import run, tell

    if words is None:
        return tell(Problem("A quotation mark is open.", USAGE), console)
    if not words:
        return OK
    console.begin(base)
    code = run(words, console)
    sys.stdout.flush()
    return code


def _interact(console: Console, base: Options) -> None:
    session = _session(console, base)
    while True:
        console.begin(base)
        try:
            line = session.prompt(prompt_text(console))
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        words = split(line)
        if words and words[0] in LEAVE:
            return
        run_words(console, base, words)


def prompt_text(console: Console) -> str:
    try:
        profile = console.find_profile()
    except Problem:
        profile = None
    return f"wawel {profile.name or profile.url}> " if profile else "wawel> "


def _session(console: Console, base: Options) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, ThreadedCompleter
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    class Commands(Completer):
        def get_completions(self, document: Document, complete_event: object) -> Iterator[Completion]:
            yield from completions(document.text_before_cursor, base)

    history: History = InMemoryHistory()
    path = state_dir() / "history"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        history = FileHistory(str(path))
    except OSError:
        console.say(f"{path} cannot be written; this shell forgets its history.")
    return PromptSession(history=history, completer=ThreadedCompleter(Commands()), complete_while_typing=False)


def completions(text: str, base: Options) -> Iterator[Completion]:
    """What may stand at the end of a line: click's own answers, as for bash."""
    from prompt_toolkit.completion import Completion

    from clm.console.root import cli
    from clm.console.shells import items

    line = quoting.parse(text)
    if line.quote == "\\":
        return
    words = list(line.words[1:] if line.words[:1] == ("wawel",) else line.words)
    # A connection of its own: this runs in a thread, beside the command that is typed.
    own = Console(replace(base))
    try:
        for value, told in items(cli, own, words, line.word):
            yield Completion(quoting.argument(value), start_position=line.start - len(text), display_meta=told)
    except Exception:
        # As in shells.complete: a traceback would be written over the line, which stays usable, whatever is half typed.
        return
    finally:
        own.close()
