"""
Connections that stay open: whether their owners may still have them is looked at now and then, and at once when an
account changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.rpc.caller import Identity

log = Logger()
TICK_S: Final = 1.0


class Member(Protocol):
    """
    A connection that stays.

    :ivar check_at: when it is looked at next, by the reactor's clock.
    """

    identity: Identity
    check_at: float

    async def check(self) -> None:
        """End it if its owner may have it no more."""


M = TypeVar("M", bound=Member)


class Standing(Generic[M]):
    """
    Those that are open.

    :param reactor: an ``IReactorTime``.
    :param check_s: seconds between looks.
    :param tend: called for each about once a second, with the time.
    """

    def __init__(self, reactor: Any, check_s: float, tend: Callable[[M, float], None]) -> None:
        self._reactor = reactor
        self._check_s = check_s
        self._tend = tend
        self._open: dict[M, None] = {}  # in the order in which they came, as all is done to them
        self._checking: set[M] = set()
        self._tick: Any = None
        self.stopped = False

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[M]:
        """Over those that are open now; they may end meanwhile."""
        return iter(list(self._open))

    def add(self, member: M) -> None:
        self._open[member] = None
        member.check_at = self._reactor.seconds() + self._check_s
        if self._tick is None and not self.stopped:
            self._tick = self._reactor.callLater(TICK_S, self._ticked)

    def discard(self, member: M) -> None:
        self._open.pop(member, None)

    def stop(self) -> None:
        """Look after nobody any more; ending those that are open is their owner's."""
        self.stopped = True
        if self._tick is not None and self._tick.active():
            self._tick.cancel()

    def look_at(self, concerned: Callable[[M], bool]) -> None:
        """Look at once whether these may stay."""
        for member in self._open:
            if concerned(member):
                member.check_at = 0.0
        self._look()

    def account_changed(self, subject: str = "") -> None:
        """Notification ``account:<id>``: look at once whether its owner may stay; without an id, at all."""
        self.look_at(lambda member: not subject.isdigit() or member.identity.account_id == int(subject))

    def _ticked(self) -> None:
        self._tick = None
        now = self._reactor.seconds()
        for member in self:
            self._tend(member, now)
        self._look()
        if self._open and not self.stopped:
            self._tick = self._reactor.callLater(TICK_S, self._ticked)

    def _look(self) -> None:
        now = self._reactor.seconds()
        for member in self:
            if member.check_at <= now and member not in self._checking:
                member.check_at = now + self._check_s
                self._checking.add(member)
                Deferred.fromCoroutine(self._check(member)).addErrback(
                    lambda failure: log.failure("a connection's rights could not be looked at", failure)
                )

    async def _check(self, member: M) -> None:
        try:
            await member.check()
        finally:
            self._checking.discard(member)
