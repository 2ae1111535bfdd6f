"""What is done again and again for as long as a process lives, and by one process at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import psycopg2
from sqlalchemy.engine import make_url
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from cm.rpc.errors import CloudError
from cm.runtime.pulse import Pulse

log = Logger()
RETRY_S: Final = 5.0
LOST_S: Final = 300.0  # more than a turn's calls and statements take with all their deadlines


class Loop:
    """
    Does something again and again.

    :param step: gives how many seconds to wait then; None: as always.
    :param first_s: seconds before the first time.
    :param lost_s: within so many seconds more than ``every_s`` one that is well turns again.
    """

    def __init__(
        self,
        reactor: Any,
        what: str,
        every_s: float,
        step: Callable[[], Awaitable[float | None]],
        first_s: float = 0.0,
        lost_s: float = LOST_S,
    ) -> None:
        self._reactor = reactor
        self._what = what
        self._every_s = every_s
        self._step = step
        self._first_s = first_s
        self._pause: Deferred[None] | None = None
        self._timer: Any = None  # ends the pause
        self._within_s: float | None = None  # asked for while a turn is under way
        self._again = False
        self._stopped = False
        self._running: Deferred[None] | None = None
        self.pulse = Pulse(reactor, what, every_s + lost_s)

    def start(self) -> None:
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._broken)

    def wake(self) -> None:
        """Do it now, or once more when it is under way."""
        self._again = True
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.callback(None)

    def within(self, seconds: float) -> None:
        """Have the next turn begin in so many seconds at the latest, counted from the end of one that is under way."""
        if self._pause is None:
            self._within_s = seconds if self._within_s is None else min(self._within_s, seconds)
        elif self._timer.getTime() - self._reactor.seconds() > seconds:
            self._timer.reset(seconds)

    def stop(self) -> None:
        self._stopped = True
        self.pulse.stop()
        if self._running is not None:
            self._running.cancel()

    def _broken(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("{what} broke", failure, what=self._what)

    async def _run(self) -> None:
        if self._first_s:
            await self._sleep(self._first_s)
        while not self._stopped:
            self._again, self._within_s = False, None
            self.pulse.beat()
            wait_s = self._every_s
            try:
                told = await self._step()
                wait_s = self._every_s if told is None else told
            except CancelledError:
                return
            except CloudError as error:
                log.info("{what}: {error}", what=self._what, error=str(error))
                wait_s = min(RETRY_S, self._every_s)
            except Exception:
                log.failure("{what} failed", what=self._what)
            if not self._again:
                await self._sleep(wait_s if self._within_s is None else min(wait_s, self._within_s))

    async def _sleep(self, seconds: float) -> None:
        self._pause = pause = Deferred()
        self._timer = timer = self._reactor.callLater(seconds, self.wake)
        try:
            await pause
        finally:
            if timer.active():
                timer.cancel()
            self._pause = None


class Locks:
    """
    Which of several processes does what only one should do at a time: advisory locks, held on a connection of their
    own. Blocking; for one thread at a time.

    What is done under a lock must bear that two do it for a moment: a connection may die unnoticed.

    :param url: of the database.
    :param lock_class: first key of the locks; the second is what is to be done.
    """

    def __init__(self, url: str, lock_class: int) -> None:
        self._url = url
        self._class = lock_class
        self._connection: Any = None
        self._held: set[int] = set()

    def hold(self, wanted: Collection[int]) -> frozenset[int]:
        """
        Take what is free of these, and release others.

        :return: what is held now; nothing while the database is away.
        """
        try:
            if self._connection is None:
                self._connection = self._connect()
            with self._connection.cursor() as cursor:
                for duty in sorted(self._held.difference(wanted)):
                    cursor.execute("SELECT pg_advisory_unlock(%s, %s)", (self._class, duty))
                    self._held.discard(duty)
                for duty in sorted(set(wanted).difference(self._held)):
                    cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", (self._class, duty))
                    if cursor.fetchone()[0]:
                        self._held.add(duty)
                cursor.execute("SELECT 1")  # a dead connection shows itself, and its locks are gone
        except psycopg2.Error as error:
            log.warn("duties are given up, the database is away: {error}", error=str(error).strip())
            self.close()
        return frozenset(self._held)

    def _connect(self) -> Any:
        url = make_url(self._url).set(drivername="postgresql")
        made = psycopg2.connect(
            url.render_as_string(hide_password=False),
            connect_timeout=5,
            application_name="wawel duties",
            options="-c statement_timeout=5000",
        )
        made.autocommit = True
        return made

    def close(self) -> None:
        """Release everything."""
        self._held.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock_all()")  # at once: the server would, a moment later
                connection.close()
            except psycopg2.Error:
                pass  # it was dead
