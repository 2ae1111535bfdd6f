"""
Bytes between a thread that may wait and a reactor that may not: bounded, and who is faster is held back.

A ``Pipe`` goes one way, a ``Duplex`` both. Whoever waits is woken by the other side, by the end, or by the time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from cm.rpc.errors import StreamIdle

PIPE_BYTES: Final = 256 * 1024  # that wait in one; what one read of a socket brings may come on top


class Broken(Exception):
    """The other side is gone; ``StreamIdle`` and the like are told instead where they are the reason."""


def _nothing() -> None:
    pass


class Pipe:
    """
    Any thread may call anything; only ``put`` and ``take`` wait.

    :param filled: called when something is there after there was nothing; ``drained``: when there is room after
        there was none; ``ended``, too, for both. From the other side's thread: they hand over and return.
    :param condition: notified of each change, where one waits for several.
    """

    def __init__(
        self,
        *,
        limit_bytes: int = PIPE_BYTES,
        idle_s: float = 60.0,
        filled: Callable[[], object] = _nothing,
        drained: Callable[[], object] = _nothing,
        condition: threading.Condition | None = None,
    ) -> None:
        self._limit = limit_bytes
        self._idle_s = idle_s
        self._filled = filled
        self._drained = drained
        self._condition = condition or threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return self._size

    def attend(
        self, *, filled: Callable[[], object] | None = None, drained: Callable[[], object] | None = None
    ) -> None:
        """Call these from now on."""
        self._filled, self._drained = filled or self._filled, drained or self._drained

    @property
    def ended(self) -> bool:
        """Nothing more will come, or it is broken; what is there can still be had in the first case."""
        return self._ended or self._error is not None

    @property
    def has_room(self) -> bool:
        return self._size < self._limit

    # -------------------------------------------------------------- the side that gives

    def offer(self, data: bytes) -> bool:
        """
        Put without waiting.

        :return: whether there is room for more; where not, ``drained`` tells when.
        """
        with self._condition:
            if self.ended or not data:
                return not self.ended
            first = not self._size
            self._pieces.append(data)
            self._size += len(data)
            self._condition.notify_all()
            room = self.has_room
        if first:
            self._filled()
        return room

    def put(self, data: bytes) -> None:
        """
        Put once there is room.

        :raises StreamIdle: there was none for too long.
        :raises Broken: nobody reads any more.
        """
        with self._condition:
            self._wait(lambda: self.has_room)
            if self._ended:
                raise Broken()
        self.offer(data)

    def end(self) -> None:
        """That is all."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()
        self._filled()
        self._drained()

    def fail(self, error: BaseException | None = None) -> None:
        """One of the sides is gone; the first reason counts. What waits in it is dropped."""
        with self._condition:
            self._error = self._error or error or Broken()
            self._pieces.clear()
            self._size = 0
            self._condition.notify_all()
        self._filled()
        self._drained()

    # -------------------------------------------------------------- the side that takes

    def poll(self, limit_bytes: int = PIPE_BYTES) -> bytes:
        """
        What is there, without waiting; nothing is no end.

        :raises BaseException: what it failed with.
        """
        with self._condition:
            if self._error is not None:
                raise self._error
            was_full = not self.has_room
            parts: list[bytes] = []
            left = limit_bytes
            while self._pieces and left:
                piece = self._pieces.popleft()
                if len(piece) > left:
                    self._pieces.appendleft(piece[left:])
                    piece = piece[:left]
                left -= len(piece)
                self._size -= len(piece)
                parts.append(piece)
            room = was_full and self.has_room
            if parts:
                self._condition.notify_all()
        if room:
            self._drained()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def take(self, limit_bytes: int = PIPE_BYTES) -> bytes:
        """
        What comes next; empty: nothing more will.

        :raises StreamIdle: nothing came for too long.
        :raises BaseException: what it failed with.
        """
        with self._condition:
            self._wait(lambda: bool(self._size) or self._ended)
        return self.poll(limit_bytes)

    def _wait(self, ready: Callable[[], bool]) -> None:
        if not self._condition.wait_for(lambda: self._error is not None or ready(), self._idle_s):
            raise StreamIdle(self._idle_s)
        if self._error is not None:
            raise self._error


class Duplex:
    """
    Both ways of a stream that has no direction, and what the one thread that works on it waits on.

    :param arrived: called when something of the node's is there to be read; ``drained``: when there is room again for
        what goes there. As in ``Pipe``.
    :ivar inward: to the node. :ivar outward: from it.
    """

    def __init__(
        self,
        *,
        arrived: Callable[[], object] = _nothing,
        drained: Callable[[], object] = _nothing,
        limit_bytes: int = PIPE_BYTES,
    ) -> None:
        self._condition = threading.Condition()
        self.inward = Pipe(limit_bytes=limit_bytes, drained=drained, condition=self._condition)
        self.outward = Pipe(limit_bytes=limit_bytes, filled=arrived, condition=self._condition)

    def attend(self, filled: Callable[[], object], drained: Callable[[], object]) -> None:
        """
        For a node's side that is no thread and may not wait.

        :param filled: called when something is there to be sent; ``drained``: when there is room again for what the
            node wrote. Both also at the end.
        """
        self.inward.attend(filled=filled)
        self.outward.attend(drained=drained)

    @property
    def ended(self) -> bool:
        return self.inward.ended or self.outward.ended

    def end(self) -> None:
        """Either side has left. What the node wrote until then can still be read."""
        self.inward.end()
        self.outward.end()

    def wait(self, seconds: float, *, until_input: bool = True) -> None:
        """So long, or until the end, or until something is to be sent."""
        with self._condition:
            self._condition.wait_for(lambda: self.ended or (until_input and len(self.inward) > 0), seconds)
