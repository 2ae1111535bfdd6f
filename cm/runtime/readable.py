"""Waiting for descriptors, however many a process has open."""

from __future__ import annotations

import select
from collections.abc import Sequence
from math import ceil


def wait_readable(timeout_s: float, *descriptors: int) -> bool:
    """
    Whether one of these can be read, or has ended, within the time.

    ``select.select`` is not for processes of many connections: above 1,023 (FD_SETSIZE) it raises ``ValueError``.
    """
    return _wait(timeout_s, select.POLLIN | select.POLLPRI, descriptors)


def wait_writable(timeout_s: float, *descriptors: int) -> bool:
    """Whether one of these can be written to, or has ended, within the time."""
    return _wait(timeout_s, select.POLLOUT, descriptors)


def _wait(timeout_s: float, events: int, descriptors: Sequence[int]) -> bool:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, events)
    return bool(poll.poll(ceil(timeout_s * 1000)))
