"""
Filters of objects, in the language of Xen Orchestra's complex-matcher: what somebody typed, as a tree that says of an
object whether it is meant. Pure.

    web prod            both are somewhere in it, whatever the case        |(web prod)     one of them is
    name_label:web      in this member                                     !running        not that
    "web prod"          exactly so, blanks and all                         w*1             one after the other
    memory:size:>1e9    a number                                           tags?           there, not empty, not 0
    /^web[0-9]+$/i      a regular expression (``pattern.py``)

A word is found in all members of an object and in all items of a list; a member is looked for in the object itself
alone. A word that is a number also is that number. ``length`` is that of a list or a text.

Source: complex-matcher, of which ``tests/unit/rules/test_filter.py`` has vectors. What it says of the position of an
error it says here; depth, and how much a text may hold, are ours: they are what reading may cost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, Final

from cm.rpc.errors import InvalidParameter
from cm.rules.pattern import WORK_MAX, Pattern, PatternError, Work

LENGTH_MAX: Final = 10_240  # characters of a filter
DEPTH_MAX: Final = 50  # of what stands within each other in it

_COMPARE: Final[Mapping[str, Callable[[Any, float], bool]]] = {
    ">=": ge,
    "<=": le,
    ">": gt,
    "<": lt,
}  # the longer ones first
_NUMBER: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]-?[0-9]+)?", re.ASCII)
_PLAIN: Final = "_-.$"


def _wrong(reason: str) -> InvalidParameter:
    return InvalidParameter("filter", reason)


class Node:
    """A part of a filter. ``str`` writes it as it may be read again."""

    def matches(self, value: Any) -> bool:
        """
        :param value: JSON: an object, or something in one.
        :raises InvalidParameter: regular expressions of its filter have had too much to do.
        """
        raise NotImplementedError


def _anywhere(value: Any, is_it: Callable[[Any], bool]) -> bool:
    """Whether a text or number that is somewhere in a value is it."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif is_it(each):
            return True
    return False


def _one_by_one(parts: Sequence[str], text: str) -> bool:
    place = 0
    for part in parts:
        place = text.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


@dataclass(frozen=True)
class Text(Node):
    """It is part of a text, whatever the case."""

    text: str

    def matches(self, value: Any) -> bool:
        low = self.text.lower()
        return _anywhere(value, lambda each: isinstance(each, str) and low in each.lower())

    def __str__(self) -> str:
        return self.text if _is_raw(self.text) and _number(self.text) is None else _quoted(self.text)


@dataclass(frozen=True)
class Number(Node):
    """It is this number, or a part of a text."""

    text: str

    def matches(self, value: Any) -> bool:
        number = _number(self.text)

        def is_it(each: Any) -> bool:
            if isinstance(each, str):
                return self.text in each
            return _is_number(each) and each == number

        return _anywhere(value, is_it)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Glob(Node):
    """Parts of a text that follow each other, whatever is between them, before and behind."""

    text: str

    def matches(self, value: Any) -> bool:
        parts = self.text.lower().split("*")
        return _anywhere(value, lambda each: isinstance(each, str) and _one_by_one(parts, each.lower()))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Regex(Node):
    """It is somewhere in a text."""

    pattern: Pattern

    def matches(self, value: Any) -> bool:
        try:
            return _anywhere(value, lambda each: isinstance(each, str) and self.pattern.search(each))
        except PatternError as error:
            raise _wrong(str(error)) from None

    def __str__(self) -> str:
        text = _SLASH.sub(lambda found: found[1] or "\\/", self.pattern.text)
        return f"/{text}/{'i' * self.pattern.any_case}"


# A slash that is escaped already stays as it is.
_SLASH: Final = re.compile(r"(\\.)|/", re.DOTALL)


@dataclass(frozen=True)
class Compare(Node):
    """It is a number, and stands so to this one."""

    operator: str
    text: str

    def matches(self, value: Any) -> bool:
        return _is_number(value) and _COMPARE[self.operator](value, float(self.text))

    def __str__(self) -> str:
        return self.operator + self.text


@dataclass(frozen=True)
class Member(Node):
    """A member of an object is as the filter says; where there is none, it is not."""

    name: str
    of: Node

    def matches(self, value: Any) -> bool:
        found = _member(value, self.name)
        return found is not None and self.of.matches(found)

    def __str__(self) -> str:
        return f"{_name(self.name)}:{self.of}"


@dataclass(frozen=True)
class Present(Node):
    """A member is there, and neither empty, 0 nor false; lists and objects are there, be there nothing in them."""

    name: str

    def matches(self, value: Any) -> bool:
        found = _member(value, self.name)
        return bool(found) or isinstance(found, (Mapping, list))

    def __str__(self) -> str:
        return f"{_name(self.name)}?"


@dataclass(frozen=True)
class Not(Node):
    of: Node

    def matches(self, value: Any) -> bool:
        return not self.of.matches(value)

    def __str__(self) -> str:
        return f"!{self.of}"


@dataclass(frozen=True)
class All(Node):
    """Each of these; none: everything."""

    of: tuple[Node, ...]

    def matches(self, value: Any) -> bool:
        return all(each.matches(value) for each in self.of)

    def __str__(self) -> str:
        return f"({_joined(self.of)})"


@dataclass(frozen=True)
class AnyOf(Node):
    of: tuple[Node, ...]

    def matches(self, value: Any) -> bool:
        return any(each.matches(value) for each in self.of)

    def __str__(self) -> str:
        return f"|({_joined(self.of)})"


EVERYTHING: Final = All(())


def _joined(nodes: Sequence[Node]) -> str:
    return " ".join(map(str, nodes))


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    return len(value) if name == "length" and isinstance(value, (str, list)) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(text: str) -> float | None:
    """None: it is no number. Large ones are as near as a float comes."""
    return float(text) if _NUMBER.fullmatch(text) else None


def _is_raw(text: str) -> bool:
    return bool(text) and all(map(_may_be_raw, text))


def _may_be_raw(character: str) -> bool:
    return character.isalnum() or character in _PLAIN


def _name(text: str) -> str:
    return text if _is_raw(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# ------------------------------------------------------------------ reading


def read_filter(text: str) -> Node:
    """
    :raises InvalidParameter: it is none, or longer or deeper than filters may be.
    """
    if len(text) > LENGTH_MAX:
        raise _wrong(f"it has {len(text)} characters; {LENGTH_MAX} is the most")
    reader = _Reader(text)
    terms = tuple(reader.terms())
    if reader.place < len(text):
        raise reader.expected("end of input")
    return terms[0] if len(terms) == 1 else All(terms)


def write_filter(node: Node) -> str:
    """As ``read_filter`` reads it again, with one blank where there may be any."""
    return _joined(node.of) if isinstance(node, All) else str(node)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0
        self.work = Work(WORK_MAX)

    def expected(self, what: str) -> InvalidParameter:
        return _wrong(f"expected {what} at position {self.place}")

    def _blanks(self) -> None:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1

    def _take(self, text: str) -> bool:
        found = self.text.startswith(text, self.place)
        self.place += len(text) * found
        return found

    def terms(self) -> Iterator[Node]:
        """As many as there are."""
        self._blanks()
        while (term := self._term()) is not None:
            yield term
            self._blanks()

    def _some(self) -> tuple[Node, ...]:
        """Terms in brackets, of which the first is open."""
        found = tuple(self.terms())
        if not found:
            raise self.expected("a term")
        if not self._take(")"):
            raise self.expected("')'")
        return found

    def _one(self) -> Node:
        self._blanks()
        term = self._term()
        if term is None:
            raise self.expected("a term")
        return term

    def _term(self) -> Node | None:
        """None: here is none."""
        if self.place >= len(self.text):
            return None
        if self.depth == DEPTH_MAX:
            raise _wrong(f"it is deeper than {DEPTH_MAX} at position {self.place}")
        self.depth += 1
        found = self._here()
        self.depth -= 1
        return found

    def _here(self) -> Node | None:
        if self._take("("):
            of = self._some()
            return of[0] if len(of) == 1 else All(of)
        if self._take("|"):
            self._blanks()
            if not self._take("("):
                raise self.expected("'('")
            of = self._some()
            return of[0] if len(of) == 1 else AnyOf(of)
        if self._take("!"):
            return Not(self._one())
        for operator in _COMPARE:
            if self._take(operator):
                return self._compare(operator)
        if self._take("/"):
            return self._regex()
        quoted = self.text[self.place] == '"'
        word = self._quoted() if quoted else self._raw()
        return None if word is None else self._word(word, quoted)

    def _word(self, word: str, quoted: bool) -> Node:
        """A word alone, or the name of a member that something is said of."""
        if quoted or "*" not in word:
            behind = self.place
            self._blanks()
            if self._take(":"):
                return Member(word, self._one())
            self.place = behind
            if self._take("?"):
                return Present(word)
        if quoted:
            return Text(word)
        if "*" in word:
            return Glob(word)
        return Text(word) if _number(word) is None else Number(word)

    def _compare(self, operator: str) -> Node:
        self._blanks()
        begin = self.place
        word = self._raw()
        if word is None or _number(word) is None:
            self.place = begin
            raise _wrong(f"value must be a number at position {begin}")
        return Compare(operator, word)

    def _raw(self) -> str | None:
        begin = self.place
        while self.place < len(self.text) and (_may_be_raw(self.text[self.place]) or self.text[self.place] == "*"):
            self.place += 1
        return self.text[begin : self.place] or None

    def _quoted(self) -> str:
        self.place += 1
        return self._until('"', escaped=True)

    def _regex(self) -> Node:
        begin = self.place
        text = self._until("/", escaped=False)
        any_case = self._take("i")
        try:
            return Regex(Pattern(text, any_case, self.work))
        except PatternError as error:
            raise _wrong(f"{error} in the regular expression at position {begin}") from None

    def _until(self, end: str, *, escaped: bool) -> str:
        """
        What stands before ``end``, which is passed.

        :param escaped: a backslash is left out, and what follows it taken as it is; else both are kept.
        """
        taken: list[str] = []
        while self.place < len(self.text):
            character = self.text[self.place]
            self.place += 1
            if character == end:
                return "".join(taken)
            if character == "\\" and self.place < len(self.text):
                character = self.text[self.place] if escaped else character + self.text[self.place]
                self.place += 1
            taken.append(character)
        raise self.expected(f"'{end}'")


# ------------------------------------------------------------------ what of it is known beforehand


def size(node: Node) -> int:
    """How many things are looked for, at the most, each time."""
    if isinstance(node, (All, AnyOf)):
        return sum(map(size, node.of)) or 1
    return size(node.of) if isinstance(node, (Member, Not)) else 1


def possible(node: Node, member: str, values: Sequence[str]) -> list[str]:
    """
    Of the values that a member of every object may have, those of which a filter may be true: of others nothing has to
    be read.
    """
    return [value for value in values if _may_be(node, member, value)]


def _may_be(node: Node, member: str, value: str) -> bool:
    if isinstance(node, All):
        return all(_may_be(each, member, value) for each in node.of)
    if isinstance(node, AnyOf):
        return any(_may_be(each, member, value) for each in node.of)
    if isinstance(node, Member) and node.name == member:
        return node.of.matches(value)
    if isinstance(node, Not) and isinstance(node.of, Member) and node.of.name == member:
        return not node.of.of.matches(value)
    return True
