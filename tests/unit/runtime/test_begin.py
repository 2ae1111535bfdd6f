"""A coroutine that is begun: its result at once, or what will have it."""

from __future__ import annotations

import gc
import sys
from contextvars import ContextVar
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from cm.runtime.begin import begin

who: ContextVar[str] = ContextVar("who", default="nobody")


async def add(first: Deferred[int], second: Deferred[int]) -> int:
    who.set("added")
    return await first + await second


def fired(value: int) -> Deferred[int]:
    made: Deferred[int] = Deferred()
    made.callback(value)
    return made


def test_at_once() -> None:
    assert begin(add(fired(1), fired(2))) == (3, None)


def test_raised_at_once() -> None:
    async def fail() -> None:
        raise KeyError("key")

    with pytest.raises(KeyError):
        begin(fail())


def test_later() -> None:
    """It goes on at each of its waits, and keeps what it set in its context."""
    told: list[object] = []
    first, second = Deferred[int](), Deferred[int]()

    async def work() -> int:
        who.set("worker")
        total = await add(first, second)
        told.append(who.get())
        return total

    result, waiting = begin(work())
    assert result is None and waiting is not None
    waiting.addCallback(told.append)
    first.callback(1)
    assert not told
    second.callback(2)
    assert told == ["added", 3]


def test_failed_later() -> None:
    first: Deferred[int] = Deferred()
    _, waiting = begin(add(first, fired(1)))
    assert waiting is not None
    failures: list[object] = []
    waiting.addErrback(lambda failure: failures.append(failure.type))
    first.errback(KeyError("key"))
    assert failures == [KeyError]


def test_cancelled() -> None:
    """What it waits for is cancelled, and it may clean up."""
    told: list[str] = []
    first: Deferred[int] = Deferred(lambda _: told.append("cancelled"))

    async def work() -> None:
        try:
            await first
        finally:
            told.append("cleaned")

    _, waiting = begin(work())
    assert waiting is not None
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    waiting.cancel()
    assert told == ["cancelled", "cleaned"]


def test_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody will go on with is collected without a word, whichever part of it comes first."""
    said: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    for ended in (True, False):
        forgotten = add(Deferred(), Deferred())
        result, waiting = begin(forgotten)
        assert result is None and waiting is not None
        if ended:
            forgotten.close()
        del forgotten, result, waiting
        gc.collect()
    assert said == []
