"""
Regular expressions that cannot be slow: read by ourselves and followed through a text state by state, so that a text
takes time by its length, whatever the expression. What would need going back and forth in a text (references, looking
around) is no part of them, and how large one may grow is bounded. Pure.

``. [a-z] [^a-z] \\d \\w \\s \\D \\W \\S \\t \\n \\r \\uXXXX ^ $ ( ) (?: ) | * + ? {2} {2,} {2,5}``, and ``?`` behind
these, which changes nothing: what is asked is whether a text has one, not where.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

STATES_MAX: Final = 2_000
_KNOWN_MAX: Final = 4_000  # steps that are remembered; then all are forgotten and found anew
WORK_MAX: Final = 10_000_000  # of one filter: a second or so
_LOOK: Final = 50  # characters that take as long as looking at a state
_GROUPS_MAX: Final = 40  # within each other
_DIGITS: Final = frozenset("0123456789")
_WORD: Final = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPECIAL: Final = frozenset("^$\\.*+?()[]{}|/")


class PatternError(ValueError):
    """It cannot be read, or takes too much."""


class Work:
    """How much may still be done for somebody: characters that are gone through, states that are looked at."""

    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self, amount: int) -> None:
        """:raises PatternError: nothing is left."""
        self._left -= amount
        if self._left < 0:
            raise PatternError("too much to do for regular expressions: ask for a member, or for fewer objects")


@dataclass(frozen=True)
class _Set:
    """Characters: single ones, ranges, and classes by their letters; or all others."""

    ranges: tuple[tuple[str, str], ...] = ()
    classes: str = ""
    others: bool = False

    def has(self, cases: Collection[str]) -> bool:
        """Whether a character is in it, told in each of its cases: all others are those that are there in none."""
        found = any(first <= each <= last for each in cases for first, last in self.ranges) or any(
            _in_class(each, letter) for each in cases for letter in self.classes
        )
        return found is not self.others


_ANY: Final = _Set((("\n", "\n"), ("\r", "\r")), "", True)


def _in_class(character: str, letter: str) -> bool:
    """ECMAScript's: digits and word characters are ASCII."""
    low = letter.lower()
    if low == "s":
        found = character.isspace()
    else:
        found = character in (_DIGITS if low == "d" else _WORD)
    return found is letter.islower()


@dataclass
class _State:
    """Where one may be: on to ``to`` by a character of ``takes``, by an end of the text (``at``), or by nothing."""

    takes: _Set | None = None
    at: str = ""  # "^", "$"
    to: list[int] = field(default_factory=list)


class Pattern:
    """
    :ivar text: as it was given; patterns of one text and case are equal.
    :raises PatternError: it is none, or too large.
    """

    def __init__(self, text: str, any_case: bool = False, work: Work | None = None) -> None:
        self.text = text
        self.any_case = any_case
        self._work = work or Work(WORK_MAX)
        self._states: list[_State] = []
        reader = _Reader(text, self._states)
        self._first, self._last = reader.whole()
        self._begin = self._closure({self._first}, begin=True)
        self._again = self._closure({self._first}, begin=False)
        self._next: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and (self.text, self.any_case) == (other.text, other.any_case)

    def __hash__(self) -> int:
        return hash((self.text, self.any_case))

    def __repr__(self) -> str:
        return f"Pattern({self.text!r}, {self.any_case})"

    def search(self, text: str) -> bool:
        """
        Whether it is somewhere in a text.

        :raises PatternError: too much was done already.
        """
        self._work.spend(len(text))
        now = self._begin
        for character in text:
            if self._last in now:
                return True
            key = (now, character)
            known = self._next.get(key)
            if known is None:
                if len(self._next) >= _KNOWN_MAX:
                    self._next.clear()
                known = self._next[key] = self._step(now, character)
            now = known
        return self._last in now or self._last in self._closure(set(now), begin=not text, end=True)

    def _step(self, now: frozenset[int], character: str) -> frozenset[int]:
        both = {character, character.lower(), character.upper()} if self.any_case else {character}
        self._work.spend(_LOOK * len(now))
        reached: set[int] = set()
        for number in now:
            state = self._states[number]
            if state.takes is not None and state.takes.has(both):
                reached.update(state.to)
        return self._closure(reached, begin=False) | self._again

    def _closure(self, numbers: set[int], *, begin: bool, end: bool = False) -> frozenset[int]:
        found, waiting = set(numbers), list(numbers)
        while waiting:
            state = self._states[waiting.pop()]
            if state.takes is None and (not state.at or (state.at == "^" and begin) or (state.at == "$" and end)):
                for number in state.to:
                    if number not in found:
                        found.add(number)
                        waiting.append(number)
        return frozenset(found)


_Part = tuple[int, int]  # its first state and its last, which leads nowhere yet


class _Reader:
    """Makes states of a text, by Thompson's construction."""

    def __init__(self, text: str, states: list[_State]) -> None:
        self.text = text
        self.place = 0
        self.states = states
        self.depth = 0

    def whole(self) -> _Part:
        part = self._choice()
        if self.place < len(self.text):
            raise PatternError("a ')' without its '('")
        return part

    def _new(self, takes: _Set | None = None, at: str = "") -> int:
        if len(self.states) >= STATES_MAX:
            raise PatternError(f"more than {STATES_MAX} steps")
        self.states.append(_State(takes, at))
        return len(self.states) - 1

    def _lead(self, first: int, last: int) -> None:
        self.states[first].to.append(last)

    def _peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def _take(self, character: str) -> bool:
        found = self._peek() == character
        self.place += found
        return found

    def _choice(self) -> _Part:
        ways = [self._row()]
        while self._take("|"):
            ways.append(self._row())
        if len(ways) == 1:
            return ways[0]
        first, last = self._new(), self._new()
        for begin, end in ways:
            self._lead(first, begin)
            self._lead(end, last)
        return first, last

    def _row(self) -> _Part:
        first = last = self._new()
        while self._peek() not in ("", "|", ")"):
            begin, end = self._repeated()
            self._lead(last, begin)
            last = end
        return first, last

    def _repeated(self) -> _Part:
        begin = self.place
        part = self._single()
        end = self.place
        least, most = self._times()
        if (least, most) == (1, 1):
            return part
        if self._peek() in ("*", "+", "?", "{"):
            raise PatternError("nothing to repeat")
        first = last = self._new()
        pieces = [part]

        def piece() -> _Part:
            """The same part once more."""
            if pieces:
                return pieces.pop()
            behind, self.place = self.place, begin
            again = self._single()
            assert self.place == end
            self.place = behind
            return again

        for _ in range(least):
            inner, out = piece()
            self._lead(last, inner)
            last = out
        if most is None:
            inner, out = piece()
            around, after = self._new(), self._new()
            self._lead(last, around)
            self._lead(around, inner)
            self._lead(around, after)
            self._lead(out, around)
            return first, after
        after = self._new()
        self._lead(last, after)
        for _ in range(most - least):
            inner, out = piece()
            self._lead(last, inner)
            self._lead(out, after)
            last = out
        return first, after

    def _times(self) -> tuple[int, int | None]:
        for sign, times in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                self._take("?")
                return times
        if not self._take("{"):
            return 1, 1
        least = most = self._count()
        if self._take(","):
            most = None if self._peek() == "}" else self._count()
        if least is None or not self._take("}") or (most is not None and most < least):
            raise PatternError("a count that is none")
        self._take("?")
        return least, most

    def _count(self) -> int | None:
        begin = self.place
        while self._peek() in _DIGITS and self._peek():
            self.place += 1
        digits = self.text[begin : self.place]
        if len(digits) > 4:
            raise PatternError(f"more than {STATES_MAX} steps")
        return int(digits) if digits else None

    def _single(self) -> _Part:
        character = self._peek()
        self.place += 1
        if character == "(":
            return self._group()
        if character in ("*", "+", "?", "{"):
            raise PatternError("nothing to repeat")
        if character in ("^", "$"):
            first, last = self._new(at=character), self._new()
        else:
            if character == ".":
                takes = _ANY
            elif character == "[":
                takes = self._class()
            else:
                takes = self._escape() if character == "\\" else _Set(((character, character),))
            first, last = self._new(takes), self._new()
        self._lead(first, last)
        return first, last

    def _group(self) -> _Part:
        if self._take("?") and not self._take(":"):
            raise PatternError("a group that looks around")
        self.depth += 1
        if self.depth > _GROUPS_MAX:
            raise PatternError(f"more than {_GROUPS_MAX} groups within each other")
        part = self._choice()
        self.depth -= 1
        if not self._take(")"):
            raise PatternError("a '(' without its ')'")
        return part

    def _escape(self) -> _Set:
        letter = self._peek()
        self.place += 1
        if letter and letter in "dwsDWS":
            return _Set((), letter)
        plain = {"t": "\t", "n": "\n", "r": "\r"}.get(letter, letter)
        if letter == "u":
            digits = self.text[self.place : self.place + 4]
            if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise PatternError("a \\u without four digits")
            self.place += 4
            plain = chr(int(digits, 16))
        elif letter not in _SPECIAL | {"t", "n", "r", "-", '"', " "}:
            raise PatternError(f"a \\{letter}, which means nothing here")
        return _Set(((plain, plain),))

    def _class(self) -> _Set:
        others = self._take("^")
        ranges: list[tuple[str, str]] = []
        classes = ""
        while not self._take("]"):
            first = self._in_class()
            classes += first.classes
            if first.classes or self._peek() != "-" or self.text[self.place + 1 : self.place + 2] == "]":
                ranges += first.ranges
                continue
            self.place += 1
            last = self._in_class()
            if last.classes or last.ranges[0][0] < first.ranges[0][0]:
                raise PatternError("a range that is none")
            ranges.append((first.ranges[0][0], last.ranges[0][0]))
        return _Set(tuple(ranges), classes, others)

    def _in_class(self) -> _Set:
        character = self._peek()
        self.place += 1
        if not character:
            raise PatternError("a '[' without its ']'")
        return self._escape() if character == "\\" else _Set(((character, character),))
