"""Facts that were looked up, for a while, so that a call costs no query."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

REMEMBER_S: Final = 30.0  # should a notification be lost, what it was about goes on for this long
REMEMBER_MAX: Final = 10_000

Key = TypeVar("Key", bound=Hashable)
Fact = TypeVar("Fact")


class Remembered(Generic[Key, Fact]):
    """Facts by key, bounded, the oldest pushed out. ``clock`` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float], seconds: float = REMEMBER_S, most: int = REMEMBER_MAX) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._entries: OrderedDict[Key, tuple[Fact, float]] = OrderedDict()

    def find(self, key: Key) -> Fact | None:
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry[1]:
            return None
        return entry[0]

    def keep(self, key: Key, fact: Fact) -> None:
        self._entries[key] = (fact, self._clock() + self._seconds)
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def forget(self, which: Callable[[Fact], bool] | None = None) -> None:
        """Forget the facts that ``which`` says; all without it."""
        if which is None:
            self._entries.clear()
            return
        for key in [key for key, (fact, _) in self._entries.items() if which(fact)]:
            del self._entries[key]
