"""A passage: of each caller so many are let through at once, and the others wait behind their own."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable

from twisted.internet.defer import Deferred


class Passage:
    """
    :param per_key: how many of one caller are through at once.
    :param size: how many of all.
    """

    def __init__(self, per_key: int, size: int) -> None:
        self._per_key = per_key
        self._size = size
        self._through: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[Deferred[None]]] = {}

    def __len__(self) -> int:
        """Those who wait."""
        return sum(map(len, self._waiting.values()))

    def enter(self, key: Hashable) -> Deferred[None]:
        """Fires when one more of this caller is through; to be followed by ``leave``. Cancelled, it never was."""
        entering: Deferred[None] = Deferred(lambda _: self._give_up(key, entering))
        if key not in self._waiting and self._is_open(key):
            self._through[key] += 1
            entering.callback(None)
        else:
            self._waiting.setdefault(key, deque()).append(entering)
        return entering

    def leave(self, key: Hashable) -> None:
        self._through[key] -= 1
        if not self._through[key]:
            del self._through[key]
        for waiting in list(self._waiting):
            if self._is_open(waiting):
                queue = self._waiting.pop(waiting)
                entering = queue.popleft()
                if queue:
                    self._waiting[waiting] = queue  # behind the others
                self._through[waiting] += 1
                entering.callback(None)
                return

    def _is_open(self, key: Hashable) -> bool:
        return self._through[key] < self._per_key and self._through.total() < self._size

    def _give_up(self, key: Hashable, entering: Deferred[None]) -> None:
        queue = self._waiting.get(key)
        if queue is not None and entering in queue:
            queue.remove(entering)
            if not queue:
                del self._waiting[key]
