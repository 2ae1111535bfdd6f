"""
The reactor's own time, taken in turn: whoever sends many requests at once gets one of them begun for each of everybody
else's.

Reading a request and beginning its calls happens in the reactor's thread. As long as that takes less than ``SLICE_S``
of a round of the reactor, nobody waits. From then on requests queue by caller, but the first of each caller in that
round; and each round begins one of every caller's until the slice is used. A client that waits for its answers is
slowed down by that to its share; whoever made the reactor work for long waits in proportion before the next turn.
Who has been alone for ``ALONE_S`` does not queue behind nobody, until a round is full.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred

SLICE_S: Final = 0.001  # of one round of the reactor; a call that reads one object takes 0.5 ms of it
FULL_S: Final = 0.01  # of one round: beyond that nobody's request is begun at once
LONG_S: Final = 0.005  # of the processor's time; a turn that took more is paid for by waiting
ALONE_S: Final = 2.0  # without another caller's turn, before one is begun at once up to FULL_S
PAUSES: Final = 30  # times as long as it took: one caller's long turns take 1/30 of the reactor at most
# What long turns may take before they are paid for; it comes back at that thirtieth. One that is slow by chance (the
# collector came by, a module was read) costs nobody seconds.
CREDIT_S: Final = 0.3
OWING_MAX: Final = 10_000  # callers whose credit is remembered; the ones longest untouched are pushed out
REFUSED_S: Final = 0.05  # before the next turn of an account that asked for more than its share
WRONG_S: Final = 0.01  # before the next turn of an address whose credentials are not good


class Turns:
    """
    :param reactor: an ``IReactorTime``.
    :ivar cpu: seconds that this thread has worked. Time that passes while the machine does something else is nobody's
        fault.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.cpu: Callable[[], float] = reactor.seconds
        self._queues: OrderedDict[Hashable, deque[Deferred[None]]] = OrderedDict()
        self._not_before: dict[Hashable, float] = {}
        self._owed: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # seconds of the processor, as of when
        self._latest: Hashable = None  # whose the last turn was
        self._mixed_at: float = reactor.seconds()  # when it was another's than the one before
        self._spent = 0.0
        self._served: set[Hashable] = set()  # who had a turn while a next round was due
        self._round: Any = None  # the next one, which is due at once
        self._later: Any = None  # when everybody who waits has to pay first

    def __len__(self) -> int:
        """Turns that are waited for."""
        return sum(map(len, self._queues.values()))

    async def take(self, key: Hashable, yielding: bool = False) -> None:
        """
        Return when it is this caller's turn: at once, unless the reactor is busy with requests.

        :param yielding: never at once: others' come first, between two calls of one request.
        """
        if key != self._latest:
            self._latest, self._mixed_at = key, self._reactor.seconds()
        if not yielding and self._may_begin(key):
            if self._round is None:
                return
            if key not in self._queues and self._spent < FULL_S and (key not in self._served or self._is_alone()):
                self._served.add(key)
                return
        turn: Deferred[None] = Deferred(lambda _: self._give_up(key, turn))
        self._queues.setdefault(key, deque()).append(turn)
        self._schedule()
        await turn

    def run(self, whose: Callable[[], Hashable], function: Callable[..., Any], *args: Any) -> Any:
        """Call a function, and count the time that it took for whom ``whose`` then tells."""
        began, worked = self._reactor.seconds(), self.cpu()
        try:
            return function(*args)
        finally:
            now = self._reactor.seconds()
            took = now - began
            self._spent += took
            if took > LONG_S:  # to ask for the processor's time is a call of the system
                worked = self.cpu() - worked
                if worked > LONG_S:
                    self._owe(whose(), worked, now)
            if self._spent > SLICE_S and self._round is None:
                self._served.add(whose())
                self._schedule()

    def _owe(self, key: Hashable, worked: float, now: float) -> None:
        level, since = self._owed.get(key, (0.0, now))
        level = max(0.0, level - (now - since) / PAUSES) + worked
        self._owed[key] = (level, now)
        self._owed.move_to_end(key)
        if len(self._owed) > OWING_MAX:
            self._owed.popitem(last=False)
        if level > CREDIT_S:
            self.hold(key, PAUSES * (level - CREDIT_S))

    def hold(self, key: Hashable, seconds: float) -> None:
        """Have a caller wait so long before the next turn: who goes on asking after a refusal is not asked to hurry."""
        self._not_before[key] = max(self._not_before.get(key, 0.0), self._reactor.seconds() + seconds)

    def _is_alone(self) -> bool:
        """Whether nobody else came lately, for whom a round would have to be short."""
        return self._reactor.seconds() - self._mixed_at >= ALONE_S

    def _may_begin(self, key: Hashable) -> bool:
        return not self._not_before or self._not_before.get(key, 0.0) <= self._reactor.seconds()

    def _give_up(self, key: Hashable, turn: Deferred[None]) -> None:
        """Whoever waited has hung up."""
        queue = self._queues.get(key)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[key]

    def _schedule(self) -> None:
        if self._round is None:
            self._round = self._reactor.callLater(0, self._go_round)

    def _go_round(self) -> None:
        self._round = None
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
        self._spent = 0.0
        self._served.clear()
        now = self._reactor.seconds()
        for key in [key for key, until in self._not_before.items() if until <= now]:
            del self._not_before[key]
        for key in [key for key in self._queues if key not in self._not_before]:
            queue = self._queues.get(key)
            if queue is None:
                continue  # it has hung up meanwhile
            self._queues.move_to_end(key)
            turn = queue.popleft()
            if not queue:
                del self._queues[key]
            self._served.add(key)
            self.run(partial(_same, key), turn.callback, None)
            if self._spent > SLICE_S:
                break
        if any(key not in self._not_before for key in self._queues):
            self._schedule()
        elif self._queues and self._round is None:
            soonest = min(self._not_before[key] for key in self._queues)
            self._later = self._reactor.callLater(max(0.0, soonest - self._reactor.seconds()), self._schedule)


def _same(key: Hashable) -> Hashable:
    return key
