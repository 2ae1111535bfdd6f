"""Whether a loop still turns: it says so at each turn, and health tells of one that has been silent for too long."""

from __future__ import annotations

from typing import Any


class Pulse:
    """
    :param clock: an ``IReactorTime``.
    :param what: the loop, in words.
    :param within_s: the longest time between two turns of a loop that is well, deadlines of its work included.
    """

    def __init__(self, clock: Any, what: str, within_s: float) -> None:
        self._clock = clock
        self._what = what
        self._within_s = within_s
        self._last: float | None = None

    def beat(self) -> None:
        self._last = self._clock.seconds()

    def stop(self) -> None:
        """It has ended as it should."""
        self._last = None

    def wrong(self) -> str | None:
        """What is wrong with it; nothing before its first turn."""
        if self._last is None:
            return None
        silent_s = self._clock.seconds() - self._last
        return f"{self._what} has not turned for {silent_s:.0f} s" if silent_s > self._within_s else None
