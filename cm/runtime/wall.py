"""
The clocks of this process: the only place that rules, services and operations have the time of day from, and, where
they have no reactor, seconds that only grow.

The simulator hands in its own; a program leaves them as they are. Nodes and the database have clocks of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

_source: Callable[[], float] = time.time
_steady: Callable[[], float] = time.monotonic


def unix_seconds() -> float:
    return _source()


def utc_now() -> datetime:
    return datetime.fromtimestamp(_source(), UTC)


def steady_seconds() -> float:
    """Seconds since some moment; they only grow."""
    return _steady()


def hand_in(source: Callable[[], float] | None, steady: Callable[[], float] | None = None) -> None:
    """Have the time from ``source`` (unix seconds) and from ``steady``; from the system's clocks with None."""
    global _source, _steady
    _source = source or time.time
    _steady = steady or time.monotonic
