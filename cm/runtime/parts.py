"""The living parts of a program, one after the other: what starts in which order, and stops in the reverse one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger

log = Logger()
Act = Callable[[], Any]
"""Starts or stops something; what it gives is awaited, where it can be."""


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    start: Act | None
    stop: Act | None


class Parts:
    """A part stands behind those that it uses, so that these are there before it and after it."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._begun: set[str] = set()
        self._stopped = False

    def add(self, name: str, start: Act | None = None, stop: Act | None = None) -> None:
        """
        :param start: without one it lives already.
        :param stop: called once it lives, or its start has begun.
        """
        if any(part.name == name for part in self._parts):
            raise ValueError(f"two parts are named {name}")
        self._parts.append(_Part(name, start, stop))

    @property
    def names(self) -> list[str]:
        """In the order in which they start."""
        return [part.name for part in self._parts]

    async def start(self) -> None:
        """
        Start them; the first that fails ends it, and whoever asked stops the rest.

        :raises Exception: whatever a part raised.
        """
        for part in self._parts:
            if self._stopped:
                return
            self._begun.add(part.name)
            if part.start is not None:
                await _ended(part.start())

    async def stop(self) -> None:
        """Stop those that live, the last first. One that cannot be stopped keeps no other."""
        self._stopped = True
        for part in reversed(self._parts):
            if part.stop is None or (part.start is not None and part.name not in self._begun):
                continue
            try:
                await _ended(part.stop())
            except Exception:  # whatever it was: those that it uses would never be stopped
                log.failure("{part} could not be stopped", part=part.name)


async def _ended(given: Any) -> None:
    if inspect.isawaitable(given):
        await given
