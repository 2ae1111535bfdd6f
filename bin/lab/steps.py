"""Progress with times: a line a step, with the seconds since the start before it and those it took after it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Steps:
    """
    :param quiet: print nothing, for tests.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        # bin/demo tells when it began, so that what it did before counts as well.
        self._began = float(os.environ.get("WAWEL_BEGAN") or time.time())
        self._open = False
        self._lock = threading.RLock()

    @property
    def seconds(self) -> float:
        return time.time() - self._began

    def say(self, text: str) -> None:
        """A line of its own."""
        if not self.quiet:
            with self._lock:
                self._end_line()
                print(f"[{self.seconds:5.1f} s] {text}", flush=True)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Around what takes time. What is said within gets its own lines."""
        began = time.monotonic()
        if not self.quiet:
            with self._lock:
                self._end_line()
                print(f"[{self.seconds:5.1f} s] {text} ...", end="", flush=True)
                self._open = True
        try:
            yield
        except BaseException:
            with self._lock:
                self._end_line()
            raise
        if not self.quiet:
            took = f"{time.monotonic() - began:.1f} s"
            with self._lock:
                print(f" {took}" if self._open else f"[{self.seconds:5.1f} s]   ... {took}", flush=True)
                self._open = False

    def quote(self, lines: Sequence[str]) -> None:
        """What somebody else said, below a line of ours."""
        if not self.quiet:
            for line in lines:
                print(f"          | {line}".rstrip(), flush=True)

    def _end_line(self) -> None:
        if self._open:
            self._open = False
            print(flush=True)


class PartSteps(Steps):
    """
    The progress of one of several parts that start at once: a line for each step when it is done.

    :param steps: those of the whole.
    """

    def __init__(self, steps: Steps, name: str) -> None:
        super().__init__()
        self._whole = steps
        self._name = name

    def say(self, text: str) -> None:
        self._whole.say(f"  {self._name}: {text}")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.say(f"{text} {time.monotonic() - began:.1f} s")
