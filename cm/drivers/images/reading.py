"""How images' headers are read: at a place, a bounded number of bytes, from a file that gives them as it likes."""

from __future__ import annotations

from typing import BinaryIO, Final

SECTOR: Final = 512  # bytes


def read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Up to ``count`` bytes; fewer only at the end of the file, also from a file that gives them in pieces."""
    file.seek(offset)
    parts: list[bytes] = []
    while count > 0:
        part = file.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
