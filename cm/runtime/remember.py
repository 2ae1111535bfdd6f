"""Facts that were looked up, for a while, so that a call costs no query."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
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
        self._news = 0  # grows with each forgetting: what was read before it may be just what was to be forgotten

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

    def keeper(self) -> Callable[[Key, Fact], bool]:
        """
        What keeps a fact that is looked up from now on, and says whether it did: not once anything was forgotten
        meanwhile.
        """
        news = self._news

        def keep(key: Key, fact: Fact) -> bool:
            if news != self._news:
                return False
            self.keep(key, fact)
            return True

        return keep

    async def look_up(self, key: Key, find: Callable[[], Awaitable[Fact | None]]) -> Fact | None:
        """What is remembered, or what is found now; nothing found is not remembered."""
        known = self.find(key)
        if known is not None:
            return known
        keep = self.keeper()
        found = await find()
        if found is not None:
            keep(key, found)
        return found

    def forget(self, which: Callable[[Fact], bool] | None = None) -> None:
        """Forget the facts that ``which`` says; all without it."""
        self._news += 1
        if which is None:
            self._entries.clear()
            return
        for key in [key for key, (fact, _) in self._entries.items() if which(fact)]:
            del self._entries[key]
