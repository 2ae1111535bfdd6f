"""
Series of samples: how they are packed, made coarser, kept, and read. Pure.

A *block* is so many samples in a row of all series of one object. What was sampled in an hour becomes one block; of
several of these one of the next level is made, whose samples are their means, and so on (``LEVELS``). Blocks of a level
begin at multiples of its span and lie wholly within one of the next, so that of any moment one level tells, without
doubt which.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, isnan, nan
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
WEEK: Final = 7 * DAY
STEPS: Final = (10, 15, 20, 30, 60)  # seconds between samples: parts of a minute
RESOLUTIONS: Final = (10, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, DAY, WEEK)
FOR_EVER: Final = 100 * 366  # days
LEAST_STEP: Final = 5  # what STEPS have in common, where the time between samples is changed within an hour
_FLOAT: Final = 4  # bytes of a sample before packing
_LITTLE: Final = sys.byteorder == "little"


@dataclass(frozen=True)
class Level:
    """
    :ivar step_s: between its samples; 0: as they were taken.
    :ivar span_s: that a block covers.
    """

    number: int
    step_s: int
    span_s: int


LEVELS: Final = (
    Level(0, 0, HOUR),
    Level(1, MINUTE, 6 * HOUR),
    Level(2, 5 * MINUTE, DAY),
    Level(3, HOUR, WEEK),
    Level(4, DAY, 4 * WEEK),
)


@dataclass(frozen=True)
class Sample:
    """One moment of an object. ``at``: unix seconds, a multiple of the time between samples."""

    at: int
    names: tuple[str, ...]
    values: Sequence[float]


@dataclass(frozen=True)
class Block:
    """``columns``: of each name its samples, NaN where there is none; ``start``: unix seconds of the first."""

    start: int
    step_s: int
    names: tuple[str, ...]
    columns: tuple[array[float], ...]


def begin_of(at: float, span_s: int) -> int:
    """Of the span that a moment lies in."""
    return int(at // span_s) * span_s


# ------------------------------------------------------------------ packing


def bytes_of(values: Sequence[float]) -> bytes:
    """float32, little-endian, one after the other."""
    made = array("f", values)
    if not _LITTLE:
        made.byteswap()
    return made.tobytes()


def floats(data: bytes) -> array[float]:
    """The inverse of ``bytes_of``."""
    made = array("f")
    made.frombytes(data)
    if not _LITTLE:
        made.byteswap()
    return made


def pack(columns: Sequence[array[float]]) -> bytes:
    """
    Samples as they are stored: the first bytes of all, then the second ones, and so on, compressed. Neighbours share
    sign and exponent, so three bytes in four pack well apart from the fourth.
    """
    joined = array("f")
    for column in columns:
        joined.extend(column)
    data = bytes_of(joined)
    return zlib.compress(b"".join(data[place::_FLOAT] for place in range(_FLOAT)))


def unpack(body: bytes, names: int) -> tuple[array[float], ...]:
    """
    The inverse of ``pack``.

    :param names: how many columns there are.
    :raises ValueError: it is not what ``pack`` made of so many.
    """
    try:
        planes = zlib.decompress(body)
    except zlib.error as error:
        raise ValueError(f"samples that cannot be read: {error}") from None
    count = len(planes) // _FLOAT
    if len(planes) % _FLOAT or (names and count % names) or (not names and count):
        raise ValueError(f"{len(planes)} bytes of samples in {names} columns")
    data = bytearray(len(planes))
    for place in range(_FLOAT):
        data[place::_FLOAT] = planes[place * count : (place + 1) * count]
    joined = floats(bytes(data))
    each = count // names if names else 0
    return tuple(joined[number * each : (number + 1) * each] for number in range(names))


# ------------------------------------------------------------------ making blocks


def gather(samples: Sequence[Sample], start: int, span_s: int) -> Block | None:
    """
    What was sampled within a span as one block; None of nothing. Of two samples for one moment the later one counts.
    """
    samples = [sample for sample in samples if start <= sample.at < start + span_s]
    if not samples:
        return None
    step_s = max(LEAST_STEP, gcd(MINUTE, *(sample.at - start for sample in samples)))
    slots = span_s // step_s
    columns: dict[str, array[float]] = {}
    for sample in samples:
        slot = (sample.at - start) // step_s
        for name, value in zip(sample.names, sample.values, strict=True):
            column = columns.get(name)
            if column is None:
                column = columns[name] = array("f", [nan]) * slots
            column[slot] = value
    return Block(start, step_s, tuple(columns), tuple(columns.values()))


def coarsen(blocks: Iterable[Block], start: int, level: Level) -> Block | None:
    """
    One block of a level out of finer ones: each sample the mean of those that there are in its time, counted by the
    time that they stand for. None of nothing.
    """
    sums = _Sums(start, level.step_s, level.span_s // level.step_s)
    for block in blocks:
        sums.add(block)
    columns = sums.means()
    return Block(start, level.step_s, tuple(columns), tuple(columns.values())) if columns else None


class _Sums:
    """Of each series, by bucket: the sum of what it was times seconds, and the seconds that are told of."""

    def __init__(self, start: int, step_s: int, count: int) -> None:
        self._start = start
        self._step_s = step_s
        self._count = count
        self.totals: dict[str, tuple[array[float], array[float]]] = {}

    def add(self, block: Block) -> None:
        """Samples of a step up to the buckets' own, or a multiple of it: these stand for several buckets."""
        for name, column in zip(block.names, block.columns, strict=True):
            found = self.totals.get(name)
            if found is None:
                zeros = array("d", bytes(8 * self._count))
                found = self.totals[name] = (zeros, zeros[:])
            self._add(block, column, *found)

    def _add(self, block: Block, column: array[float], sums: array[float], seconds: array[float]) -> None:
        step_s, wide = block.step_s, self._step_s
        per = wide // step_s if step_s < wide and wide % step_s == 0 else 1
        position = block.start - self._start
        if per > 1 and position % wide == 0:
            for first in range(0, len(column), per):
                bucket = (position + first * step_s) // wide
                if 0 <= bucket < self._count:
                    part = column[first : first + per]
                    total, many = sum(part), len(part)
                    if isnan(total):
                        there = [value for value in part if not isnan(value)]
                        total, many = sum(there), len(there)
                    sums[bucket] += total * step_s
                    seconds[bucket] += many * step_s
            return
        for number, value in enumerate(column):
            bucket = (position + number * step_s) // wide
            if 0 <= bucket < self._count and not isnan(value):
                sums[bucket] += value * step_s
                seconds[bucket] += step_s

    def means(self) -> dict[str, array[float]]:
        """Series without a single sample are left out."""
        return {
            name: array("f", [total / over if over else nan for total, over in zip(sums, seconds, strict=True)])
            for name, (sums, seconds) in self.totals.items()
            if any(seconds)
        }


# ------------------------------------------------------------------ reading


@dataclass(frozen=True)
class Kept:
    """For how many seconds samples of each level are kept, the finest first."""

    seconds: tuple[int, ...]

    @classmethod
    def of(cls, *days: int) -> Kept:
        """:param days: 0: for ever."""
        return cls(tuple((each or FOR_EVER) * DAY for each in days))


USUALLY: Final = Kept.of(1, 7, 31, 366, 3660)


def resolution_for(asked_s: int, since: float, now: float, sampled_s: int, kept: Kept) -> int:
    """
    The resolution of an answer: what was asked for, or the finest one of which there is still something at its
    beginning.

    :param sampled_s: between samples.
    """
    age_s = now - since
    for level, kept_s in zip(LEVELS, kept.seconds, strict=True):
        step_s = level.step_s or sampled_s
        if age_s <= kept_s + level.span_s or level is LEVELS[-1]:
            if step_s > asked_s:
                asked_s = next((each for each in RESOLUTIONS if each >= step_s), RESOLUTIONS[-1])
            return asked_s
    raise AssertionError("unreachable")


def levels_for(resolution_s: int) -> list[Level]:
    """
    Levels that an answer may be made of, the coarsest first: with those of its resolution and finer ones, down to what
    was sampled just now.
    """
    return [level for level in reversed(LEVELS) if level.step_s <= resolution_s]


@dataclass(frozen=True)
class Line:
    """
    One series as it is answered.

    :ivar values: None where nothing was sampled.
    :ivar total: the sum of what it was times seconds: of a rate what there was in all.
    :ivar mean: over the time that is told of; None where there is none.
    """

    values: list[float | None]
    total: float
    mean: float | None
    greatest: float | None


def read(
    blocks: Mapping[int, Sequence[Block]], since: int, until: int, resolution_s: int
) -> dict[str, tuple[array[float], array[float]]]:
    """
    All series of an object between two moments, as sums and seconds by bucket; ``line`` makes one of them.

    :param blocks: by level. What a coarser one tells of is not read from a finer one.
    :param since: a multiple of the resolution.
    """
    sums = _Sums(since, resolution_s, max(0, -(-(until - since) // resolution_s)))
    covered: list[tuple[int, set[int]]] = []
    for level in reversed(LEVELS):
        found = blocks.get(level.number, ())
        for block in found:
            if not any(begin_of(block.start, span_s) in starts for span_s, starts in covered):
                sums.add(block)
        covered.append((level.span_s, {begin_of(block.start, level.span_s) for block in found}))
    return sums.totals


def line(parts: Sequence[tuple[array[float], array[float]]]) -> Line:
    """
    The sum of series, such as those of all of a VM's disks. One that was there for a part of a bucket only counts
    for that part.
    """
    if not parts:
        return Line([], 0.0, None, None)
    values: list[float | None] = []
    total = told_s = 0.0
    for bucket in range(len(parts[0][0])):
        over = max(seconds[bucket] for _, seconds in parts)
        amount = sum(sums[bucket] for sums, _ in parts)
        total += amount
        told_s += over
        values.append(amount / over if over else None)
    there = [value for value in values if value is not None]
    return Line(values, total, total / told_s if told_s else None, max(there, default=None))
