"""Waiting for descriptors, however many a process has open."""

from __future__ import annotations

import select
from math import ceil


def wait_readable(timeout_s: float, *descriptors: int) -> bool:
    """
    Whether one of these can be read, or has ended, within the time.

    ``select.select`` is not for processes of many connections: above 1,023 (FD_SETSIZE) it raises ``ValueError``.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN | select.POLLPRI)
    return bool(poll.poll(ceil(timeout_s * 1000)))


def wait_ready(timeout_s: float, descriptor: int, *, reading: bool) -> bool:
    """Whether this one can be read, or written, within the time; or has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLPRI if reading else select.POLLOUT)
    return bool(poll.poll(ceil(timeout_s * 1000)))
