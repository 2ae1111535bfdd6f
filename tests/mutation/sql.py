"""Where the text of a statement of SQL can be edited: a condition, a lock, a bound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_IS_SQL: Final = re.compile(r"\b(SELECT|UPDATE|INSERT|DELETE|WHERE|AND|FOR UPDATE|ORDER BY|JOIN|SET)\b")
_LOCK: Final = re.compile(r"\s*\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b(?: OF \w+)?(?: SKIP LOCKED| NOWAIT)?")
_ADVISORY: Final = re.compile(r"\bpg_(?:try_)?advisory_(?:xact_)?lock\b")
_BOUND: Final = re.compile(r"(?<=\s)(<=|>=|<|>)(?=\s)")
# What ends a condition, where no bracket is open.
_END: Final = re.compile(
    r"\b(?:AND|OR|THEN|ELSE|END|WHEN|GROUP BY|ORDER BY|HAVING|LIMIT|OFFSET|FOR (?:NO KEY )?UPDATE|FOR (?:KEY )?SHARE"
    r"|RETURNING|UNION|EXCEPT|INTERSECT|ON CONFLICT|DO UPDATE|DO NOTHING|(?:LEFT |CROSS |INNER |RIGHT |FULL )?JOIN"
    r"|WHERE|WINDOW|SELECT|AS|FROM|SET)\b|,"
)
_MOMENT: Final = re.compile(r"now\(|timestamp|interval|_at\b|until|since|:before|:after")
_OPPOSITES: Final = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


@dataclass(frozen=True)
class SqlEdit:
    """The characters from ``start`` to ``end`` become ``new``. :ivar kind: as of a site."""

    kind: str
    start: int
    end: int
    new: str


def sql_edits(literal: str) -> Iterator[SqlEdit]:
    """
    The edits of one statement, or of a part of one.

    :param literal: as it stands in the source, quotes, prefix and all; several literals may follow each other. A
        placeholder of an f-string is left as it is.
    """
    if not _IS_SQL.search(literal):
        return
    opaque = _masked(literal)
    for found in _LOCK.finditer(opaque):
        yield SqlEdit("lock", found.start(), found.end(), "")
    for found in _BOUND.finditer(opaque):
        if _MOMENT.search(opaque[max(0, found.start() - 40) : found.end() + 40]):
            continue
        yield SqlEdit("boundary", found.start(), found.end(), _OPPOSITES[found[1]])
    for found in re.finditer(r"\s*\bAND\b", opaque):
        end = _end_of_condition(opaque, found.end())
        before = opaque[: found.start()]
        if end is None or re.search(r"\bBETWEEN\b(?:(?!\b(?:AND|OR)\b).)*$", before, re.DOTALL):
            continue
        yield SqlEdit("sql condition", found.start(), end, "")


def _masked(literal: str) -> str:
    """The same length, with the placeholders of an f-string made harmless."""
    masked, depth = [], 0
    for character in literal:
        if character == "{":
            depth += 1
        masked.append("x" if depth else character)
        if character == "}":
            depth = max(0, depth - 1)
    return "".join(masked)


def _end_of_condition(text: str, start: int) -> int | None:
    """Where the condition ends that begins at ``start``; None where that is in another literal."""
    depth, at = 0, start
    while at < len(text):
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth < 0:
                return _stripped(text, start, at)
        elif text[at] == '"' or text.startswith("'''", at):
            # The literal ends here, or another one follows it.
            return _stripped(text, start, at) if depth == 0 else None
        elif depth == 0 and _END.match(text, at) and not text[at - 1 : at].isalnum():
            return _stripped(text, start, at)
        at += 1
    return None


def _stripped(text: str, start: int, end: int) -> int | None:
    """Without the white space before the end; None where nothing is left."""
    while end > start and text[end - 1].isspace():
        end -= 1
    return end if end > start else None
