"""Something that is done again and again, for as long as a process lives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

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
    """

    def __init__(
        self,
        reactor: Any,
        what: str,
        every_s: float,
        step: Callable[[], Awaitable[float | None]],
        first_s: float = 0.0,
    ) -> None:
        self._reactor = reactor
        self._what = what
        self._every_s = every_s
        self._step = step
        self._first_s = first_s
        self._pause: Deferred[None] | None = None
        self._again = False
        self._stopped = False
        self._running: Deferred[None] | None = None
        self.pulse = Pulse(reactor, what, every_s + LOST_S)

    def start(self) -> None:
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._broken)

    def wake(self) -> None:
        """Do it now, or once more when it is under way."""
        self._again = True
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.callback(None)

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
            self._again = False
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
                await self._sleep(wait_s)

    async def _sleep(self, seconds: float) -> None:
        self._pause = pause = Deferred()
        timer = self._reactor.callLater(seconds, self.wake)
        try:
            await pause
        finally:
            if timer.active():
                timer.cancel()
            self._pause = None
