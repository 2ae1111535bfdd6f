"""Pools of threads: results, deadlines, bounds, and what hangs."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from zope.interface.verify import verifyObject

from cm.rpc.errors import DeadlineExceeded, Overloaded, Stopping
from cm.runtime import pool as module
from cm.runtime.pool import HELD_UP_S, on_behalf
from cm.runtime.threads import InlineThreads, IThreads, Threads
from support.wait import until

from .reactor import Reactor

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="-")


@pytest.fixture(scope="module")
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.stop()


@pytest.fixture
def threads(reactor: Reactor) -> Iterator[Threads]:
    made = Threads(reactor.reactor, {"small": 1, "pair": 2}, queue_max=3)
    yield made
    reactor.do(made.stop, 0.1)


async def gather(threads: Threads, count: int) -> list[int]:
    calls = [Deferred.fromCoroutine(threads.run("pair", int)) for _ in range(count)]
    found: list[int] = await gatherResults(calls)
    return found


class TestThreads:
    def test_result_and_error(self, reactor: Reactor, threads: Threads) -> None:
        """Results and errors come back, away from the reactor's thread."""
        verifyObject(IThreads, threads)
        name = reactor.do(lambda: threads.run("node:a", lambda: threading.current_thread().name))
        assert name.startswith("node:a-")
        assert reactor.do(lambda: threads.run("database", divmod, 7, 2, deadline_s=5)) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            reactor.do(lambda: threads.run("database", divmod, 1, 0))
        with pytest.raises(SystemExit):
            reactor.do(lambda: threads.run("database", lambda: exit(1)))

    def test_many(self, reactor: Reactor) -> None:
        """Every one of many calls gets its own result, whatever order they end in."""
        threads = Threads(reactor.reactor)

        def start() -> Any:
            return gatherResults([Deferred.fromCoroutine(threads.run("database", pow, n, 2)) for n in range(500)])

        assert reactor.do(start) == [n * n for n in range(500)]
        assert reactor.do(threads.waiting) == {"database": 0}
        reactor.do(threads.stop)

    def test_context(self, reactor: Reactor, threads: Threads) -> None:
        """Context variables go along, and do not come back."""

        async def start() -> tuple[str, str]:
            WORD.set("mine")
            told: str = await threads.run("database", lambda: (WORD.get(), WORD.set("theirs"))[0])
            return told, WORD.get()

        assert reactor.do(start) == ("mine", "mine")

    def test_unknown_pool(self, reactor: Reactor, threads: Threads) -> None:
        with pytest.raises(ValueError, match="no size is known"):
            reactor.do(lambda: threads.run("nonsense", int))

    def test_hung_call(self, reactor: Reactor, threads: Threads) -> None:
        """A call that hangs is given up by its waiter and replaced in its pool; other pools do not notice."""
        gate = threading.Event()
        with pytest.raises(DeadlineExceeded, match="waiting for small did not end within 0.05 s"):
            reactor.do(lambda: threads.run("small", gate.wait, deadline_s=0.05))
        assert reactor.do(lambda: threads.run("small", pow, 2, 3, deadline_s=2)) == 8
        assert reactor.do(lambda: threads.run("database", pow, 2, 3, deadline_s=2)) == 8
        pool = threads._pools["small"]
        assert (pool._threads, pool._late, pool.pending) == (2, 1, 1)
        gate.set()
        until(lambda: (pool._threads, pool._late, pool.pending) == (1, 0, 0))
        until(lambda: sum(thread.name.startswith("small-") for thread in threading.enumerate()) == 1)
        assert reactor.do(lambda: threads.run("small", pow, 2, 3)) == 8

    def test_held_up(self, reactor: Reactor, threads: Threads) -> None:
        """A process that stood still does not hold it against what it waits on, whose answer has come meanwhile."""
        gate = threading.Event()

        def start() -> Any:
            waiting = Deferred.fromCoroutine(threads.run("small", gate.wait, deadline_s=0.05))
            time.sleep(HELD_UP_S + 0.2)  # the reactor's thread: timers are late
            reactor.reactor.callLater(0.01, gate.set)
            return waiting

        assert reactor.do(start) is True

    def test_held_up_and_hung(self, reactor: Reactor, threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is spared once."""
        monkeypatch.setattr("cm.runtime.pool.SPARED_S", 0.1)
        gate = threading.Event()

        def start() -> Any:
            waiting = Deferred.fromCoroutine(threads.run("small", gate.wait, deadline_s=0.05))
            time.sleep(HELD_UP_S + 0.2)
            return waiting

        with pytest.raises(DeadlineExceeded):
            reactor.do(start)
        gate.set()
        until(lambda: threads._pools["small"].pending == 0)

    def test_queued_call_never_begins(self, reactor: Reactor, threads: Threads) -> None:
        """A call whose deadline passes, or whose waiter leaves, while it is queued never begins: our doing."""
        gate, began = threading.Event(), []

        def start() -> Any:
            first = Deferred.fromCoroutine(threads.run("small", gate.wait))
            queued = Deferred.fromCoroutine(threads.run("small", began.append, 1, deadline_s=0.02))
            left = Deferred.fromCoroutine(threads.run("small", began.append, 2))
            left.cancel()
            left.addErrback(lambda failure: failure.trap(CancelledError))
            queued.addErrback(lambda failure: failure.trap(Overloaded))
            queued.addCallback(lambda _: gate.set())
            return gatherResults([first, queued, left])

        reactor.do(start)
        until(lambda: threads._pools["small"].pending == 0)
        assert began == []

    def test_deadline_is_from_the_beginning(self, reactor: Reactor, threads: Threads) -> None:
        """A call that waited in our own queue has its whole time all the same; then its lateness is evidence."""
        gate, second = threading.Event(), threading.Event()

        def start() -> Any:
            first = Deferred.fromCoroutine(threads.run("small", gate.wait))
            queued = Deferred.fromCoroutine(threads.run("small", second.wait, deadline_s=0.6))
            reactor.reactor.callLater(0.4, gate.set)
            reactor.reactor.callLater(0.8, second.set)  # within 0.6 s of its beginning, though not of its asking
            return gatherResults([first, queued])

        assert reactor.do(start) == [True, True]
        gate.clear()
        second.clear()

        def late() -> Any:
            first = Deferred.fromCoroutine(threads.run("small", gate.wait))
            reactor.reactor.callLater(0.05, gate.set)
            queued = Deferred.fromCoroutine(threads.run("small", second.wait, deadline_s=0.2))
            return gatherResults([first, queued], consumeErrors=True)

        with pytest.raises(FirstError) as raised:
            reactor.do(late)
        assert raised.value.subFailure.check(DeadlineExceeded)
        second.set()
        until(lambda: threads._pools["small"].pending == 0)

    def test_bounded_queue(self, reactor: Reactor, threads: Threads) -> None:
        """A full pool refuses at once."""
        gate = threading.Event()
        started: list[Deferred[bool]] = []

        def start() -> None:
            started.extend(Deferred.fromCoroutine(threads.run("small", gate.wait)) for _ in range(4))

        reactor.do(start)
        with pytest.raises(Overloaded):
            reactor.do(lambda: threads.run("small", int))
        gate.set()
        assert reactor.do(lambda: gatherResults(started)) == [True] * 4

    def test_stop(self, reactor: Reactor) -> None:
        """Stopping waits for what is under way, not for ever, and refuses what comes."""
        threads = Threads(reactor.reactor, {"small": 1})
        gate, slow = threading.Event(), []

        def start() -> None:
            slow.append(Deferred.fromCoroutine(threads.run("small", lambda: time.sleep(0.05))))
            slow.append(Deferred.fromCoroutine(threads.run("node:x", gate.wait)))

        reactor.do(start)
        begun = time.monotonic()
        reactor.do(threads.stop, 0.2)
        assert slow[0].called and not slow[1].called and time.monotonic() - begun < 2
        with pytest.raises(Overloaded):
            reactor.do(lambda: threads.run("small", int))
        gate.set()
        until(lambda: slow[1].called)


class TestInlineThreads:
    def test_stopped(self, reactor: Reactor) -> None:
        """Whoever comes while a pool is being stopped is told so, and not that there are too many."""
        threads = Threads(reactor.reactor)
        gate = threading.Event()

        async def go() -> None:
            waiting = Deferred.fromCoroutine(threads.run("database", gate.wait))
            pool = threads._pools["database"]
            pool.close()
            with pytest.raises(Stopping):
                pool.submit(int, (), None)
            gate.set()
            await waiting

        reactor.do(go)

    def test_no_more_threads(self, reactor: Reactor, threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the system gives no thread, those that there are do the work; without any, the place is free again."""

        def refused(_: Any) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refused)
            for _ in range(10):
                with pytest.raises(Overloaded):
                    reactor.do(lambda: threads.run("pair", int))
        assert reactor.do(lambda: threads.run("pair", int)) == 0
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refused)
            assert reactor.do(lambda: gather(threads, 3)) == [0, 0, 0]
        assert threads.waiting()["pair"] == 0

    def test_inline(self) -> None:
        """Everything happens at once, where it is called."""
        threads = InlineThreads()
        verifyObject(IThreads, threads)
        results: list[Any] = []
        Deferred.fromCoroutine(threads.run("database", divmod, 7, 2, deadline_s=1)).addCallback(results.append)
        assert results == [(3, 1)] and threads.pools == ["database"]


class TestShares:
    """Whose work is done when; a gate holds the threads."""

    def begin(
        self,
        reactor: Reactor,
        threads: Threads,
        calls: list[tuple[Any, str]],
        gate: threading.Event,
        pool: str = "four",
    ) -> Any:
        """Have these done, each for whom it says; the order in which they began, and who waits for all."""
        order: list[str] = []

        def work(name: str) -> None:
            order.append(name)
            gate.wait(10)

        def start() -> Any:
            made = []
            for whose, name in calls:
                context = contextvars.copy_context()
                context.run(on_behalf.set, whose)
                made.append(context.run(Deferred.fromCoroutine, threads.run(pool, work, name)))
            return gatherResults(made)

        waiting: list[Any] = []
        reactor.do(lambda: waiting.append(start()))
        return order, waiting[0]

    @pytest.fixture
    def four(self, reactor: Reactor) -> Iterator[Threads]:
        made = Threads(reactor.reactor, {"four": 4}, share=0.5)
        yield made
        reactor.do(made.stop, 0.1)

    def test_share(self, reactor: Reactor, four: Threads) -> None:
        """Half of the threads work for one account; others find one free, also behind many calls of the first."""
        gate = threading.Event()
        order, waiting = self.begin(reactor, four, [(1, "a")] * 20 + [(2, "b"), (3, "c")], gate)
        until(lambda: len(order) == 4)
        assert sorted(order) == ["a", "a", "b", "c"]
        gate.set()
        reactor.do(lambda: waiting)
        assert order.count("a") == 20

    def test_alone(self, reactor: Reactor) -> None:
        """Who is alone may have all threads but the share of the next, who finds one free and ends that."""
        threads = Threads(reactor.reactor, {"four": 4}, share=0.25)
        gate = threading.Event()
        order, waiting = self.begin(reactor, threads, [(1, "a")] * 8, gate)
        until(lambda: len(order) == 3)
        others, others_waiting = self.begin(reactor, threads, [(2, "b"), (2, "b")], gate)
        until(lambda: len(others) == 1)
        gate.set()
        reactor.do(lambda: gatherResults([waiting, others_waiting]))
        gate.clear()
        both, both_waiting = self.begin(reactor, threads, [(1, "a")] * 4 + [(2, "b")] * 4 + [(3, "c")], gate)
        until(lambda: len(both) == 3)
        assert sorted(both) == ["a", "b", "c"]
        gate.set()
        reactor.do(lambda: both_waiting)
        reactor.do(threads.stop, 0.1)

    def test_brisk(self, reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where others call few transactions are at work at once; one account alone has the threads."""
        monkeypatch.setattr(module, "BRIEF_S", 600.0)
        threads = Threads(reactor.reactor, {"database": 6}, share=0.2)
        gate = threading.Event()
        alone, waiting = self.begin(reactor, threads, [(1, "a")] * 8, gate, "database")
        until(lambda: len(alone) == 5)
        gate.set()
        reactor.do(lambda: waiting)
        gate.clear()
        self.say(reactor, threads, 2)
        order, waiting = self.begin(reactor, threads, [(1, "a"), (2, "b"), (3, "c"), (None, "own")], gate, "database")
        until(lambda: len(order) == 2)
        reactor.do(lambda: threads.run("reads", int))
        assert sorted(order) == ["a", "b"]
        gate.set()
        reactor.do(lambda: waiting)
        assert sorted(order) == ["a", "b", "c", "own"]
        reactor.do(threads.stop, 0.1)

    def test_lasting(self, reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
        """What lasts, as others' locks do, keeps nobody from the threads that there are."""
        monkeypatch.setattr(module, "BRIEF_S", 0.001)
        threads = Threads(reactor.reactor, {"database": 6}, share=0.2)
        gate = threading.Event()
        self.say(reactor, threads, 1)
        order, waiting = self.begin(reactor, threads, [(each, "a") for each in range(2, 10)], gate, "database")
        until(lambda: len(order) == 6)
        gate.set()
        reactor.do(lambda: waiting)
        assert len(order) == 8
        reactor.do(threads.stop, 0.1)

    @staticmethod
    def say(reactor: Reactor, threads: Threads, whose: int) -> None:
        """Somebody is answered without a thread."""
        context = contextvars.copy_context()
        context.run(on_behalf.set, whose)
        reactor.do(lambda: context.run(threads.note))

    def test_in_turn(self, reactor: Reactor, four: Threads) -> None:
        """What waits is taken up in turn, whoever has more of it."""
        gate = threading.Event()
        gate.set()
        threads = Threads(reactor.reactor, {"four": 1}, share=1.0)
        held = threading.Event()
        reactor.do(lambda: Deferred.fromCoroutine(threads.run("four", held.wait, 10)) and None)
        reactor.do(lambda: Deferred.fromCoroutine(threads.run("four", held.wait, 10)) and None)
        order, waiting = self.begin(reactor, threads, [(1, "a")] * 5 + [(2, "b")] * 2 + [(3, "c")], gate)
        held.set()
        reactor.do(lambda: waiting)
        reactor.do(threads.stop, 0.1)
        assert "".join(order) == "abcabaaa"

    def test_own_work(self, reactor: Reactor, four: Threads) -> None:
        """Work that is nobody's, the engine's, may have all threads."""
        gate = threading.Event()
        order, waiting = self.begin(reactor, four, [(None, "own")] * 6, gate)
        until(lambda: len(order) == 4)
        gate.set()
        reactor.do(lambda: waiting)

    def test_forgotten(self, reactor: Reactor, four: Threads) -> None:
        """A pool that is closed does what it was given, that which waited for its turn too."""
        gate = threading.Event()
        order, waiting = self.begin(reactor, four, [(1, "a")] * 7, gate)
        reactor.do(four.forget, "four")
        gate.set()
        reactor.do(lambda: waiting)
        assert len(order) == 7
