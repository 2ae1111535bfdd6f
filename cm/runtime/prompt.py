"""
Reads in the reactor's thread, whose statements do not block it: for views that read little and are called often.

A view that runs prepared statements alone is begun in a greenlet. Each statement is sent on a connection of libpq's
that never blocks; until its answer is there the greenlet rests and the reactor goes on. The way over a thread and back,
with the interpreter's lock to be had twice, took longer than such a view itself.

Nothing is waited for here. Where no connection is free, a page is large or the database is away, the read is somebody
else's: it goes to a thread, where it would have been without this module.
"""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import psycopg2
from greenlet import getcurrent, greenlet
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE
from psycopg2.extras import register_uuid
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from cm.runtime.readable import wait_readable, wait_writable
from cm.runtime.threads import IThreads

log = Logger()

LINES: Final = 4  # connections; one is held for as long as its statements take, a fraction of a millisecond each
ROWS_MAX: Final = 200  # of one statement: more would keep the reactor from others
HUNG_S: Final = 40.0  # without an answer: longer than any statement may take
OPEN_S: Final = 5.0  # to connect in
RETRY_S: Final = 1.0  # after a connection could not be had


class NotPrompt(Exception):
    """The read has to be done on a thread; it has changed nothing."""


class PromptSession:
    """
    What a function gets in place of a session: prepared statements can be run on it, and nothing else.

    :raises NotPrompt: it was asked for anything else.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    def run(self, name: str, prepare: str, execute: str, values: tuple[Any, ...]) -> Any:
        """
        Run a prepared statement, which is prepared where it is not yet.

        :return: a cursor with its rows.
        :raises NotPrompt: the database refused it, or went away.
        """
        return self._line.run(name, prepare, execute, values)

    def __getattr__(self, name: str) -> NoReturn:
        raise NotPrompt(f"it asks the session for {name}")


@implementer(IReadWriteDescriptor)
class Line:
    """One connection, for one read at a time. All of it belongs to the reactor's thread."""

    def __init__(self, reactor: Any, connection: Any, lines: PromptReads) -> None:
        self._reactor = reactor
        self._connection = connection
        # libpq closes its own as soon as the connection is lost, and the reactor cannot forget one that is closed.
        self._fileno = os.dup(connection.fileno())
        self._lines = lines
        self._session = PromptSession(self)
        self._known: set[str] = set()
        self._resting: greenlet | None = None  # the read that waits for an answer
        self.since = 0.0  # when its read began
        reactor.addReader(self)

    def begin(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Deferred[Any]:
        """
        The function's result; of who cancels it nothing is told, and the line is free once the statement has ended.
        """
        done: Deferred[Any] = Deferred()
        self.since = self._reactor.seconds()

        def work() -> None:
            tell: Callable[[Any], None]
            try:
                tell, outcome = done.callback, function(self._session, *args)
            except BaseException:  # whatever it was goes to who waits: it must not end the reactor's thread
                tell, outcome = done.errback, Failure()
            self._lines.free(self)
            tell(outcome)

        reading = greenlet(work)
        reading.gr_context = contextvars.copy_context()
        reading.switch()
        return done

    def run(self, name: str, prepare: str, execute: str, values: tuple[Any, ...]) -> Any:
        try:
            if name not in self._known:
                self._send(prepare, None)
                self._known.add(name)
            return self._send(execute, values)
        except psycopg2.Error as error:
            self._known.discard(name)
            if self._connection.closed:
                self.drop()
            raise NotPrompt("the database refused it, or is away") from error

    def _send(self, statement: str, values: tuple[Any, ...] | None) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(statement, values)
        state = self._connection.poll()
        if state != POLL_OK:  # the answer of a small statement is often there already
            if state == POLL_WRITE:
                self._reactor.addWriter(self)
            self._resting = reading = getcurrent()
            assert reading.parent is not None
            reading.parent.switch()
        return cursor

    # ---- what the reactor calls

    def fileno(self) -> int:
        return self._fileno

    def logPrefix(self) -> str:
        return "prompt reads"

    def doRead(self) -> None:
        try:
            state = self._connection.poll()
        except psycopg2.Error:
            self.drop()
            return
        if state == POLL_OK:
            self._go_on()
        elif state == POLL_WRITE:
            self._reactor.addWriter(self)

    def doWrite(self) -> None:
        self._reactor.removeWriter(self)
        self.doRead()

    def connectionLost(self, reason: Any) -> None:
        self.drop()

    def drop(self) -> None:
        """Use it no more. A read that waits on it is done on a thread."""
        if self._fileno < 0:
            return
        self._lines.lost(self)
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        os.close(self._fileno)
        self._fileno = -1
        self._connection.close()
        resting, self._resting = self._resting, None
        if resting is not None and resting is not getcurrent():
            resting.throw(NotPrompt("its connection is gone"))

    def _go_on(self) -> None:
        resting, self._resting = self._resting, None
        if resting is not None:
            resting.switch()


class PromptReads:
    """
    :param open_: makes a connection that does not block; it is called on a thread.
    """

    def __init__(self, reactor: Any, threads: IThreads, open_: Callable[[], Any], size: int = LINES) -> None:
        self._reactor = reactor
        self._threads = threads
        self._open = open_
        self._size = size
        self._lines: set[Line] = set()
        self._free: list[Line] = []
        self._opening = False
        self._not_before = 0.0
        self._closed = False

    def begin(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Deferred[Any] | None:
        """
        What will be ``function(session, *args)``, or None: it is to be done on a thread. It fails with ``NotPrompt``
        where that turns out later.
        """
        if not self._free:
            self._widen()
            return None
        return self._free.pop().begin(function, args)

    def close(self) -> None:
        self._closed = True
        for line in list(self._lines):
            line.drop()

    def free(self, line: Line) -> None:
        if line in self._lines:
            self._free.append(line)

    def lost(self, line: Line) -> None:
        self._lines.discard(line)
        if line in self._free:
            self._free.remove(line)

    def _widen(self) -> None:
        """Have one more connection for the next who asks; what hangs gives its place up."""
        now = self._reactor.seconds()
        for line in [line for line in self._lines if now - line.since > HUNG_S]:
            line.drop()
        if self._opening or self._closed or len(self._lines) >= self._size or now < self._not_before:
            return
        self._opening = True
        opened = Deferred.fromCoroutine(self._threads.run("reads", self._open, deadline_s=2 * OPEN_S))
        opened.addCallbacks(self._opened, self._refused)

    def _opened(self, connection: Any) -> None:
        self._opening = False
        if self._closed:
            connection.close()
            return
        line = Line(self._reactor, connection, self)
        self._lines.add(line)
        self._free.append(line)

    def _refused(self, failure: Failure) -> None:
        """Threads will tell the callers what is wrong with the database."""
        self._opening = False
        self._not_before = self._reactor.seconds() + RETRY_S
        log.info("no connection for prompt reads: {error}", error=str(failure.value).strip())


def open_prompt(dsn: str, options: Mapping[str, Any]) -> Any:
    """
    On a thread: a connection that does not block from now on.

    :raises psycopg2.Error: there is none to be had.
    """
    connection = psycopg2.connect(dsn, async_=1, **options)
    try:
        while (state := connection.poll()) != POLL_OK:
            wait = wait_readable if state == POLL_READ else wait_writable
            if not wait(OPEN_S, connection.fileno()):
                raise psycopg2.OperationalError("the database does not answer")
        register_uuid(None, connection)  # as SQLAlchemy does
    except BaseException:  # it goes on, without the connection left open
        connection.close()
        raise
    return connection
