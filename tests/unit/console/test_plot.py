"""Series drawn with blocks: the greatest value is the full height, and gaps are seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clm.console.plot import BLOCKS, narrowed, plot, written

values = st.lists(st.none() | st.floats(0, 1e12), max_size=300)


def test_plot() -> None:
    assert plot([0, 1, 2, 3, 4, None], height=2) == ["   ▄█ ", " ▄███·"]
    assert plot([], height=1) == [""] and plot([None, 0], height=1) == ["· "]


@given(values, st.integers(1, 80), st.integers(1, 6))
def test_fits(numbers: list[float | None], width: int, height: int) -> None:
    """So many lines of as many columns; the greatest reaches the top, what was not measured is a dot below."""
    lines = plot(numbers, width, height)
    told = narrowed(numbers, width)
    assert len(lines) == height and {len(line) for line in lines} == {len(told)} and len(told) <= width
    assert {character for line in lines for character in line} <= set(BLOCKS) | {"·"}
    there = [each for each in told if each is not None]
    if there and max(there) > 0:
        assert "█" in lines[0]
    assert [character == "·" for character in lines[-1]] == [each is None for each in told]


def test_written() -> None:
    assert [written(*each) for each in ((12.34, "percent"), (2048.0, "bytes"), (2048.0, "bytes_per_s"))] == [
        "12.3%", "2 KiB", "2 KiB/s",
    ]  # fmt: skip
    assert [written(*each) for each in ((1.5, "requests_per_s"), (3.0, "count"), (None, "bytes"))] == ["1.5/s", "3", ""]
