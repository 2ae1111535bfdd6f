"""
The wall clock of this process: the only place that rules, services and operations have the time of day from.

The simulator hands in its own; a program leaves it as it is. Nodes and the database have clocks of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

_source: Callable[[], float] = time.time


def unix_seconds() -> float:
    return _source()


def utc_now() -> datetime:
    return datetime.fromtimestamp(_source(), UTC)


def hand_in(source: Callable[[], float] | None) -> None:
    """Have the time from ``source``, which gives unix seconds; from the system's clock with None."""
    global _source
    _source = source or time.time
