"""
One of libvirt's streams, non-blocking, so that its waits end: it is tried again after a pause.

libvirt could wake who waits by its event loop. Its binding for Python then keeps the stream for ever, and with it the
connection open (12.8, seen), so that nothing would free a console whose guest does not read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Line
from cm.interfaces.stream import IDLE_S
from cm.rpc.errors import StreamIdle

CHUNK_BYTES: Final = 262_120  # the payload of one packet that every libvirt takes (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX)
PAUSE_FIRST_S: Final = 0.001
PAUSE_MAX_S: Final = 0.02


class Flow:
    """
    For one thread.

    A stream that does not come to its end is never aborted: libvirtd takes that up behind all that was sent before, and
    a guest that does not read its console, or a storage that hangs, lets it wait for ever (seen). Its connection is
    closed, which nothing holds up.

    :param line: what it has to itself.
    """

    def __init__(self, line: Line, idle_s: float = IDLE_S) -> None:
        self._line = line
        self.stream: Any = line.connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        self._idle_s = idle_s
        self._over = False

    @contextmanager
    def begun(self) -> Iterator[None]:
        """From the call that opened it to its end."""
        try:
            yield
        finally:
            self.stream = None  # else it would keep the connection open
            if not self._over:
                self._line.drop()

    def receive_now(self, limit_bytes: int) -> bytes | None:
        """What is there; empty at the end, None where there is nothing yet."""
        data = self.stream.recv(limit_bytes)
        return None if isinstance(data, int) else bytes(data)

    def send_now(self, data: bytes) -> int:
        """How many of these bytes were taken."""
        return max(0, int(self.stream.send(data[:CHUNK_BYTES])))

    def receive(self, limit_bytes: int) -> bytes:
        """:raises StreamIdle: nothing came for too long. :raises NodeUnreachable: nothing will."""
        pauses = self._pauses()
        while (data := self.receive_now(limit_bytes)) is None:
            next(pauses)
        return data

    def send(self, data: bytes) -> None:
        """:raises StreamIdle: nothing was taken for too long. :raises NodeUnreachable: nothing will be."""
        rest = memoryview(data)
        pauses = self._pauses()
        while rest:
            sent = self.send_now(bytes(rest[:CHUNK_BYTES]))
            if sent:
                rest, pauses = rest[sent:], self._pauses()
            else:
                next(pauses)

    def skip(self, length: int) -> None:
        """A hole of so many bytes."""
        self.stream.sendHole(length, 0)

    def finish(self) -> None:
        """All is there: what was sent is written, and errors that came late are raised."""
        self.stream.finish()
        self._over = True

    def _pauses(self) -> Iterator[None]:
        pause_s = PAUSE_FIRST_S
        until = time.monotonic() + self._idle_s
        while True:
            time.sleep(pause_s)
            yield
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
            self.check()
            if time.monotonic() > until:
                raise StreamIdle(self._idle_s)

    def check(self) -> None:
        """:raises NodeUnreachable: the connection has ended. libvirt only says that there is nothing yet."""
        self._line.check()
