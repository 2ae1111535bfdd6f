"""Progress with times: a line a step, with the seconds since the start before it and those it took after it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """
    :param quiet: print nothing, for tests.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        # bin/demo tells when it began, so that what it did before counts as well.
        self._began = float(os.environ.get("WAWEL_BEGAN") or time.time())
        self._open = False

    @property
    def seconds(self) -> float:
        return time.time() - self._began

    def say(self, text: str) -> None:
        """A line of its own."""
        if not self._quiet:
            self._end_line()
            print(f"[{self.seconds:5.1f} s] {text}", flush=True)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Around what takes time. What is said within gets its own lines."""
        began = time.monotonic()
        if not self._quiet:
            self._end_line()
            print(f"[{self.seconds:5.1f} s] {text} ...", end="", flush=True)
            self._open = True
        try:
            yield
        except BaseException:
            self._end_line()
            raise
        if not self._quiet:
            took = f"{time.monotonic() - began:.1f} s"
            print(f" {took}" if self._open else f"[{self.seconds:5.1f} s]   ... {took}", flush=True)
            self._open = False

    def _end_line(self) -> None:
        if self._open:
            self._open = False
            print(flush=True)
