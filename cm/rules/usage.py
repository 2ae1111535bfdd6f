"""
Points: what VMs cost. A size has a price in points per hour, which its VMs keep whatever becomes of the size; a VM is
paid for while it holds CPUs and memory of a node. CC1's rules, less its two faults: there the price was the size's of
now, so that a new one rewrote the past, and the sum depended on the order of the rows.

Months are UTC's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from cm.rpc.errors import InvalidParameter

HOUR_S: Final = 3600
WARN_AT: Final = (80, 100)  # per cent of a month's points, at which an account is told
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")


class Period(NamedTuple):
    """From ``begin`` to just before ``end``."""

    begin: datetime
    end: datetime


class Run(NamedTuple):
    """A VM held a node's CPUs and memory. ``points``: per hour; ``ended``: None while it does."""

    vm_id: int
    name: str
    points: int
    began: datetime
    ended: datetime | None


class Point(NamedTuple):
    """Of a line that says how many points an account had used at a time."""

    at: datetime
    points: float
    label: str


def month_of(now: datetime) -> Period:
    """The month that a time is in."""
    begin = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = divmod(begin.year * 12 + begin.month, 12)
    return Period(begin, begin.replace(year=year, month=month + 1))


def read_month(text: str, now: datetime) -> Period:
    """
    :param text: as "2026-11"; "" for the present one.
    :raises InvalidParameter: it is none.
    """
    if not text:
        return month_of(now)
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1970:
        raise InvalidParameter("month", 'it is not of the form "2026-11"')
    return month_of(datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC))


def used(runs: Iterable[Run], period: Period, now: datetime) -> float:
    """How many points runs cost in a period, as far as it has passed."""
    return sum(_seconds(run, period, now) * run.points for run in runs) / HOUR_S


def _seconds(run: Run, period: Period, now: datetime) -> float:
    begin = max(run.began, period.begin)
    end = min(run.ended or now, period.end, now)
    return max((end - begin).total_seconds(), 0.0)


def line(runs: Sequence[Run], period: Period, now: datetime) -> list[Point]:
    """
    How an account's points grew: at the period's begin, at each start and end of a run in it, and now or at its end.
    """
    until = min(period.end, now)
    changes: list[tuple[datetime, int, str]] = []
    for run in runs:
        if run.began >= until or (run.ended is not None and run.ended <= period.begin):
            continue
        begun_before = run.began < period.begin
        changes.append((max(run.began, period.begin), run.points, "" if begun_before else f"{run.name} started"))
        if run.ended is not None and run.ended < until:
            changes.append((run.ended, -run.points, f"{run.name} stopped"))
    found = [Point(period.begin, 0.0, "")]
    total, rate = 0.0, 0
    for at, change, label in sorted(changes):
        total += (at - found[-1].at).total_seconds() * rate / HOUR_S
        rate += change
        found.append(Point(at, total, label))
    if until > found[-1].at:
        found.append(Point(until, total + (until - found[-1].at).total_seconds() * rate / HOUR_S, ""))
    return found


def to_tell(points: float, limit: int, told: int) -> int:
    """
    Of which share of its points an account is to be told now.

    :param limit: a month; 0: none.
    :param told: of which share it was told this month, in per cent.
    :return: one of ``WARN_AT``; 0: of none.
    """
    if not limit:
        return 0
    return max((share for share in WARN_AT if told < share and points * 100 >= share * limit), default=0)
