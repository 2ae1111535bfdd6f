"""Where a sparse file holds data, and where it has holes, which read as zeros and take no room."""

from __future__ import annotations

import os
from collections.abc import Iterator


def segments(fd: int, length: int) -> Iterator[tuple[int, int, bool]]:
    """Offset and length of each stretch of data (True) or hole (False), in order."""
    at = 0
    while at < length:
        try:
            data = min(os.lseek(fd, at, os.SEEK_DATA), length)
        except OSError:  # ENXIO: a hole up to the end
            data = length
        if data > at:
            yield at, data - at, False
        if data < length:
            at = min(os.lseek(fd, data, os.SEEK_HOLE), length)
            yield data, at - data, True
        else:
            at = length
