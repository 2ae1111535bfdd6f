"""Where the frames of a WebSocket end (RFC 6455, 5.2), in a stream of which nothing else is looked at. Pure."""

from __future__ import annotations

from typing import Final

CLOSE_REASON_MAX: Final = 123


class Frames:
    """The frames of one direction, from the first on."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0  # bytes of the frame that is passing

    @property
    def between(self) -> bool:
        """Whether no frame has begun that has not ended."""
        return not self._left and not self._head

    def pass_on(self, data: bytes) -> int:
        """:return: how many of these bytes belong to frames that have ended with them."""
        at = whole = 0
        while at < len(data):
            if self._left:
                taken = min(self._left, len(data) - at)
                self._left -= taken
                at += taken
            else:
                wanted = self._wanted()
                more = data[at : at + wanted - len(self._head)]
                self._head += more
                at += len(more)
                if len(self._head) < wanted or self._wanted() > wanted:
                    continue
                self._left = self._length()
                self._head = b""
            if not self._left:
                whole = at
        return whole

    def _wanted(self) -> int:
        """How long the head is, as far as one can tell."""
        if len(self._head) < 2:
            return 2
        short = self._head[1] & 0x7F
        return 2 + {126: 2, 127: 8}.get(short, 0) + (4 if self._head[1] & 0x80 else 0)

    def _length(self) -> int:
        short = self._head[1] & 0x7F
        if short < 126:
            return short
        return int.from_bytes(self._head[2 : 4 if short == 126 else 10])


def close_frame(code: int, reason: str) -> bytes:
    """A server's frame that ends a connection."""
    told = reason.encode()[:CLOSE_REASON_MAX].decode(errors="ignore").encode()
    content = code.to_bytes(2) + told
    return bytes([0x88, len(content)]) + content
