"""
Readers of the graph of objects: what keeps up with it for them, and the stream of one, which
``/events?objects=1`` tells (``events.py``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.rpc import sse
from cm.rpc.caller import Control, Execute, Identity, RawJSON
from cm.rpc.credentials import Credentials
from cm.rpc.errors import NotAuthenticated, NotPermitted, Unavailable
from cm.rpc.events import Events, EventStream
from cm.rpc.http.request import WireRequest
from cm.rpc.picture import Picture, Told, by_uuid
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


class Clock(Protocol):
    seconds: Callable[[], float]
    later: Callable[..., Any]


class GraphLook:
    """
    What one reader was told of the graph, kept up with what they see. What changed says only that it has to be looked
    at: what there is then is compared with what was told.

    :param clock: of the reactor.
    :param read: all that the reader sees, as a JSON array.
    :param takes: whether the reader takes more just now; once they do again, ``tell`` is to be called.
    :param write: hands an event to them.
    :param refused: called when they may see nothing any more.
    """

    def __init__(
        self,
        clock: Clock,
        read: Callable[[], Awaitable[bytes]],
        takes: Callable[[], bool],
        write: Callable[[Told], object],
        refused: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._read = read
        self._takes = takes
        self._write = write
        self._refused = refused
        self._picture = Picture()
        self._events: Iterator[Told] = iter(())
        self._changed = False
        self._look: Any = None  # the call that is due, or the look that is under way
        self._rest_until = 0.0
        self._ended = False

    async def load(self, *, told: bool = True) -> None:
        """
        Before anything else.

        :param told: what there is already is told first; else they know it from elsewhere.
        :raises InvalidParameter: the filter is none.
        """
        events = self._picture.turn(by_uuid(await self._read()))
        self._events = events if told else iter(())

    def end(self) -> None:
        self._ended = True
        self._events = iter(())
        if self._look is not None and self._look.active():
            self._look.cancel()

    def tell(self) -> None:
        """As much as its reader takes; what is left they are told before anything else."""
        while not self._ended and self._takes():
            event = next(self._events, None)
            if event is None:
                if self._changed:
                    self.soon()
                return
            self._write(event)

    def soon(self) -> None:
        """Something changed, or may have."""
        self._changed = True
        if not self._ended and self._look is None:
            wait = max(GATHER_S, self._rest_until - self._clock.seconds())
            self._look = self._clock.later(wait, self._begin)

    def _begin(self) -> None:
        looking = Deferred.fromCoroutine(self._look_again())
        looking.addErrback(lambda failure: log.failure("the graph could not be told", failure=failure))

    async def _look_again(self) -> None:
        self._changed = False
        began = self._clock.seconds()
        try:
            left = next(self._events, None)
            if left is not None:  # its reader is slow: they are told the outcome, once they have taken this
                self._events = chain((left,), self._events)
                self._changed = True
                return
            text = await self._read()
            if not self._ended:
                self._events = self._picture.turn(by_uuid(text))
        except Unavailable:
            self._changed = True  # the database is away
        except (NotPermitted, NotAuthenticated):
            self._refused()
        finally:
            now = self._clock.seconds()
            self._rest_until = now + REST * (now - began)
            self._look = None
        self.tell()


class GraphStream(EventStream):
    """One that tells of the graph of objects."""

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

        async def mine() -> bytes:
            on_behalf.set(self.identity.account_id or self.identity.login)
            return await read(self.identity, filter, everything)

        self._look = GraphLook(
            events,
            mine,
            lambda: self.open and not self._paused,
            lambda told: self._write([sse.encode(name=told.name, data=told.data)]),
            self.finish,
        )

    async def load(self) -> None:
        """
        Before it begins.

        :raises InvalidParameter: the filter is none.
        """
        await self._look.load()

    def begin(self, subscription: Subscription) -> None:
        super().begin(subscription)
        self._look.tell()
        self._look.soon()  # for what changed while it was let in

    def deliver(self, rows: Sequence[FeedRow]) -> None:
        if any(row.kind in KINDS and self._mine(row) for row in rows):
            self._look.soon()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._look.tell()

    async def check(self) -> None:
        """Nobody tells of groups that somebody left, nor of tags, nor of what is measured."""
        await super().check()
        self._look.soon()

    def _leave(self) -> None:
        super()._leave()
        self._look.end()
