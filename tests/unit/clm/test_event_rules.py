"""Events out of a stream, wherever it is cut."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.events import LINE_MAX, Line, Reader, parse_at

STREAM = (
    b"retry: 2000\nid: e.1.0\n\n"
    b"id: e.2.3\nevent: change\ndata: {\"a\": 1}\n\n"
    b":\n\n:\nid: e.9.0\n\n"
    b"event: reset\r\ndata: one\r\ndata: two\r\n\r\n"
)  # fmt: skip
LINES = [
    Line("", "e.1.0", ""),
    Line("change", "e.2.3", '{"a": 1}'),
    Line("", "e.9.0", ""),
    Line("reset", "", "one\ntwo"),
]


def test_whole() -> None:
    """Events, and cursors that moved without one; comments alone are nothing."""
    assert Reader().feed(STREAM) == LINES


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_cut(cuts: list[int]) -> None:
    """The same, however it comes in."""
    reader, found = Reader(), []
    ends = [0, *sorted(cuts), len(STREAM)]
    for start, end in zip(ends, ends[1:], strict=False):
        found += reader.feed(STREAM[start:end])
    assert found == LINES


def test_endless() -> None:
    """What never ends an event is not kept for ever; what is no text is no stream of events."""
    reader = Reader()
    reader.feed(b"x" * LINE_MAX)
    with pytest.raises(ValueError):
        reader.feed(b"x")
    with pytest.raises(ValueError):
        Reader().feed(b"data: \xff\n\n")


def test_time() -> None:
    """Times have an offset, whatever was told."""
    assert parse_at("2026-11-23T07:00:00Z").tzinfo == UTC
    assert parse_at("2026-11-23T07:00:00").tzinfo == UTC
    assert parse_at(None).tzinfo == UTC and parse_at("rubbish").tzinfo == UTC
