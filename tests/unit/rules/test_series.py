"""Series: packing loses nothing, coarser ones are means of finer ones, an answer is the same whatever was packed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rules.series import (
    DAY,
    HOUR,
    LEVELS,
    MINUTE,
    RESOLUTIONS,
    STEPS,
    USUALLY,
    WEEK,
    Block,
    Sample,
    begin_of,
    bytes_of,
    coarsen,
    floats,
    gather,
    levels_for,
    line,
    pack,
    read,
    resolution_for,
    unpack,
)

START = begin_of(1_800_000_000, 4 * WEEK)
values = st.one_of(st.just(nan), st.floats(width=32, allow_nan=False), st.floats(0, 1e6, width=32))


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and all(a == b or (isnan(a) and isnan(b)) for a, b in zip(one, other, strict=True))


@given(st.integers(0, 40).flatmap(lambda n: st.lists(st.lists(values, min_size=n, max_size=n), min_size=1, max_size=6)))
def test_packing(columns: list[list[float]]) -> None:
    """What is unpacked is what was packed, to the bit, gaps and infinities too."""
    made = [array("f", column) for column in columns]
    found = unpack(pack(made), len(made))
    assert [column.tobytes() for column in found] == [column.tobytes() for column in made]


@given(st.lists(values, max_size=50))
def test_bytes(numbers: list[float]) -> None:
    assert same(floats(bytes_of(numbers)), array("f", numbers))


@pytest.mark.parametrize("body", [b"", b"no zlib", pack([array("f", [1.0, 2.0, 3.0])])])
def test_not_packed(body: bytes) -> None:
    """What is broken, or of another number of columns, is an error and no wrong values."""
    with pytest.raises(ValueError):
        unpack(body, 2)


@st.composite
def hours(draw: st.DrawFn, step_s: int = 10) -> list[Sample]:
    """Samples of some hours, with gaps, of which a device comes or goes."""
    slots = draw(st.lists(st.integers(0, 3 * HOUR // step_s - 1), min_size=1, max_size=60, unique=True))
    number = st.floats(0, 1e6, width=32)
    made = []
    for slot in sorted(slots):
        names = ("cpu", "read_bytes/vda") if draw(st.booleans()) else ("cpu",)
        made.append(Sample(START + slot * step_s, names, [draw(number) for _ in names]))
    return made


@given(hours())
def test_gather(samples: list[Sample]) -> None:
    """An hour's block has every sample of it at its moment, and nothing else."""
    block = gather(samples, START, HOUR)
    within = {sample.at: sample for sample in samples if sample.at < START + HOUR}
    assert (block is None) == (not within)
    if block is None:
        return
    found = {
        (block.start + slot * block.step_s, name): value
        for name, column in zip(block.names, block.columns, strict=True)
        for slot, value in enumerate(column)
        if not isnan(value)
    }
    assert found == {(at, name): v for at, s in within.items() for name, v in zip(s.names, s.values, strict=True)}
    assert len(block.columns[0]) * block.step_s == HOUR and MINUTE % block.step_s == 0


def blocks_of(samples: list[Sample]) -> list[Block]:
    made = [gather(samples, START + hour * HOUR, HOUR) for hour in range(6)]
    return [block for block in made if block is not None]


@given(hours(), st.sampled_from([60, 300, 900, 3600]))
def test_read(samples: list[Sample], resolution_s: int) -> None:
    """An answer has the means of the samples, whether these are blocks of an hour or of the next level already."""
    fine = blocks_of(samples)
    packed = coarsen(fine, START, LEVELS[1])
    assert packed is not None
    answers = [
        read({0: fine}, START, START + 6 * HOUR, resolution_s),
        read({1: [packed]}, START, START + 6 * HOUR, resolution_s),
        read({0: fine, 1: [packed]}, START, START + 6 * HOUR, resolution_s),
    ]
    for name in ("cpu", "read_bytes/vda"):
        given = [(s.at, s.values[s.names.index(name)]) for s in samples if name in s.names]
        for answer in answers:
            assert (name in answer) == bool(given)
            if not given:
                continue
            told = line([answer[name]])
            for bucket, value in enumerate(told.values):
                first = START + bucket * resolution_s
                there = [v for at, v in given if first <= at < first + resolution_s]
                assert (value is None) == (not there)
                if value is not None:
                    assert min(there) * 0.9999 <= value <= max(there) * 1.0001 + 1e-6
    assert (
        line([answers[0]["cpu"]]).values == line([read({0: fine}, START, START + 6 * HOUR, resolution_s)["cpu"]]).values
    )
    whole = [sample for sample in samples if sample.names[0] == "cpu"]
    total = sum(float(sample.values[0]) for sample in whole) * fine[0].step_s
    if all(block.step_s == fine[0].step_s for block in fine):
        assert line([answers[0]["cpu"]]).total == pytest.approx(total, rel=1e-5, abs=1e-3)


@given(st.lists(st.floats(0, 1e6, width=32), min_size=360, max_size=360))
def test_coarser_all_the_way(numbers: list[float]) -> None:
    """Of an hour without a gap the mean is the same at each level."""
    block = Block(START, 10, ("cpu",), (array("f", numbers),))
    finer = [block]
    for level in LEVELS[1:]:
        made = coarsen(finer, START, level)
        assert made is not None and made.step_s == level.step_s
        assert len(made.columns[0]) == level.span_s // level.step_s
        there = [value for value in made.columns[0] if not isnan(value)]
        assert sum(there) / len(there) == pytest.approx(sum(numbers) / 360, rel=1e-4, abs=1e-3)
        finer = [made]


def test_levels_lie_within_each_other() -> None:
    """Each level's block is a part of one of the next; steps are parts of steps, and all of them resolutions."""
    for finer, coarser in zip(LEVELS, LEVELS[1:], strict=False):
        assert coarser.span_s % finer.span_s == 0
        assert coarser.step_s % (finer.step_s or STEPS[-1]) == 0
        assert coarser.span_s % coarser.step_s == 0 and finer.span_s % coarser.step_s in (0, finer.span_s)
    assert {level.step_s for level in LEVELS[1:]} <= set(RESOLUTIONS)
    assert all(MINUTE % step == 0 for step in STEPS)


def test_covered_is_not_read_twice() -> None:
    """Of what a coarser block tells, a finer one that is still there tells nothing more."""
    fine = Block(START, 60, ("rx_bytes/0",), (array("f", [100.0] * 360),))
    other = Block(START, 300, ("rx_bytes/0",), (array("f", [100.0] * 288),))
    found = line([read({1: [fine], 2: [other]}, START, START + DAY, 3600)["rx_bytes/0"]])
    assert found.total == pytest.approx(100.0 * DAY) and found.values == [100.0] * 24


def test_sum_over_devices() -> None:
    """Two disks that are read at a time add up; one that was there for half of a bucket counts for that half."""
    whole = Block(START, 10, ("read_bytes/vda",), (array("f", [10.0] * 360),))
    half = Block(START, 10, ("read_bytes/vdb",), (array("f", [nan] * 180 + [30.0] * 180),))
    parts = read({0: [whole, half]}, START, START + HOUR, HOUR)
    found = line(list(parts.values()))
    assert found.values == [25.0] and found.total == 10.0 * 3600 + 30.0 * 1800
    assert line([]).mean is None


@pytest.mark.parametrize(
    ("asked_s", "ago_s", "told_s"),
    [
        (10, HOUR, 10),
        (10, 3 * DAY, 60),
        (10, 20 * DAY, 300),
        (900, 20 * DAY, 900),
        (10, 200 * DAY, 3600),
        (10, 2000 * DAY, DAY),
        (WEEK, HOUR, WEEK),
        (10, 50_000 * DAY, DAY),
    ],
)
def test_resolution(asked_s: int, ago_s: int, told_s: int) -> None:
    """What is older is told in less detail, and never in more than was asked for."""
    assert resolution_for(asked_s, 2e9 - ago_s, 2e9, 10, USUALLY) == told_s


def test_resolution_of_rarer_samples() -> None:
    """Nobody is told of 10 s where samples are 30 s apart."""
    assert resolution_for(10, 2e9 - HOUR, 2e9, 30, USUALLY) == 60
    assert [level.number for level in levels_for(900)] == [2, 1, 0]
