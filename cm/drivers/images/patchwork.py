"""A file that lies elsewhere, of which there is what was asked for: for readers that look at little of it."""

from __future__ import annotations

import io
import os
from typing import Final

WINDOW_BYTES: Final = 65_536
WINDOWS: Final = 64  # of one file: a header's reader needs few of them


class Lacking(Exception):
    """Whoever reads has to be given these bytes, and to begin anew."""

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(f"{length} bytes at {offset}")
        self.offset = offset
        self.length = length


class Patchwork(io.RawIOBase):
    """
    :param size_bytes: of the file.
    """

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self._size = size_bytes
        self._at = 0
        self._windows: dict[int, bytes] = {}  # by their numbers

    def put(self, offset: int, data: bytes) -> None:
        """What ``Lacking`` asked for; shorter at the end of a file that has become shorter."""
        self._windows[offset // WINDOW_BYTES] = data

    @property
    def full(self) -> bool:
        return len(self._windows) >= WINDOWS

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """:raises Lacking: those bytes are not here."""
        left = max(0, self._size - self._at)
        count = left if size < 0 else min(size, left)
        if not count:
            return b""
        number, skip = divmod(self._at, WINDOW_BYTES)
        if number not in self._windows:
            offset = number * WINDOW_BYTES
            raise Lacking(offset, min(WINDOW_BYTES, self._size - offset))
        found = self._windows[number][skip : skip + count]
        self._at += len(found)
        return found
