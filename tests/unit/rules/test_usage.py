"""Points, against a recount by the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import InvalidParameter
from cm.rules.usage import HOUR_S, Period, Run, line, month_of, read_month, to_tell, used

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
PERIOD = Period(BEGIN, BEGIN + timedelta(seconds=60))
seconds = st.integers(-30, 90)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    began = draw(seconds)
    ended = draw(st.none() | st.integers(began, 120))
    at = BEGIN + timedelta(seconds=began)
    return Run(1, "vm", draw(st.integers(0, 9)), at, None if ended is None else BEGIN + timedelta(seconds=ended))


def recount(found: list[Run], now: datetime) -> int:
    """Points times seconds, second by second."""
    total = 0
    for number in range(60):
        at = BEGIN + timedelta(seconds=number)
        if at < now:
            total += sum(run.points for run in found if run.began <= at and (run.ended is None or at < run.ended))
    return total


@given(st.lists(runs(), max_size=6), seconds)
def test_recounted(found: list[Run], now_s: int) -> None:
    """The sum is that of the seconds, in whatever order the runs come; the line ends with it and never falls."""
    now = BEGIN + timedelta(seconds=now_s)
    known = [run for run in found if run.began <= now]
    points = used(known, PERIOD, now)
    assert points * HOUR_S == pytest.approx(recount(known, now))
    assert used(reversed(known), PERIOD, now) == pytest.approx(points)
    drawn = line(known, PERIOD, now)
    assert drawn[-1].points == pytest.approx(points, abs=1e-9)
    assert all(a.points <= b.points + 1e-9 and a.at <= b.at for a, b in zip(drawn, drawn[1:], strict=False))


@given(st.lists(runs(), max_size=6), st.integers(0, 60))
def test_parts(found: list[Run], cut_s: int) -> None:
    """Two parts of a period cost what the whole does."""
    now = PERIOD.end
    cut = BEGIN + timedelta(seconds=cut_s)
    parts = used(found, Period(BEGIN, cut), now) + used(found, Period(cut, now), now)
    assert parts == pytest.approx(used(found, PERIOD, now))


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_months(now: datetime) -> None:
    """Each time is in one month, and the month before ends where it begins."""
    period = month_of(now)
    assert period.begin <= now < period.end
    assert month_of(period.begin - timedelta(microseconds=1)).end == period.begin
    assert read_month(f"{now:%Y-%m}", BEGIN) == period
    assert read_month("", now) == period


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-00", "2026-1", "x", "2026-11-01", "1969-01"])
def test_no_month(text: str) -> None:
    with pytest.raises(InvalidParameter):
        read_month(text, BEGIN)


def test_told_once() -> None:
    assert to_tell(79.9, 100, 0) == 0
    assert to_tell(80, 100, 0) == 80
    assert to_tell(90, 100, 80) == 0
    assert to_tell(100, 100, 80) == 100
    assert to_tell(250, 100, 0) == 100  # not of each share that was passed
    assert to_tell(250, 100, 100) == 0
    assert to_tell(10**9, 0, 0) == 0
