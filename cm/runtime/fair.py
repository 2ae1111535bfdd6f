"""A queue that nobody fills for others: whoever waits is let in by turns of their keys."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from cm.rpc.errors import Overloaded

WAITING_MAX: Final = 300


class FairQueue:
    """
    At most ``slots`` are in at once. Whoever comes alone by their key waits for one of each other key at the most, not
    for all that these have sent.

    :param waiting_max: beyond, the key with the most waiting loses its last one; who has no fewer is not let wait.
    """

    def __init__(self, slots: int, waiting_max: int = WAITING_MAX) -> None:
        self._slots = slots
        self._waiting_max = waiting_max
        self._in = 0
        self._queues: OrderedDict[str, deque[Deferred[None]]] = OrderedDict()  # the key whose turn is next, first
        self.waiting = 0

    async def enter(self, key: str) -> None:
        """
        Wait for one's turn; ``leave`` ends it.

        :raises Overloaded: too many wait.
        """
        if self._in < self._slots and not self.waiting:
            self._in += 1
            return
        if self.waiting >= self._waiting_max:
            self._make_room(key)
        turn: Deferred[None] = Deferred(lambda _: self._forget(key, turn))
        self._queues.setdefault(key, deque()).append(turn)
        self.waiting += 1
        await turn

    def leave(self) -> None:
        self._in -= 1
        while self.waiting and self._in < self._slots:
            key, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            self.waiting -= 1
            self._queues.move_to_end(key)
            if not queue:
                del self._queues[key]
            self._in += 1
            turn.callback(None)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """For the time after ``enter``."""
        try:
            yield
        finally:
            self.leave()

    def _make_room(self, key: str) -> None:
        longest = max(self._queues, key=lambda each: len(self._queues[each]))
        if len(self._queues[longest]) <= len(self._queues.get(key, ())) + 1:
            raise Overloaded()
        last = self._queues[longest][-1]
        self._forget(longest, last)
        last.errback(Failure(Overloaded()))

    def _forget(self, key: str, turn: Deferred[None]) -> None:
        queue = self._queues[key]
        queue.remove(turn)
        self.waiting -= 1
        if not queue:
            del self._queues[key]
