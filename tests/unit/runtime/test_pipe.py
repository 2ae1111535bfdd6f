"""Bytes between a thread and a reactor: bounded, in order, and every wait ends."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import StreamIdle
from cm.runtime.pipe import Broken, Duplex, Pipe


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 30), st.integers(1, 50))
def test_order(pieces: list[bytes], limit: int, taken: int) -> None:
    """What was put comes out, in order, whole, in whatever portions; never more waits than the limit and one piece."""
    pipe = Pipe(limit_bytes=limit, idle_s=10)
    heard: list[bytes] = []

    def read() -> None:
        while data := pipe.take(taken):
            assert len(data) <= taken
            heard.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    for piece in pieces:
        pipe.put(piece)
        assert len(pipe) < limit + 40
    pipe.end()
    thread.join(10)
    assert b"".join(heard) == b"".join(pieces)


def test_told() -> None:
    """Each side is told when its turn has come, and not at every piece."""
    told: list[str] = []
    pipe = Pipe(limit_bytes=4, filled=lambda: told.append("filled"), drained=lambda: told.append("drained"))
    assert pipe.offer(b"ab")
    assert not pipe.offer(b"cd")
    assert told == ["filled"]
    assert pipe.poll(1) == b"a"
    assert pipe.poll(9) == b"bcd"
    assert told == ["filled", "drained"]
    assert pipe.poll() == b""


def test_idle() -> None:
    """Nobody waits for ever."""
    pipe = Pipe(limit_bytes=1, idle_s=0.01)
    with pytest.raises(StreamIdle):
        pipe.take()
    pipe.put(b"ab")
    with pytest.raises(StreamIdle):
        pipe.put(b"c")


def test_broken() -> None:
    """Who waits is told that the other side is gone, and why; what waited is dropped."""
    pipe = Pipe(limit_bytes=1, idle_s=10)
    pipe.put(b"ab")
    threading.Timer(0.05, pipe.fail, (KeyError("gone"),)).start()
    with pytest.raises(KeyError):
        pipe.put(b"c")
    pipe.fail(ValueError("later"))
    with pytest.raises(KeyError):
        pipe.take()
    assert len(pipe) == 0 and not pipe.offer(b"x") and pipe.ended
    ended = Pipe(idle_s=10)
    ended.end()
    with pytest.raises(Broken):
        ended.put(b"x")
    assert ended.take() == b""


def test_duplex() -> None:
    """Who works on a stream wakes when something is to be sent, and at its end."""
    ends = Duplex()
    threading.Timer(0.02, ends.inward.offer, (b"x",)).start()
    ends.wait(30)
    assert ends.inward.poll() == b"x"
    threading.Timer(0.02, ends.end).start()
    ends.wait(30)
    assert ends.ended
