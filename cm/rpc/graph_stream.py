"""The stream of a graph of objects: what ``/events?objects=1`` tells (``events.py``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.rpc.caller import Control, Execute, Identity, RawJSON
from cm.rpc.credentials import Credentials
from cm.rpc.errors import NotAuthenticated, NotPermitted, Unavailable
from cm.rpc.events import Events, EventStream
from cm.rpc.http.request import WireRequest
from cm.rpc.picture import Picture, by_uuid
from cm.rpc.view import Registry
from cm.runtime.feed import FeedRow, Subscription
from cm.runtime.pool import on_behalf

log = Logger()

GATHER_S: Final = 0.2  # from a change until the graph is looked at, for whatever belongs to it
REST: Final = 4.0  # times as long as a look took, until the next: one reader's graph leaves time for others
KINDS: Final = frozenset({"vm", "disk", "image", "node", "storage"})  # of which the graph tells

ReadGraph = Callable[[Identity, str, bool], Awaitable[bytes]]
"""``await read(identity, filter, everything)``: the objects that somebody sees, as a JSON array."""


class GraphReader:
    """As the views ``user.object.get_all`` and ``admin.object.get_all`` tell it, by the same way as calls of theirs."""

    def __init__(self, registry: Registry, execute: Execute) -> None:
        self._registry = registry
        self._execute = execute

    async def __call__(self, identity: Identity, filter: str, everything: bool) -> bytes:
        """
        :raises InvalidParameter: the filter cannot be read.
        """
        view = self._registry.get(f"{'admin' if everything else 'user'}.object.get_all")
        arguments, _ = view.bind({"filter": filter})
        answer: RawJSON = await self._execute(view, identity, arguments, Control(call_id="events"))
        return answer.data


class GraphStream(EventStream):
    """
    One that tells of the graph of objects. What changed says only that it has to be looked at: what its reader sees
    then is compared with what it was told.
    """

    def __init__(
        self,
        events: Events,
        request: WireRequest,
        identity: Identity,
        credentials: Credentials | None,
        everything: bool,
        filter: str,
        read: ReadGraph,
    ) -> None:
        super().__init__(events, request, identity, credentials, everything)
        self._filter = filter
        self._read = read
        self._picture = Picture()
        self._lines: Iterator[bytes] = iter(())
        self._changed = False
        self._look: Any = None  # the call that is due, or the look that is under way
        self._rest_until = 0.0

    async def load(self) -> None:
        """
        Before it begins.

        :raises InvalidParameter: the filter is none.
        """
        self._lines = self._picture.turn(by_uuid(await self._read(self.identity, self._filter, self.everything)))

    def begin(self, subscription: Subscription) -> None:
        super().begin(subscription)
        self._tell()
        self._soon()  # for what changed while it was let in

    def deliver(self, rows: Sequence[FeedRow]) -> None:
        if any(row.kind in KINDS and self._mine(row) for row in rows):
            self._soon()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._tell()

    async def check(self) -> None:
        """Nobody tells of groups that somebody left, nor of tags, nor of what is measured."""
        await super().check()
        self._soon()

    def _leave(self) -> None:
        super()._leave()
        self._lines = iter(())
        if self._look is not None and self._look.active():
            self._look.cancel()

    def _tell(self) -> None:
        """As much as its reader takes; what is left it is told before anything else."""
        while self.open and not self._paused:
            line = next(self._lines, None)
            if line is None:
                if self._changed:
                    self._soon()
                return
            self._write([line])

    def _soon(self) -> None:
        self._changed = True
        if self.open and self._look is None:
            wait = max(GATHER_S, self._rest_until - self._events.seconds())
            self._look = self._events.later(wait, self._begin_look)

    def _begin_look(self) -> None:
        looking = Deferred.fromCoroutine(self._look_again())
        looking.addErrback(lambda failure: log.failure("the graph could not be told", failure=failure))

    async def _look_again(self) -> None:
        self._changed = False
        began = self._events.seconds()
        try:
            left = next(self._lines, None)
            if left is not None:  # its reader is slow: it is told the outcome, once it has taken this
                self._lines = _before(left, self._lines)
                self._changed = True
                return
            on_behalf.set(self.identity.account_id or self.identity.login)
            text = await self._read(self.identity, self._filter, self.everything)
            if self.open:
                self._lines = self._picture.turn(by_uuid(text))
        except Unavailable:
            self._changed = True  # the database is away
        except (NotPermitted, NotAuthenticated):
            self.finish()
        finally:
            now = self._events.seconds()
            self._rest_until = now + REST * (now - began)
            self._look = None
        self._tell()


def _before(line: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield line
    yield from lines
