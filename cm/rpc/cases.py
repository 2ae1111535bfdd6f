"""
The errors that views can answer with, as ``errors.json`` beside a package of views has them. ``bin/generate`` reads
them off the code (``docs/raises.py``); in the tests every error that a call answers is held against them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cm.rpc.vocabulary import Role

FILE: Final = "errors.json"


@dataclass(frozen=True, slots=True)
class Case:
    """
    One kind of error.

    :ivar code: its slug.
    :ivar number: its family's, on the wire.
    :ivar message: with its fields in braces.
    :ivar retry: whether the same call may succeed later, unchanged.
    """

    code: str
    number: int
    message: str
    retry: bool = False


@dataclass(frozen=True)
class Cases:
    """
    :ivar every: what any call can end with, whatever its view does.
    :ivar known: what it can end with besides where the view is not for guests.
    :ivar changing: and where it changes something.
    :ivar views: by view, what it can answer with beside these.
    :ivar passed_on: of a cloud, what a call besides can end with that it passes on to a cluster.
    """

    every: tuple[Case, ...] = ()
    known: tuple[Case, ...] = ()
    changing: tuple[Case, ...] = ()
    views: Mapping[str, tuple[Case, ...]] = field(default_factory=dict)
    passed_on: tuple[Case, ...] = ()

    def __or__(self, other: Cases) -> Cases:
        """These, and another package's."""
        views = {**self.views, **other.views}
        every, known, changing = self.every or other.every, self.known or other.known, self.changing or other.changing
        return Cases(every, known, changing, views, self.passed_on or other.passed_on)

    def plain(self) -> dict[str, Any]:
        """As a table holds it whose views have their own errors with them; see ``cases_of``."""
        every = {case for codes in self.views.values() for case in codes} | {*self.every, *self.known, *self.changing}
        cases = {
            case.code: {"number": case.number, "message": case.message, **({"retry": True} if case.retry else {})}
            for case in sorted(every, key=lambda case: case.code)
        }
        groups = {"every": self.every, "known": self.known, "changing": self.changing}
        return {"cases": cases, **{name: [case.code for case in found] for name, found in groups.items()}}

    def common(self, role: Role, changing: bool) -> tuple[Case, ...]:
        """What a call can end with by its role and effect alone, by slug."""
        parts = (self.every, () if role is Role.GUEST else self.known, self.changing if changing else ())
        return tuple(sorted((case for part in parts for case in part), key=lambda case: case.code))


def read_cases(path: Path) -> Cases:
    """Those of a package of views; none where it has no file of them."""
    return cases_of(json.loads(path.read_text())) if path.exists() else Cases()


def cases_of(told: Mapping[str, Any]) -> Cases:
    known = {code: Case(code, **rest) for code, rest in told["cases"].items()}

    def those(codes: Iterable[str]) -> tuple[Case, ...]:
        return tuple(known[code] for code in codes)

    groups = {name: those(told.get(name, ())) for name in ("every", "known", "changing", "passed_on")}
    return Cases(**groups, views={name: those(codes) for name, codes in told["views"].items()})
