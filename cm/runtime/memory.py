"""
Keeping a threaded process small: glibc's allocator gives each thread an arena of its own, and keeps what large answers
once took.
"""

from __future__ import annotations

import ctypes

# From <malloc.h>.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
_MMAPPED_FROM = 256 * 1024  # bytes; setting it also stops glibc from raising it to 32 MiB by itself


def bound_heap() -> bool:
    """
    Have all threads share two arenas, and large blocks go back to the system when they are freed. Call it before the
    first thread starts.

    :return: False where the C library is not glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_M_ARENA_MAX, _ARENAS) and mallopt(_M_MMAP_THRESHOLD, _MMAPPED_FROM))
