"""Events written as a stream, and out of one, wherever it is cut."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.sse import EVENT_MAX, Event, Reader, beat, encode

ROOT = Path(__file__).parents[3]
STREAM = (
    b"retry: 2000\nid: e.1.0\n\n"
    b"id: e.2.3\nevent: change\ndata: {\"a\": 1}\n\n"
    b":\n\n:\nid: e.9.0\n\n"
    b"event: reset\r\ndata: one\r\ndata: two\r\n\r\n"
    b"id: e.9.0\rother: 1\rdata: x\r\r"
    b"id: e.10.0\ndata: cut off"
)  # fmt: skip
EVENTS = [
    Event("e.1.0", ""),
    Event("e.2.3", "change", '{"a": 1}'),
    Event("e.9.0", ""),
    Event("e.9.0", "reset", "one\ntwo"),
    Event("e.9.0", "message", "x"),
]
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20)
IDS = WORDS.filter(lambda word: word == word.lstrip(" ") and word)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    ends = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in zip(ends, ends[1:], strict=False)]


def read(stream: bytes, *cuts: int) -> list[Event]:
    reader = Reader()
    return [event for piece in pieces(stream, list(cuts)) for event in reader.feed(piece)]


def test_whole() -> None:
    """
    Events, and cursors that moved without one; comments alone are nothing. An id stays until another is told, as the
    standard has it: an event without one of its own stands at the cursor before it.
    """
    assert read(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_cut(cuts: list[int]) -> None:
    """The same, however it comes in."""
    assert read(STREAM, *cuts) == EVENTS


@given(st.lists(st.tuples(IDS, WORDS, WORDS)), st.lists(st.integers(0, 500), max_size=8))
def test_written(events: list[tuple[str, str, str]], cuts: list[int]) -> None:
    """What was written is read as it was; signs of life between change nothing."""
    names = [(ident, name.strip(" "), data) for ident, name, data in events]
    stream = beat().join([encode(id=ident, name=name, data=data.encode()) for ident, name, data in names])
    wanted = [Event(ident, name or "message", data) for ident, name, data in names]
    assert read(stream, *cuts) == wanted


def test_cursor() -> None:
    """A cursor alone; how long to wait before connecting again is told beside it."""
    assert encode(id="7", retry_ms=2000) == b"retry: 2000\nid: 7\n\n"
    assert read(encode(id="7") + encode(id="7")) == [Event("7", "")]


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    """Whatever comes is read or left out."""
    for event in Reader().feed(data):
        event.json()


def test_endless() -> None:
    """What never ends an event is not kept for ever, in one line or in many."""
    reader = Reader()
    reader.feed(b"x" * EVENT_MAX)
    with pytest.raises(ValueError):
        reader.feed(b"x")
    reader = Reader()
    with pytest.raises(ValueError):
        for _ in range(EVENT_MAX // 1000 + 1):
            reader.feed(b"data: " + b"x" * 1000 + b"\n")


def test_one_of_each() -> None:
    """Nobody else writes such lines, or takes them apart."""
    written = re.compile(r"""(?:\\n|["'])(?:data|retry|id|event): """)
    read = re.compile(r"""== ["'](?:data|retry)["']""")
    found = {
        str(path.relative_to(ROOT))
        for top in ("cm", "clm", "contextualization")
        for path in (ROOT / top).rglob("*.py")
        if written.search(path.read_text()) or read.search(path.read_text())
    }
    assert found == {"cm/rpc/sse.py"}
