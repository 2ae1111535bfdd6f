"""
PostgreSQL's notifications on the reactor, and the advisory lock that tells others that this process lives.

One thread with a connection of its own; it reconnects by itself and then tells every subscriber to look afresh, since
notifications that came meanwhile are lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg2
from sqlalchemy.engine import make_url
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.threadable import isInIOThread

from cm.runtime.database import CHANNEL
from cm.runtime.readable import wait_readable
from cm.runtime.wall import steady_seconds

log = Logger()
RETRY_S = 0.5
WAIT_S = 5.0  # between checks that the connection is alive


class Listener:
    """
    :param reactor: an ``IReactorFromThreads`` and ``IReactorTime``.
    """

    def __init__(self, reactor: Any, url: str) -> None:
        self._reactor = reactor
        self._url = url
        self._lock: tuple[int, int] | None = None
        self._subscribers: dict[str, list[Callable[[str], None]]] = {}
        self._at_once: dict[str, list[Callable[[str], None]]] = {}
        self._waiting: dict[str, list[Deferred[None]]] = {}
        self._stopping = False
        self._wake_read, self._wake_write = _pipe()
        self._thread: threading.Thread | None = None
        self.connected = False
        self._locked_since: float | None = None

    @property
    def wrong(self) -> str | None:
        """What keeps this process from hearing of others' changes, or others from knowing that it lives."""
        if self._thread is not None and not self._thread.is_alive() and not self._stopping:
            return "the listener's thread has ended"
        if not self.connected:
            return "the database does not answer"
        return None if self._locked_since is not None else "another connection still holds this process's lock"

    @property
    def held_s(self) -> float:
        """For how many seconds this process has had its lock without a gap; 0: it has it not now."""
        since = self._locked_since
        return 0.0 if since is None else steady_seconds() - since

    def subscribe(self, topic: str, callback: Callable[[str], None], *, at_once: bool = False) -> None:
        """
        Call ``callback(subject)`` on the reactor for each notification ``topic:subject``; with "" for a bare topic and
        after each reconnection.

        :param at_once: what this process itself notifies is told before its transaction's answer is, and once more when
            it comes round: for what must not be remembered a moment longer.
        """
        self._subscribers.setdefault(topic, []).append(callback)
        if at_once:
            self._at_once.setdefault(topic, []).append(callback)

    def deliver(self, payloads: list[str]) -> None:
        """What a transaction of this process notified; ``Database(deliver=)``."""
        if not isInIOThread():
            self._reactor.callFromThread(self.deliver, payloads)
            return
        for payload in payloads:
            topic, _, subject = payload.partition(":")
            self._tell(self._at_once.get(topic, ()), subject)

    def _tell(self, callbacks: Iterable[Callable[[str], None]], subject: str) -> None:
        """One subscriber's fault is not another's."""
        for callback in callbacks:
            try:
                callback(subject)
            except Exception:
                log.failure("a subscriber of notifications failed")

    def wait(self, topic: str, subject: str, timeout_s: float) -> Deferred[None]:
        """A Deferred that fires at the next ``topic:subject``, at a reconnection, or after ``timeout_s``."""
        key = f"{topic}:{subject}"
        timer: list[Any] = []

        def forget(_: Any = None) -> None:
            waiting = self._waiting.get(key, [])
            if deferred in waiting:
                waiting.remove(deferred)
            if not waiting:
                self._waiting.pop(key, None)
            if timer and timer[0].active():
                timer[0].cancel()

        def cancelled(d: Deferred[None]) -> None:
            forget()
            d.callback(None)

        deferred: Deferred[None] = Deferred(cancelled)
        self._waiting.setdefault(key, []).append(deferred)
        timer.append(self._reactor.callLater(timeout_s, self._fire, key, deferred))
        deferred.addBoth(forget)
        return deferred

    def _fire(self, key: str, deferred: Deferred[None]) -> None:
        if not deferred.called:
            deferred.callback(None)

    def start(self, lock: tuple[int, int] | None = None) -> Deferred[None]:
        """
        Start the thread; the Deferred fires once it is connected for the first time.

        :param lock: two keys of a session-level advisory lock to hold while connected.
        """
        self._lock = lock
        ready: Deferred[None] = Deferred()
        self._thread = threading.Thread(target=self._work, args=(ready,), name="listener", daemon=True)
        self._thread.start()
        return ready

    def stop(self) -> None:
        self._stopping = True
        self._wake_write.send(b"x")
        if self._thread is not None:
            self._thread.join(WAIT_S)

    # -------------------------------------------------------------- on the reactor

    def _dispatch(self, payloads: list[str]) -> None:
        for payload in payloads:
            topic, _, subject = payload.partition(":")
            self._tell(self._subscribers.get(topic, ()), subject)
            for deferred in list(self._waiting.get(payload, ())):
                self._fire(payload, deferred)

    def _afresh(self) -> None:
        """After a gap nobody knows what was missed."""
        for callbacks in list(self._subscribers.values()):
            self._tell(callbacks, "")
        for key, waiting in list(self._waiting.items()):
            for deferred in list(waiting):
                self._fire(key, deferred)

    # -------------------------------------------------------------- on its thread

    def _work(self, ready: Deferred[None]) -> None:
        """
        Listen until the process ends. This thread must not end before: nobody would hear of a blocked account, and the
        lock that says that this process lives would be gone.
        """
        first = True
        while not self._stopping:
            connection: Any = None
            try:
                connection = self._connect()
                self.connected = True
                if first:
                    first = False
                    self._reactor.callFromThread(ready.callback, None)
                else:
                    log.info("listening to the database again")
                    self._reactor.callFromThread(self._afresh)
                self._listen(connection)
            except psycopg2.Error as error:
                if self.connected or first:
                    log.warn("the database's notifications are away: {error}", error=str(error).strip())
                self._pause()
            except Exception:
                log.failure("listening to the database failed; it is begun anew")
                self._pause()
            finally:
                self.connected, self._locked_since = False, None
                if connection is not None:
                    _close(connection)

    def _pause(self) -> None:
        self.connected = False
        time.sleep(RETRY_S)

    def _connect(self) -> Any:
        url = make_url(self._url).set(drivername="postgresql")
        connection = psycopg2.connect(
            url.render_as_string(hide_password=False), connect_timeout=5, application_name="wawel listener"
        )
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        self._locked_since = steady_seconds() if self._lock is None else None
        self._take_lock(connection)
        return connection

    def _take_lock(self, connection: Any) -> None:
        """Never waits: a connection of ours that the server has not yet found dead may still hold it."""
        if self._locked_since is None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", self._lock)
                if cursor.fetchone()[0]:
                    self._locked_since = steady_seconds()

    def _listen(self, connection: Any) -> None:
        while not self._stopping:
            if not wait_readable(WAIT_S, connection.fileno(), self._wake_read.fileno()):
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")  # a dead connection shows itself
                self._take_lock(connection)
            connection.poll()
            payloads = list(dict.fromkeys(n.payload for n in connection.notifies))
            connection.notifies.clear()
            if payloads:
                self._reactor.callFromThread(self._dispatch, payloads)


def _close(connection: Any) -> None:
    try:
        connection.close()
    except psycopg2.Error:
        pass  # it was dead


def _pipe() -> tuple[Any, Any]:
    import socket

    return socket.socketpair()
