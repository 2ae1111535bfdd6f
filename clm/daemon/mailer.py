"""The loop that sends mail. Every process has one; each mail is some process's for as long as its sending may take."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogLevel

from clm.drivers.mail import MailFailed, SmtpSender
from clm.rules.mail import MEND, pause_after
from clm.services.context import Services
from clm.services.mail import send_one
from clm.store.mail import seconds_until_due
from cm.rpc.errors import DatabaseUnavailable, Overloaded
from cm.runtime.pulse import Pulse

log = Logger()

IDLE_S: Final = 60.0  # should a notification be lost
AWAY_S: Final = 5.0  # before a database that did not answer is asked again
LOST_S: Final = 600.0  # more than one mail takes with all its waits for the server
WAITS: Final = 15  # waits for the server that one mail has at the most


class Mailer:
    def __init__(self, services: Services, sender: SmtpSender) -> None:
        self._services = services
        self._sender = sender
        self._stopping = False
        self._pause: Deferred[None] | None = None
        self._deaf = False
        self._news = False
        self._done: Deferred[None] | None = None
        self.pulse = Pulse(services.reactor, "the sending of mail", LOST_S)

    def start(self) -> None:
        self._done = Deferred.fromCoroutine(self._work())

    async def stop(self) -> None:
        """Send what is being sent, and no more."""
        self._stopping = True
        self._end_pause()
        if self._done is not None:
            await self._done

    def wake(self, _subject: str = "") -> None:
        """Notification ``mail``: one was written."""
        self._news = True
        if not self._deaf:
            self._end_pause()

    async def _work(self) -> None:
        while not self._stopping:
            self._news = False
            self.pulse.beat()
            pause_s, deaf = IDLE_S, False
            try:
                sent: bool | MailFailed = True
                while sent is True and not self._stopping:
                    self.pulse.beat()
                    sent = await send_one(self._services, self._sender.send, self._sender.timeout_s * WAITS)
                if isinstance(sent, MailFailed):
                    level = LogLevel.error if sent.trouble in MEND else LogLevel.warn
                    log.emit(level, "no mail is sent ({trouble}): {error}", trouble=sent.trouble, error=str(sent))
                    pause_s, deaf = pause_after(sent.trouble), True
                elif not self._stopping:
                    due_s = await self._services.database.read(seconds_until_due)
                    pause_s = IDLE_S if due_s is None else min(max(due_s, 0.1), IDLE_S)
            except (DatabaseUnavailable, Overloaded):
                pause_s = AWAY_S
            except Exception:
                log.failure("mail could not be sent")
                pause_s = IDLE_S
            await self._rest(pause_s, deaf)

    async def _rest(self, pause_s: float, deaf: bool) -> None:
        """:param deaf: rest even if more mail is written meanwhile."""
        if self._stopping or (self._news and not deaf):
            return
        self._deaf, self._pause = deaf, Deferred()
        timer = self._services.reactor.callLater(pause_s, self._end_pause)
        await self._pause
        self._pause = None
        if timer.active():
            timer.cancel()

    def _end_pause(self) -> None:
        if self._pause is not None and not self._pause.called:
            self._pause.callback(None)
