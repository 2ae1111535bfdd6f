"""One connection to a node's libvirt that mends itself."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.endpoint import Endpoint, probe
from cm.drivers.libvirt.errors import is_connection_error, reason_of
from cm.drivers.libvirt.events import ensure_event_loop
from cm.drivers.libvirt.session import Attempt, Session
from cm.rpc.errors import NodeUnreachable

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
HANGING_MAX: Final = 3  # attempts that may hang at once; libvirt gives no way to end one
HANGING_FORGOTTEN_S: Final = 300.0

Lost = Callable[[str], None]


class Lane:
    """
    A self-mending connection. ``use`` and ``with_session`` are for one thread at a time (``connection.py`` says why and
    sees to it); ``close`` and libvirt's own callbacks come from any.

    :param opened: called with each new connection before its first use (to register for events).
    :param lost: called once for each connection that ends, with a reason.
    """

    def __init__(self, uri: str, endpoint: Endpoint, *, node: str, connect_timeout_s: float) -> None:
        self.node = node
        self.opened: Callable[[Session], None] | None = None
        self.lost: Lost | None = None
        self._uri = uri
        self._endpoint = endpoint
        self._timeout_s = connect_timeout_s
        self._lock = threading.RLock()  # guards the fields below; held for moments only
        self._connecting = threading.Lock()  # held by the one thread that connects
        self._session: Session | None = None
        self._attempts: list[Attempt] = []
        self._failures = 0
        self._retry_at = 0.0
        self._reason = ""
        self._closed = False

    @contextmanager
    def use(self) -> Iterator[Any]:
        """
        The connection, for the length of the block. libvirt's handles must not outlive it.
        :raises NodeUnreachable: there is none and none can be made now.
        """
        session = self._enter()
        try:
            yield session.connection
        except libvirt.libvirtError as error:
            if is_connection_error(error) and not session.alive():
                self._on_lost(session, reason_of(error))
            raise
        finally:
            self._leave(session)

    def with_session(self, act: Callable[[Session], None]) -> None:
        """Connect and run ``act`` on the session itself."""
        session = self._enter()
        try:
            act(session)
        finally:
            self._leave(session)

    def drop(self) -> None:
        """The connection is in a state that nothing mends: its last user closes it, and the next one opens another."""
        session = self._session
        if session is not None:
            self._on_lost(session, "it was given up")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            session, self._session = self._session, None
            attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            attempt.abandon()
        if session is not None and self._retire(session):
            session.dispose()

    def _enter(self) -> Session:
        session = self._current()
        if session is not None:
            return session
        deadline = time.monotonic() + self._timeout_s
        if not self._connecting.acquire(timeout=self._timeout_s):
            raise NodeUnreachable(self.node, "another call is still connecting")
        try:
            return self._current() or self._connect(deadline)
        finally:
            self._connecting.release()

    def _current(self) -> Session | None:
        """The live session with its user counted in. Raises at once while in back-off."""
        with self._lock:
            if self._closed:
                raise NodeUnreachable(self.node, "its driver was closed")
            session = self._session
            if session is not None and session.alive():
                session.users += 1
                return session
        if session is not None:
            self._on_lost(session, "the connection has ended")
        with self._lock:
            late = next((attempt for attempt in self._attempts if attempt.session is not None), None)
            if late is None and time.monotonic() < self._retry_at:
                raise NodeUnreachable(self.node, self._reason)
        return None

    def _connect(self, deadline: float) -> Session:
        """The one thread that connects."""
        attempt = self._attempt()
        attempt.done.wait(max(0.0, deadline - time.monotonic()))
        session = attempt.session
        if session is None:
            reason = attempt.reason or f"no answer within {self._timeout_s:g} s"
            with self._lock:
                delay_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(self._failures, 10))
                self._failures += 1
                self._retry_at = time.monotonic() + delay_s * random.uniform(0.5, 1.0)
                self._reason = reason
            raise NodeUnreachable(self.node, reason)
        with self._lock:
            superfluous = [other for other in self._attempts if other is not attempt]
            self._attempts = []
            closed = self._closed
            if not closed:
                self._session = session
                self._failures = 0
                self._retry_at = 0.0
                session.users += 1
        for other in [*superfluous, *([attempt] if closed else [])]:
            other.abandon()
        if closed:
            raise NodeUnreachable(self.node, "its driver was closed")
        if self.opened is not None:
            try:
                self.opened(session)
            except libvirt.libvirtError as error:
                self._on_lost(session, reason_of(error))
                self._leave(session)
                raise NodeUnreachable(self.node, reason_of(error)) from error
        return session

    def _attempt(self) -> Attempt:
        """One that succeeded late, a new one, or the last of too many that hang."""
        now = time.monotonic()
        late: Attempt | None = None
        hanging: list[Attempt] = []
        with self._lock:
            attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            if late is None and attempt.session is not None and attempt.session.alive():
                late = attempt
            elif not attempt.done.is_set() and now - attempt.began < HANGING_FORGOTTEN_S:
                hanging.append(attempt)
            else:
                attempt.abandon()
        chosen = late or (hanging[-1] if len(hanging) >= HANGING_MAX else Attempt(self._open))
        with self._lock:
            self._attempts = [*(other for other in hanging if other is not chosen), chosen]
        return chosen

    def _open(self) -> Session:
        ensure_event_loop()
        probe(self._endpoint, self._timeout_s)
        session = Session(libvirt.open(self._uri), self._on_lost)
        session.prepare()
        return session

    def _on_lost(self, session: Session, reason: str) -> None:
        """
        Forget the session; the first to notice has the subscriber told. By a thread of its own: inside libvirt's close
        callback closing would wait for itself, and a slow subscriber would stop the event loop of every node.
        """
        with self._lock:
            if self._session is not session:
                return
            self._session = None
            lost = self.lost
        unused = self._retire(session)

        def wind_up() -> None:
            try:
                if lost is not None:
                    lost(reason)
            finally:
                if unused:
                    session.dispose()

        threading.Thread(target=wind_up, name="libvirt-lost", daemon=True).start()

    def _leave(self, session: Session) -> None:
        with self._lock:
            session.users -= 1
            dispose = session.retired and session.users == 0
        if dispose:
            session.dispose()

    def _retire(self, session: Session) -> bool:
        """Take it out of use. True: nobody uses it, so the caller closes it; else its last user does."""
        with self._lock:
            first, session.retired = not session.retired, True
            return first and session.users == 0
