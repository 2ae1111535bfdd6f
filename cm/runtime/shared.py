"""One piece of work whose outcome several ask for at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


class Shared:
    """What several wait for. Who leaves does not end it."""

    def __init__(self) -> None:
        self._ended = False
        self._outcome: Any = None
        self._waiting: list[Deferred[Any]] = []

    async def wait(self) -> Any:
        if self._ended:
            if isinstance(self._outcome, Failure):
                self._outcome.raiseException()
            return self._outcome
        waiter: Deferred[Any] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        return await waiter

    def end(self, outcome: Any) -> None:
        self._ended, self._outcome = True, outcome
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(outcome)
