"""What commands print: tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from clm.console import units
from clm.console.columns import Column, columns, written
from clm.console.context import Console
from clm.console.problems import UNREACHABLE, Problem, one_line, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

FORMATS: Final = ("table", "json", "yaml")
COLOURS: Final = {
    "running": "green", "ok": "green", "done": "green", "active": "green", "True": "green", "error": "red",
    "failed": "red", "unreachable": "red", "abandoned": "red", "blocked": "red", "False": "red", "stopped": "dim",
    "destroyed": "dim", "paused": "yellow", "pending": "yellow", "starting": "yellow", "stopping": "yellow",
    "destroying": "yellow", "saving": "yellow", "queued": "yellow", "waiting": "yellow", "new": "yellow",
}  # fmt: skip


def chosen(console: Console) -> str:
    """The format asked for: by option, by the profile, or a table."""
    if console.options.output:
        return console.options.output
    profile = console.find_profile()
    return profile.output if profile is not None and profile.output in FORMATS else "table"


def emit(console: Console, result: Any, noun: str = "") -> None:
    """Print a call's result as what it is: a list, an object, a plan, a text."""
    kind = chosen(console)
    if kind == "json":
        click.echo(as_json(result))
    elif kind == "yaml":
        click.echo(as_yaml(result), nl=False)
    elif isinstance(result, Mapping) and result.get("dry_run") is True and isinstance(result.get("plan"), list):
        emit_plan(result["plan"])
    elif is_objects(result):
        emit_table(console, result, noun)
    elif isinstance(result, Mapping):
        emit_object(console, result)
    elif isinstance(result, list):
        for each in result:
            write(cell(each))
    elif result is not None:
        write(printable(result) if isinstance(result, str) else cell(result))


def emit_file(data: bytes) -> None:
    """
    A file's bytes as they are, for a program.

    :raises click.UsageError: standard output is a terminal, which would obey them.
    """
    if sys.stdout.isatty():
        raise click.UsageError("A file is not written to a terminal: name one.")
    click.echo(data, nl=False)


def emit_list(console: Console, result: Any, noun: str, every: bool = False) -> None:
    """
    Print a list, which may be of several clusters, and say which of them did not answer.

    :param every: the objects are of several clusters, so each tells its own.
    """
    missing: list[Any] = []
    if isinstance(result, Mapping) and isinstance(result.get("items"), list):
        missing = result.get("missing") or []
        result, every = result["items"], True
    if is_objects(result) and chosen(console) == "table":
        emit_table(console, result, noun, lead=every)
    else:
        emit(console, result, noun)
    tell_missing(console, missing)


def tell_missing(console: Console, missing: Sequence[Any]) -> None:
    """:raises Problem: clusters did not answer; the rest is printed already."""
    told = []
    for each in missing:
        name, reason = (each.get("cluster"), each.get("message")) if isinstance(each, Mapping) else (each, "")
        told.append(f"Cluster {one_line(str(name))} did not answer: {one_line(str(reason))}")
    if told:
        raise Problem("  ".join(told), UNREACHABLE)


def is_objects(result: Any) -> bool:
    return isinstance(result, list) and all(isinstance(item, Mapping) for item in result)


def emit_table(console: Console, items: Sequence[Mapping[str, Any]], noun: str = "", lead: bool = False) -> None:
    made = columns(noun, items, lead) if items else ()
    if sys.stdout.isatty():
        if not items:
            console.say("There are none.")
            return
        from rich.console import Console as Rich

        screen = Rich()
        made_table, left_out = rich_table(made, items, screen.width, console.options.headers)
        screen.print(made_table)
        if left_out:
            console.say(f"No room for {', '.join(left_out)}; -o json has all.")
        return
    rows = [[cell(column.value(item)) for column in made] for item in items]
    if console.options.headers and made:
        rows.insert(0, [column.heading for column in made])
    for line in aligned(rows):
        write(line)


def rich_table(
    made: Sequence[Column], items: Sequence[Mapping[str, Any]], room: int, headers: bool = True
) -> tuple[RenderableType, tuple[str, ...]]:  # fmt: skip
    """
    A list as it fits on a terminal.

    :param room: columns of the terminal.
    :return: what rich prints, and the headings for which there was no room.
    """
    from rich.table import Table
    from rich.text import Text

    from clm.console.layout import cut, fit

    rows = [[cell(column.value(item)) for column in made] for item in items]
    headings = [column.heading for column in made]
    wide = [max([width(row[n]) for row in rows] + [len(heading)]) for n, heading in enumerate(headings)]
    layout = fit(headings, wide, room)
    # Text, not markup: a name may hold brackets.
    if not layout.widths:
        return _by_lines(headings, rows, room), ()
    table = Table(box=None, show_header=headers, header_style="bold", pad_edge=False)
    for number in layout.widths:
        table.add_column(headings[number], no_wrap=True, overflow="ignore", min_width=layout.widths[number])
    for row in rows:
        texts = [(cut(row[n], most, width(row[n])), row[n]) for n, most in layout.widths.items()]
        table.add_row(*(Text(text, style=COLOURS.get(whole.partition(",")[0], "")) for text, whole in texts))
    return table, layout.left_out


def _by_lines(headings: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> RenderableType:
    """Each object's members beneath each other: where a line is too long a terminal breaks it, and nothing is lost."""
    from rich.text import Text

    wide = max(map(len, headings))
    if wide > room // 2:
        wide = 0
    told = []
    for row in rows:
        pairs = zip(headings, row, strict=True)
        told.append("\n".join(f"{heading:<{wide}}  {text}" for heading, text in pairs if text))
    return Text("\n\n".join(told), overflow="ignore", no_wrap=True)


def emit_object(console: Console, found: Mapping[str, Any]) -> None:
    """One object, a line for each of its members."""
    rows = []
    for key, value in found.items():
        name = one_line(str(key))
        if isinstance(value, list) and is_objects(value) and value:
            told = "; ".join(cell({k: v for k, v in item.items() if v not in (None, "")}) for item in value)
        elif isinstance(value, Mapping):
            told = cell(value)
        elif units.moment(value) is not None:
            told = units.when(value)
        else:
            told = cell(written(name, value), lines=True)
        rows.append((name, told))
    wide = max((len(name) for name, _ in rows), default=0)
    for name, told in rows:
        first, *more = told.split("\n")
        write(f"{name:<{wide}}  {first}".rstrip())
        for line in more:
            write(f"{'':<{wide}}  {line}".rstrip())


def emit_plan(plan: Sequence[Any]) -> None:
    """What a change would do, step by step."""
    if not plan:
        write("Nothing would be done.")
    for number, step in enumerate(plan, 1):
        if isinstance(step, Mapping):
            told = "  ".join(
                f"{one_line(str(k))}={cell(v)}" for k, v in step.items() if k != "step" and v not in (None, "")
            )
            step = f"{cell(step.get('step', 'step'))}  {told}".rstrip()
        write(f"{number:>3}. {cell(step)}")


def cell(value: Any, lines: bool = False) -> str:
    """A value in a table: of one line, and nothing that a terminal would obey."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(each) for each in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{one_line(str(k))}={cell(v)}" for k, v in value.items())
    text = str(value)
    return visible(text).rstrip("\n") if lines else one_line(text)


_SEQUENCES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")


def printable(text: str) -> str:
    """Text of several lines without what a terminal would obey: a guest writes its console for a terminal."""
    text = _SEQUENCES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(c for c in text if c in "\n\t" or c.isprintable())


def write(text: str = "") -> None:
    """Print lines to standard output that may hold what a server said."""
    click.echo(visible(text))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with columns beneath each other."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text + " " * (wide - width(text)) for text, wide in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def as_json(result: Any, indent: int | None = 2) -> str:
    """JSON whose strings have escapes for all that a terminal would obey, which means the same."""
    text = json.dumps(result, indent=indent, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def as_yaml(result: Any) -> str:
    import yaml

    told: str = yaml.safe_dump(result, sort_keys=False, allow_unicode=True, default_flow_style=False)
    if not told.replace("\n", "").isprintable():
        told = yaml.safe_dump(result, sort_keys=False, default_flow_style=False)
    return told.removesuffix("...\n")
