"""The long poll for a node's document: waiting costs a Deferred, neither a thread nor a database connection."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from cm.runtime.database import Database
from cm.services.agents import GUEST_DEFAULTS, GuestSettings, document

WAIT_MAX_S: Final = 60.0


class Documents:
    """
    :param hook_version: of the hook that nodes should have installed.
    :param guests: what the settings say of them.
    """

    def __init__(
        self, database: Database, clock: IReactorTime, hook_version: str, guests: GuestSettings = GUEST_DEFAULTS
    ) -> None:
        self._database = database
        self._clock = clock
        self._hook_version = hook_version
        self._guests = guests
        self._generation = 0
        self._waiting: set[Deferred[None]] = set()

    def changed(self, payload: str = "") -> None:
        """Something that documents are made of has changed: wake whoever waits."""
        self._generation += 1
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.called:
                each.callback(None)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def poll(self, node_id: int, version: str, wait_s: float) -> dict[str, Any]:
        """
        The document: at once if it is another than ``version``, else when it becomes one, or after ``wait_s``.

        :raises ObjectNotFound: there is no such node.
        """
        end = self._clock.seconds() + min(max(wait_s, 0.0), WAIT_MAX_S)
        while True:
            generation = self._generation
            found: dict[str, Any] = await self._database.read(document, node_id, self._hook_version, self._guests)
            left_s = end - self._clock.seconds()
            if found["version"] != version or left_s <= 0:
                return found
            if generation == self._generation:  # else it changed while we read
                await self._wait(left_s)

    async def _wait(self, seconds: float) -> None:
        woken: Deferred[None] = Deferred()
        self._waiting.add(woken)
        timer = self._clock.callLater(seconds, self._time_out, woken)
        try:
            await woken
        finally:
            self._waiting.discard(woken)
            if timer.active():
                timer.cancel()

    def _time_out(self, woken: Deferred[None]) -> None:
        self._waiting.discard(woken)
        woken.callback(None)
