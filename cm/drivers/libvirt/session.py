"""
An open connection, and the attempt to open one.

Calls count themselves in and out of a session, so that a lost connection is closed by the last of them: closing it
under a running call would free memory that libvirt still reads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.errors import is_connection_error, reason_of

log = logging.getLogger(__name__)

KEEPALIVE_INTERVAL_S: Final = 1
KEEPALIVE_COUNT: Final = 3  # a dead connection ends after (count + 1) intervals: 4.0 s, measured


class Session:
    """An open connection, its users and what must be deregistered before it may be closed."""

    def __init__(self, connection: Any, on_lost: Callable[[Session, str], None]) -> None:
        self.connection = connection
        self.users = 0
        self.retired = False
        self.event_ids: list[int] = []
        self._on_lost = on_lost
        self._watched = False

    def prepare(self) -> None:
        """Keep-alive and close callback; drivers in this process have neither."""
        for step in (self._keep_alive, self._watch):
            try:
                step()
            except libvirt.libvirtError as error:
                if is_connection_error(error):
                    raise

    def _keep_alive(self) -> None:
        self.connection.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)

    def _watch(self) -> None:
        self.connection.registerCloseCallback(self._closed, None)
        self._watched = True

    def _closed(self, connection: object, reason: int, opaque: object) -> None:
        """From whichever thread noticed. The number is no help: a killed libvirtd gives "error" or "end of file"."""
        self._on_lost(self, "the connection was closed")

    def alive(self) -> bool:
        try:
            return bool(self.connection.isAlive())
        except libvirt.libvirtError:
            return False

    def dispose(self) -> None:
        """Deregister, then close: with a callback left, ``close()`` returns 1 and the socket leaks."""
        for event_id in self.event_ids:
            try:
                self.connection.domainEventDeregisterAny(event_id)
            except libvirt.libvirtError:
                pass  # a dead connection: the registration went with it
        self.event_ids.clear()
        for close in ([self.connection.unregisterCloseCallback] if self._watched else []) + [self.connection.close]:
            try:
                close()
            except libvirt.libvirtError as error:
                log.debug("closing a connection: %s", reason_of(error))


class Attempt:
    """One ``open()`` in a thread of its own. A late success is kept for the next call, or closed if nobody wants it."""

    def __init__(self, run: Callable[[], Session]) -> None:
        self.began = time.monotonic()
        self.done = threading.Event()
        self.session: Session | None = None
        self.reason = ""
        self._run = run
        self._lock = threading.Lock()
        self._abandoned = False
        threading.Thread(target=self._work, name="libvirt-open", daemon=True).start()

    def _work(self) -> None:
        session = None
        try:
            session = self._run()
        except libvirt.libvirtError as error:
            self.reason = reason_of(error)
        except OSError as error:
            self.reason = error.strerror or str(error) or type(error).__name__
        except Exception as error:
            log.exception("opening a connection")
            self.reason = f"a fault of ours: {error}"  # who waits is told now, not when its patience ends
        with self._lock:
            if not self._abandoned:
                self.session, session = session, None
        self.done.set()
        if session is not None:
            session.dispose()

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            session, self.session = self.session, None
        if session is not None:
            session.dispose()
