"""
One pool of threads (``threads.py`` has them all): whose calls are taken up when, deadlines, and what hangs.
"""

from __future__ import annotations

import contextvars
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from cm.rpc.errors import DeadlineExceeded, Overloaded, Stopping

log = Logger()

# For whom work is done: an account, or the address of somebody not known. None is the program itself.
on_behalf: Final[contextvars.ContextVar[Hashable]] = contextvars.ContextVar("on_behalf", default=None)

BRIEF_S: Final = 0.025  # what lasts longer waits, mostly for a lock or a disk, and another is begun beside it
HELD_UP_S: Final = 1.0  # a deadline that is seen so much later: this process stood still, or what it runs on did
SPARED_S: Final = 5.0  # from then on, for answers that came meanwhile
ALONE_S: Final = 2.0  # without another account's call, before one may have more than its share


class Company:
    """Whether one account calls, or several."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._latest: Hashable = None
        self._mixed_at = reactor.seconds() - ALONE_S

    def note(self, whose: Hashable) -> None:
        """Somebody's call; None: the program's own."""
        if whose != self._latest and whose is not None:
            if self._latest is not None:
                self._mixed_at = self._reactor.seconds()
            self._latest = whose

    def is_alone(self, whose: Hashable) -> bool:
        """Whether nobody else has called for a while."""
        return bool(whose == self._latest and self._reactor.seconds() - self._mixed_at >= ALONE_S)

    @property
    def several(self) -> bool:
        return bool(self._reactor.seconds() - self._mixed_at < ALONE_S)


class _Job:
    __slots__ = (
        "function", "args", "context", "whose", "deferred", "timer", "due_at", "spared", "token", "begun_at", "ended",
        "late", "lasts",
    )  # fmt: skip

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        self.context = contextvars.copy_context()
        self.whose = on_behalf.get()
        self.deferred: Deferred[Any] | None = None  # None once nobody waits
        self.timer: Any = None
        self.due_at = 0.0  # by the reactor's clock, when the timer should fire
        self.spared = False
        self.token = [None]  # whoever takes it decides: a thread, that it begins; its deadline, that it never does
        self.begun_at = 0.0  # by the reactor's clock; set before the token is taken
        self.ended = False
        self.late = False  # its thread was replaced
        self.lasts = False  # another was begun beside it

    def take(self) -> bool:
        """Whether the caller is the one who decides. Atomic, and cheaper than a lock."""
        try:
            self.token.pop()
        except IndexError:
            return False
        return True


class Pool:
    """
    Threads over one queue.

    Twisted's pool passes a call through a team, a coordinator lock and a context wrapper, and each of its results
    writes a byte to the reactor's pipe. Here a call is one ``SimpleQueue.put`` (in C), and results that come while the
    reactor is still busy with earlier ones share a single wake-up.

    A thread whose call overran its deadline is replaced, up to twice the size in all: so that a few calls which hang do
    not stop the pool, and many do not eat the process. When the late call does end, one thread ends with it.

    The queue holds no more than keeps the threads busy. What else waits does so by account on the reactor's side, from
    where it is handed on in turn.

    :param brisk: where several accounts call so many calls are at work at once, and as many more as have lasted for
        ``BRIEF_S``, up to the size.
    :param company: who calls at all.
    """

    def __init__(
        self, reactor: Any, name: str, size: int, queue_max: int, share: int, brisk: int, company: Company
    ) -> None:
        self._reactor = reactor
        self._name = name
        self._size = size
        self._brisk = brisk
        self._company = company
        self._at_work: dict[_Job, None] = {}  # handed on, in that order
        self._lasting = 0  # of them
        self._looking = False
        self._queue_max = queue_max + size
        self._share = share
        self._waiting: OrderedDict[Hashable, deque[_Job]] = OrderedDict()
        self._handed: Counter[Hashable] = Counter()
        self._handed_on = 0
        self._callers = Company(reactor)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._results: deque[tuple[_Job, bool, Any]] = deque()
        self._woken = False
        self._threads = 0
        self._late = 0
        self._closed = False
        self._idle: Deferred[None] | None = None
        self.pending = 0

    # ---- the reactor's thread

    def submit(self, function: Callable[..., Any], args: tuple[Any, ...], deadline_s: float | None) -> Deferred[Any]:
        if self._closed:
            raise Stopping()
        if self.pending >= self._queue_max:
            raise Overloaded()
        job = _Job(function, args)
        job.deferred = deferred = Deferred(lambda _: self._dropped(job))
        if deadline_s is not None:
            self._watch(job, deadline_s, deadline_s)
        self.pending += 1
        self._callers.note(job.whose)
        if job.whose not in self._waiting and self._has_room(job.whose):
            try:
                self._hand_on(job)
            except Overloaded:
                self.pending -= 1
                self._dropped(job)
                raise
        else:
            self._waiting.setdefault(job.whose, deque()).append(job)
            self._watch_for_lasting()
        return deferred

    def _watch_for_lasting(self) -> None:
        if self._at_work and not self._looking:
            self._looking = True
            self._reactor.callLater(BRIEF_S, self._look)

    def _look(self) -> None:
        """Begin others beside what lasts, for as long as some wait."""
        self._looking = False
        now = self._reactor.seconds()
        for job in self._at_work:
            if not job.lasts and 0 < job.begun_at <= now - BRIEF_S:
                job.lasts = True
                self._lasting += 1
        while self._hand_on_next():
            pass
        if self._waiting:
            self._watch_for_lasting()

    def _has_room(self, whose: Hashable) -> bool:
        if self._handed_on - self._late >= 2 * self._size:
            return False
        if self._brisk < self._size and self._handed_on >= self._brisk + self._lasting and self._company.several:
            return False
        if whose is None or self._handed[whose] < self._share:
            return True
        if self._handed_on - self._late >= self._size - self._share:
            return False
        return self._callers.is_alone(whose)

    def _hand_on(self, job: _Job) -> None:
        if self._threads - self._late < min(self._size, self._handed_on + 1 - self._late):
            try:
                self._start()
            except RuntimeError:  # the system gives no more threads: those that there are will take it
                if self._threads == 0:
                    raise Overloaded() from None
        self._handed[job.whose] += 1
        self._handed_on += 1
        if self._brisk < self._size:
            self._at_work[job] = None
        self._queue.put(job)

    def _came_back(self, job: _Job) -> None:
        """Hand on what may be done in its place: of who waited longest since their last turn first."""
        self._handed_on -= 1
        self._handed[job.whose] -= 1
        if not self._handed[job.whose]:
            del self._handed[job.whose]
        self._at_work.pop(job, None)
        self._lasting -= job.lasts
        self._hand_on_next()

    def _hand_on_next(self) -> bool:
        for whose in list(self._waiting):
            if self._has_room(whose):
                queue = self._waiting[whose]
                self._hand_on(queue.popleft())
                if queue:
                    self._waiting.move_to_end(whose)
                else:
                    del self._waiting[whose]
                return True
        return False

    def _start(self) -> None:
        # Daemons: a call that hangs in C must not keep the process from ending.
        threading.Thread(target=self._work, name=f"{self._name}-{self._threads + 1}", daemon=True).start()
        self._threads += 1

    def _dropped(self, job: _Job) -> None:
        """The waiter was cancelled."""
        job.deferred = None
        if job.timer is not None and job.timer.active():
            job.timer.cancel()

    def _watch(self, job: _Job, seconds: float, deadline_s: float) -> None:
        job.due_at = self._reactor.seconds() + seconds
        job.timer = self._reactor.callLater(seconds, self._overrun, job, deadline_s)

    def _overrun(self, job: _Job, deadline_s: float) -> None:
        if not job.spared and self._reactor.seconds() - job.due_at > HELD_UP_S:
            # Of a process that was stopped for a minute, say with its machine, timers fire before answers are read.
            job.spared = True
            self._watch(job, SPARED_S, deadline_s)
            return
        error: Exception = Overloaded()
        if not job.take():
            left_s = job.begun_at + deadline_s - self._reactor.seconds()
            if left_s > 0.001:
                self._watch(job, left_s, deadline_s)
                return
            error = DeadlineExceeded(f"waiting for {self._name.partition(':')[0]}", deadline_s)
            if not job.ended and self._threads < 2 * self._size:
                try:
                    self._start()
                except RuntimeError:
                    log.warn("pool {name}: no thread in place of one that is late", name=self._name)
                else:
                    job.late = True
                    self._late += 1
        deferred, job.deferred = job.deferred, None
        if deferred is not None:
            deferred.errback(Failure(error))

    def _deliver(self) -> None:
        self._woken = False
        while self._results:
            job, succeeded, value = self._results.popleft()
            self.pending -= 1
            if job.late:
                self._threads -= 1
                self._late -= 1
                self._queue.put(None)  # its thread is back, so one is too many
            self._came_back(job)
            deferred, job.deferred = job.deferred, None
            if deferred is None:
                continue
            if job.timer is not None:
                job.timer.cancel()
            if succeeded:
                deferred.callback(value)
            else:
                deferred.errback(Failure(value))
        if self._idle is not None and self.pending == 0:
            idle, self._idle = self._idle, None
            idle.callback(None)

    def close(self) -> None:
        self._closed = True
        for queue in self._waiting.values():
            for job in queue:
                self._hand_on(job)
        self._waiting.clear()
        for _ in range(self._threads):
            self._queue.put(None)

    async def stop(self, grace_s: float) -> None:
        self.close()
        if self.pending == 0:
            return
        self._idle = idle = Deferred()
        timer = self._reactor.callLater(grace_s, idle.callback, None)
        await idle
        self._idle = None
        if timer.active():
            timer.cancel()

    # ---- its own threads

    def _work(self) -> None:
        take, results = self._queue.get, self._results
        while True:
            job = take()
            if job is None:
                return
            succeeded, value = True, None
            job.begun_at = self._reactor.seconds()
            if job.deferred is not None and job.take():
                try:
                    value = job.context.run(job.function, *job.args)
                except BaseException as error:
                    succeeded, value = False, error
                job.ended = True
            results.append((job, succeeded, value))
            del job, value
            # Read after the append: either _deliver is still to come and finds the result, or it is woken here.
            if not self._woken:
                self._woken = True
                self._reactor.callFromThread(self._deliver)
