"""Turns of keys: nobody's many stand before another's one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from cm.rpc.errors import Overloaded
from cm.runtime.fair import FairQueue


class Queue:
    def __init__(self, slots: int = 1, waiting_max: int = 300) -> None:
        self.queue = FairQueue(slots, waiting_max)
        self.entered: list[str] = []
        self.refused: list[str] = []

    def come(self, key: str, name: str = "") -> Deferred[None]:
        coming = Deferred.fromCoroutine(self.queue.enter(key))
        name = name or key

        def failed(failure: Any) -> None:
            failure.trap(Overloaded, CancelledError)
            self.refused.append(name)

        coming.addCallbacks(lambda _: self.entered.append(name), failed)
        return coming

    def go(self, times: int = 1) -> list[str]:
        """Those that came in meanwhile."""
        before = len(self.entered)
        for _ in range(times):
            self.queue.leave()
        return self.entered[before:]


@pytest.fixture
def queue() -> Iterator[Queue]:
    yield Queue()


def test_turns(queue: Queue) -> None:
    """One alone waits for one of each other key, not for the 300 that came before."""
    for n in range(100):
        queue.come("a", f"a{n}")
    queue.come("b")
    queue.come("c")
    assert queue.go(4) == ["a1", "b", "c", "a2"]


def test_slots() -> None:
    queue = Queue(slots=2)
    for name in "aabc":
        queue.come(name)
    assert queue.entered == ["a", "a"]
    assert queue.go() == ["b"] and queue.go(3) == ["c"]
    queue.come("d")
    assert queue.entered[-1] == "d" and queue.queue.waiting == 0


def test_hung_up(queue: Queue) -> None:
    """Who leaves holds no place."""
    queue.come("a")
    leaving = queue.come("b")
    queue.come("c")
    leaving.cancel()
    assert queue.go() == ["c"] and queue.refused == ["b"]


def test_full() -> None:
    """When too many wait, whoever sent the most loses one to who sent fewer, and is refused themselves."""
    queue = Queue(waiting_max=3)
    for n in range(5):
        queue.come("a", f"a{n}")
    assert queue.refused == ["a4"]
    queue.come("b")
    assert queue.refused == ["a4", "a3"]
    queue.come("c")
    assert queue.refused == ["a4", "a3", "a2"]
    queue.come("d")
    assert queue.refused[3:] == ["d"] and queue.queue.waiting == 3
    assert queue.go(3) == ["a1", "b", "c"]
