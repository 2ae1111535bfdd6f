"""A passage: of each caller so many are let through at once, and the others wait behind their own."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from cm.rpc.errors import Overloaded


class Passage:
    """
    Whoever comes alone waits for one of each other caller at the most, not for all that these have sent.

    :param per_key: how many of one caller are through at once.
    :param size: how many of all.
    :param waiting_max: how many wait; beyond, the caller with the most waiting loses its last one, and who has no fewer
        is not let wait. None: who enters sees to it that there is a bound.
    """

    def __init__(self, per_key: int, size: int, waiting_max: int | None = None) -> None:
        self._per_key = per_key
        self._size = size
        self._waiting_max = waiting_max
        self._through: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[Deferred[None]]] = {}  # the caller whose turn is next, first
        self._count = 0

    def __len__(self) -> int:
        """Those who wait."""
        return self._count

    def enter(self, key: Hashable) -> Deferred[None]:
        """
        Fires when one more of this caller is through; to be followed by ``leave``. Cancelled, it never was.

        :raises Overloaded: too many wait; it may also be what the Deferred ends with.
        """
        entering: Deferred[None] = Deferred(lambda _: self._give_up(key, entering))
        if key not in self._waiting and self._is_open(key):
            self._through[key] += 1
            entering.callback(None)
            return entering
        if self._waiting_max is not None and self._count >= self._waiting_max:
            self._make_room(key)
        self._waiting.setdefault(key, deque()).append(entering)
        self._count += 1
        return entering

    def leave(self, key: Hashable) -> None:
        self._through[key] -= 1
        if not self._through[key]:
            del self._through[key]
        for waiting in list(self._waiting):
            if self._is_open(waiting):
                queue = self._waiting.pop(waiting)
                entering = queue.popleft()
                self._count -= 1
                if queue:
                    self._waiting[waiting] = queue  # behind the others
                self._through[waiting] += 1
                entering.callback(None)
                return

    @contextmanager
    def inside(self, key: Hashable) -> Iterator[None]:
        """For the time after ``enter``."""
        try:
            yield
        finally:
            self.leave(key)

    def _is_open(self, key: Hashable) -> bool:
        return self._through[key] < self._per_key and self._through.total() < self._size

    def _make_room(self, key: Hashable) -> None:
        longest = max(self._waiting, key=lambda each: len(self._waiting[each]))
        if len(self._waiting[longest]) <= len(self._waiting.get(key, ())) + 1:
            raise Overloaded()
        last = self._waiting[longest][-1]
        self._give_up(longest, last)
        last.errback(Failure(Overloaded()))

    def _give_up(self, key: Hashable, entering: Deferred[None]) -> None:
        queue = self._waiting.get(key)
        if queue is not None and entering in queue:
            queue.remove(entering)
            self._count -= 1
            if not queue:
                del self._waiting[key]
