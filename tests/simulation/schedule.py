"""The one clock of a simulation: events in a total order, by time and then by when they were asked for."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer


@implementer(IDelayedCall)
class Event:
    """An entry of the schedule, with the face of Twisted's ``IDelayedCall``."""

    __slots__ = ("time", "number", "function", "args", "kwargs", "state", "schedule")

    def __init__(self, schedule: Schedule, time: float, number: int, function: Any, args: Any, kwargs: Any) -> None:
        self.schedule = schedule
        self.time = time
        self.number = number
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.state = "active"

    def __lt__(self, other: Event) -> bool:
        return (self.time, self.number) < (other.time, other.number)

    def active(self) -> bool:
        return self.state == "active"

    def getTime(self) -> float:
        return self.time

    def cancel(self) -> None:
        if self.state == "called":
            raise AlreadyCalled
        if self.state == "cancelled":
            raise AlreadyCancelled
        self.state = "cancelled"

    def reset(self, secondsLater: float) -> None:
        self._move(self.schedule.seconds() + secondsLater)

    def delay(self, secondsLater: float) -> None:
        self._move(self.time + secondsLater)

    def _move(self, time: float) -> None:
        """The entry in the heap stays where it is; another takes its place."""
        self.schedule.push(self, time)


@implementer(IReactorTime)
class Schedule:
    """Seconds begin at 0. ``callLater`` events of one moment happen in the order in which they were asked for."""

    def __init__(self) -> None:
        self._now = 0.0
        self._heap: list[tuple[float, int, Event]] = []
        self._number = 0
        self.happened = 0

    def seconds(self) -> float:
        return self._now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> Event:
        made = Event(self, 0.0, 0, callable, args, kwargs)
        self.push(made, self._now + max(0.0, delay))
        return made

    def push(self, event: Event, time: float) -> None:
        self._number += 1
        event.time, event.number = time, self._number
        heapq.heappush(self._heap, (time, self._number, event))

    def getDelayedCalls(self) -> list[Event]:
        return [event for _, number, event in sorted(self._heap) if event.active() and number == event.number]

    def run_until(self, end: float) -> None:
        """Let happen what is due up to ``end``, which it is then."""
        while self._heap and self._heap[0][0] <= end:
            time, number, event = heapq.heappop(self._heap)
            if event.state != "active" or number != event.number:
                continue
            self._now = time
            event.state = "called"
            self.happened += 1
            event.function(*event.args, **event.kwargs)
        self._now = max(self._now, end)
