"""
The body of a request, while it comes in: for whoever writes it somewhere, and does not keep it.

Who sends is held back by the connection itself as soon as ``FULL_BYTES`` wait to be taken, so that a body costs the
same memory at any size.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred

FULL_BYTES: Final = 1024 * 1024  # that wait in one; what one read of the socket brings may come on top


class BodyLost(Exception):
    """Whoever sent it is gone, or is wanted no more: what did not come will not."""


class Flow(Protocol):
    """The connection."""

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...


class Body:
    """
    For one taker, in the reactor's thread.

    :param flow: where it comes from; nothing is read there before ``open``.
    :ivar length: bytes that are announced; None: it comes in pieces of which each tells its own.
    :ivar received: bytes that came.
    :ivar moved_at: when any came last.
    """

    def __init__(self, flow: Flow, length: int | None, clock: Any) -> None:
        self._flow = flow
        self._clock = clock
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = self._lost = self._held = False
        self._waiting: Deferred[None] | None = None
        self.length = length
        self.received = 0
        self.moved_at: float = clock.seconds()
        self.hold()

    @property
    def complete(self) -> bool:
        """All of it came, taken or not."""
        return self._ended

    @property
    def lost(self) -> bool:
        """The rest of it will not come, or is not wanted."""
        return self._lost

    def hold(self) -> None:
        if not self._held and not self._ended and not self._lost:
            self._held = True
            self._flow.pauseProducing()

    def open(self) -> None:
        """Let it come in."""
        if self._held:
            self._held = False
            self._flow.resumeProducing()

    async def take(self) -> list[bytes]:
        """
        What came since, in order; empty: that was all.

        :raises BodyLost: nothing more will come, though it was not all.
        """
        if not self._pieces and not self._ended and not self._lost:
            self.open()
            self._waiting = waiting = Deferred()
            try:
                await waiting
            finally:
                self._waiting = None
        if not self._pieces and self._lost:
            raise BodyLost()
        pieces, self._pieces, self._size = self._pieces, [], 0
        self.open()
        return pieces

    # -------------------------------------------------------------- the request

    def came(self, data: bytes) -> None:
        self.received += len(data)
        self.moved_at = self._clock.seconds()
        if self._lost:
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= FULL_BYTES:
            self.hold()
        self._wake()

    def end(self) -> None:
        self.open()  # whoever hangs up from now on is noticed
        self._ended = True
        self._wake()

    def lose(self) -> None:
        """Nobody wants the rest, which is read all the same, or it will not come. What is there can still be taken."""
        if not self._ended:
            self.open()
            self._lost = True
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
