"""The reactor's time in turn between callers."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from cm.rpc.turns import ALONE_S, CREDIT_S, FULL_S, LONG_S, PAUSES, SLICE_S, Turns

from .sample import one_round


class Worker(Clock):
    """A clock on which work takes time."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns(self)
        self.done: list[str] = []

    def send(self, key: str, seconds: float = SLICE_S, yielding: bool = False) -> Deferred[None]:
        async def work() -> None:
            await self.turns.take(key, yielding)
            self.done.append(key)
            self.rightNow += seconds

        made: Deferred[None] = self.turns.run(lambda: key, Deferred.fromCoroutine, work())
        return made

    def round(self) -> list[str]:
        """What one round of the reactor does."""
        before = len(self.done)
        one_round(self)
        return self.done[before:]


def test_idle() -> None:
    """Nobody waits while the reactor has time, and nothing is left behind."""
    worker = Worker()
    for _ in range(3):
        worker.send("a", 0.0)
    assert worker.done == ["a"] * 3 and not worker.getDelayedCalls()


def test_in_turn() -> None:
    """Beside fifty requests of one caller another's is begun at once, and its next ones in turn."""
    worker = Worker()
    for _ in range(50):
        worker.send("a", 1.5 * SLICE_S)
    assert worker.done == ["a"] and len(worker.turns) == 49
    for _ in range(3):
        worker.send("b", 1.5 * SLICE_S)
    assert worker.done == ["a", "b"] and len(worker.turns) == 51
    assert [worker.round() for _ in range(4)] == [["a"], ["b"], ["a"], ["b"]]


def test_full() -> None:
    """However many callers there are, a round has an end."""
    worker = Worker()
    for number in range(100):
        worker.send(str(number), FULL_S / 4)
    assert len(worker.done) == 4 and len(worker.turns) == 96


def test_held() -> None:
    """Who was refused waits; others do not."""
    worker = Worker()
    worker.turns.hold("a", 0.05)
    worker.send("a", 0.0)
    worker.send("b", 0.0)
    worker.round()
    assert worker.done == ["b"]
    worker.advance(0.051)
    worker.round()
    assert worker.done == ["b", "a"] and not worker.getDelayedCalls()


def test_round() -> None:
    """A round begins one request of each caller, and ends when its slice is used; then the next ones' come first."""
    worker = Worker()
    for key in ("a", "b", "c"):
        worker.send(key, 1.1 * SLICE_S)
    for key in ("a", "a", "b", "c"):
        worker.send(key, 0.7 * SLICE_S)
    assert worker.done == ["a", "b", "c"]
    assert [worker.round(), worker.round()] == [["a", "b"], ["c", "a"]]
    assert not len(worker.turns)


def test_yielding() -> None:
    """Who gives the reactor back comes after those who are there, also after those who come at once."""
    worker = Worker()
    worker.send("a", 0.0, yielding=True)
    assert worker.done == []
    assert worker.round() == ["a"]


def test_long_turn_is_paid_for() -> None:
    """Who made the reactor work for long, beyond their credit, waits many times as long; others do not."""
    worker = Worker()
    worker.send("a", CREDIT_S + 10 * LONG_S)
    worker.send("a", 0.0)
    worker.send("b", 0.0)
    worker.round()
    assert worker.done == ["a", "b"]
    worker.send("b", 0.0)
    assert worker.done == ["a", "b", "b"]
    worker.advance(PAUSES * 10 * LONG_S - 0.01)
    assert worker.done == ["a", "b", "b"]
    worker.advance(0.02)
    worker.round()
    assert worker.done == ["a", "b", "b", "a"] and not worker.turns._not_before and not worker.getDelayedCalls()


def test_long_by_chance() -> None:
    """One long turn is nobody's fault and costs nothing; the credit comes back as slowly as long turns are paid for."""
    worker = Worker()
    for _ in range(2):
        worker.send("a", 0.8 * CREDIT_S)
        worker.round()
        worker.send("a", 0.0)
        worker.round()
        assert worker.done == ["a", "a"] and not worker.turns._not_before
        worker.done.clear()
        worker.advance(0.8 * CREDIT_S * PAUSES)
    worker.send("a", 0.8 * CREDIT_S)
    worker.send("a", 0.8 * CREDIT_S)
    worker.round()
    assert worker.turns._not_before


def test_hung_up() -> None:
    """A turn whose caller is gone is nobody's."""
    worker = Worker()
    worker.send("a", 2 * SLICE_S)
    waiting: list[Any] = [worker.send(key) for key in ("a", "a", "b")]
    for each in waiting:
        each.addErrback(lambda _: None)
    waiting[0].cancel()
    waiting[2].cancel()
    assert len(worker.turns) == 1
    assert worker.round() == ["a"] and not len(worker.turns)


def test_alone() -> None:
    """Who is alone queues behind nobody until a round is full; from the next caller on it is in turn again."""
    worker = Worker()
    worker.send("a", 0.0)
    worker.advance(ALONE_S)
    for _ in range(4):
        worker.send("a", 1.5 * SLICE_S)
    assert worker.done == ["a"] * 5
    worker.send("b", 1.5 * SLICE_S)
    assert worker.done[5:] == ["b"]
    worker.round()
    for _ in range(4):
        worker.send("a", 1.5 * SLICE_S)
    assert worker.done[6:] == ["a"] and len(worker.turns) == 3
