"""Waiting for what another thread, process or loop brings about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], what: str = "it", deadline_s: float = 15.0) -> Any:
    """
    What the condition gives, once that is true.

    :param what: for the failure: what has not come about.
    """
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} has not come about in {deadline_s:g} s"
        time.sleep(0.01)
    return found
