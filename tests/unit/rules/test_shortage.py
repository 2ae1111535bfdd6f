"""Who is told that a guest runs out of memory: after a while, once, and again only when it was over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cm.rules.shortage import ENOUGH, FOR_S, LOW, Left, Shortage, watch

parts = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def left(part: float) -> dict[int, Left]:
    return {1: Left(part * 1000, 1000)}


@given(parts)
def test_told_once(seen: list[float]) -> None:
    """Told after a minute of having too little, never twice before there was enough again."""
    known: dict[int, Shortage] = {}
    low_since: float | None = None
    told = False
    for number, part in enumerate(seen):
        now = number * 20.0
        before, known = known, watch(known, now, left(part))
        tells = 1 in known and known[1].told and not (1 in before and before[1].told)
        if part >= ENOUGH:
            low_since, told = None, False
        elif part < LOW and low_since is None:
            low_since = now
        assert (1 in known) == (low_since is not None)
        if tells:
            assert low_since is not None and now - low_since >= FOR_S and part < LOW and not told
            told = True


def test_unknown_stays() -> None:
    """A guest whose driver says nothing for a while is as it was; one without memory is short of nothing."""
    known = watch({}, 0.0, left(0.01))
    assert watch(known, 500.0, {}) == known
    assert watch(known, 500.0, left(0.01))[1].told
    assert Left(0, 0).part == 1.0
    assert watch(known, 500.0, left((LOW + ENOUGH) / 2)) == known
