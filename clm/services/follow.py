"""
Taking over a cluster's change feed: one connection that stays, its events written down in the order they came.

Events and the cursor that stands for them are written in one transaction, which ends when the cursor is not where it
was: so each event is there once, however often a connection ends, a process dies, or two follow at a time.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args
from urllib.parse import quote

import msgspec
from sqlalchemy.orm import Session
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from clm.rules.cluster import as_uuid
from clm.rules.events import parse_at
from clm.services.connection import service_identity
from clm.services.context import CloudPolicy, Services
from clm.services.expiry import EXPIRES, mail_expiry
from clm.services.message import take_over
from clm.store import feed as store
from cm.rpc.errors import CloudError
from cm.rpc.fields import MessageLevel
from cm.rpc.parameters import unsendable
from cm.rpc.sse import Event, Reader
from cm.rpc.types import matching
from cm.runtime.feed import parse_cursor

if TYPE_CHECKING:
    from clm.drivers.cluster import ClusterConnection

log = Logger()
SILENCE_S: Final = 40.0  # a cluster says something every 15 s
CONNECT_S: Final = 10.0
RETRY_S: Final = (0.5, 15.0)  # the first wait after a failure, and the longest
BATCH: Final = 500  # events of one transaction
FULL: Final = 2000  # events that wait; more are not read before
FULL_CHARS: Final = 16 * 1024 * 1024  # likewise


class Superseded(Exception):
    """The cursor moved without us: another process follows."""


# What a column takes: one event that it does not would be told again and again, and nothing after it.
_Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Word = Annotated[str, msgspec.Meta(pattern=matching(r"[a-z0-9_.]{1,100}", "it must be one word"))]


class _Audience(msgspec.Struct, gc=False):
    users: list[_Id] = []
    groups: list[_Id] = []
    public: bool = False


class _Event(msgspec.Struct, gc=False):
    """An event's data; the object stays the text it is."""

    event: str
    kind: _Word | None = None
    object_id: _Id | None = None
    uuid: str | None = None
    at: str | None = None
    object: msgspec.Raw = msgspec.Raw(b"null")
    personal: bool = False
    audience: _Audience = msgspec.field(default_factory=_Audience)


class _Message(msgspec.Struct, gc=False):
    level: str
    code: _Word
    params: dict[str, Any] = {}


_event = msgspec.json.Decoder(_Event)
_message = msgspec.json.Decoder(_Message)


class Follower:
    """
    One cluster's follower. ``run`` ends when it is stopped.

    :param connection: the cluster; asked for its address and a token at each connection.
    """

    def __init__(self, services: Services, connection: ClusterConnection) -> None:
        self._services = services
        self.connection = connection
        self._running: Deferred[None] | None = None
        self._stopped = False
        self._moved = False  # whether this connection brought us anywhere
        self.connected = False

    def start(self) -> None:
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._broken)

    def stop(self) -> None:
        self._stopped = True
        if self._running is not None:
            self._running.cancel()

    def _broken(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("the follower of {cluster} broke", failure, cluster=self.connection.facts.name)

    async def _run(self) -> None:
        wait, longest = RETRY_S
        last_reason = ""
        while not self._stopped:
            began = self._services.reactor.seconds()
            self._moved = False
            try:
                await self._follow()
                reason = "its feed ended"
            except CancelledError:
                return
            except Superseded:
                reason = "another process follows it"
            except (CloudError, ConnectionError) as error:
                reason = str(error) or type(error).__name__
            except Exception as error:
                reason = str(error) or type(error).__name__
                if reason != last_reason:
                    log.failure("following {cluster} failed", cluster=self.connection.facts.name)
            finally:
                self.connected = False
            if self._moved or self._services.reactor.seconds() - began > longest:
                wait, last_reason = RETRY_S[0], ""
            if reason != last_reason:
                log.info("{cluster} is followed no longer: {reason}", cluster=self.connection.facts.name, reason=reason)
                last_reason = reason
            # Spread out, so that followers of a cluster that comes back do not come all at once.
            await self._sleep(wait * random.uniform(0.8, 1.2))
            wait = min(wait * 2, longest)

    async def _sleep(self, seconds: float) -> None:
        timer: list[Any] = []
        pause: Deferred[None] = Deferred(lambda _: timer[0].cancel())
        timer.append(self._services.reactor.callLater(seconds, pause.callback, None))
        await pause

    async def _follow(self) -> None:
        """Connect, and write down what comes until the connection ends."""
        cluster_id = self.connection.facts.id
        cursor = await self._services.database.read(store.read_cursor, cluster_id)
        if cursor is None:
            raise Superseded()
        response = await self.connection.open(
            service_identity(), "/events?all=1" + (f"&cursor={quote(cursor)}" if cursor else ""), CONNECT_S,
            Headers({"Accept": ["text/event-stream"]}),
        )  # fmt: skip
        stream = _Stream(self._services.reactor)
        response.deliverBody(stream)
        try:
            if response.code != 200:
                raise ConnectionError(f"it answers with {response.code}")
            self.connected = True
            if not cursor:
                # What happened before this moment was not followed: whoever watches has to look for themselves.
                stream.kept.append(Event("", "reset"))
            while True:
                lines = await stream.take(BATCH)
                if not lines:
                    return
                cursor = await self._write(cursor, lines)
                self._moved = True
        finally:
            stream.end()

    async def _write(self, cursor: str, lines: Sequence[Event]) -> str:
        now = next((line.id for line in reversed(lines) if parse_cursor(line.id)), cursor)
        events: list[store.Event] = []
        messages: list[tuple[_Event, _Message]] = []
        for line in lines:
            try:
                self._read(line, events, messages)
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                # It would come again and again, and nothing after it.
                name = self.connection.facts.name
                log.error("{cluster} told an event that makes no sense: {error}", cluster=name, error=str(error))
        await self._services.database.transact(
            _write, self._services.policy, self.connection.facts.id, cursor, now, events, messages
        )
        return now

    def _read(self, line: Event, events: list[store.Event], messages: list[tuple[_Event, _Message]]) -> None:
        if line.name == "reset":
            facts = self.connection.facts
            events.append(store.Event("cluster", facts.id, facts.uuid, "reset", None, public=True))
            return
        if not line.data:
            return  # it moves the cursor alone
        event = _event.decode(line.data)
        if event.kind is None or event.object_id is None or event.event not in ("enter", "change", "exit"):
            return
        shown = bytes(event.object).decode()
        if event.kind == "message":
            if event.event == "enter" and shown != "null":
                message = _message.decode(shown)
                if unsendable(message.params):
                    raise ValueError("a message holds what cannot be stored")
                messages.append((event, message))
            return
        audience = event.audience
        events.append(
            store.Event(
                event.kind,
                event.object_id,
                as_uuid(event.uuid),
                event.event,
                parse_at(event.at),
                None if shown == "null" else shown,
                audience.users,
                audience.groups,
                audience.public,
                event.personal,
            )
        )


def _write(
    session: Session,
    policy: CloudPolicy,
    cluster_id: int,
    was: str,
    now: str,
    events: Sequence[store.Event],
    messages: Sequence[tuple[_Event, _Message]],
) -> None:
    """:raises Superseded: the cursor is not where it was."""
    if not store.move_cursor(session, cluster_id, was, now):
        raise Superseded()
    store.insert_events(session, cluster_id, events)
    for event, message in messages:
        level: Any = message.level if message.level in get_args(MessageLevel) else "info"
        for user_id in event.audience.users:
            assert event.object_id is not None
            told = take_over(
                session, cluster_id, event.object_id, user_id, level, message.code, message.params, parse_at(event.at)
            )
            if told is not None and message.code == EXPIRES:
                mail_expiry(session, policy, cluster_id, user_id, told, message.params)


class _Stream(Protocol):
    """Events of one connection, as they come in; ``take`` waits for them."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._reader = Reader()
        self.kept: list[Event] = []
        self._waiting: Deferred[None] | None = None
        self._failure: str = ""
        self._over = False
        self._paused = False
        self._timer = reactor.callLater(SILENCE_S, self._silent)

    # -------------------------------------------------------------- from the network

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        self._timer.reset(SILENCE_S)
        try:
            self.kept += self._reader.feed(data)
        except ValueError as error:
            self._fail(str(error))
            return
        if not self._paused and self._is_full():
            self._paused = True
            self._transport("pauseProducing")
        if self.kept:
            self._wake()

    def _is_full(self) -> bool:
        return len(self.kept) > FULL or sum(len(line.data) for line in self.kept) > FULL_CHARS

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop("")

    def _silent(self) -> None:
        self._fail(f"it said nothing for {SILENCE_S:g} s")

    def _fail(self, reason: str) -> None:
        self._stop(reason)
        self._transport("loseConnection")

    def _stop(self, reason: str) -> None:
        self._over = True
        self._failure = self._failure or reason
        if self._timer.active():
            self._timer.cancel()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def _transport(self, method: str) -> None:
        if self.transport is not None:
            getattr(self.transport, method)()

    # -------------------------------------------------------------- for the follower

    async def take(self, most: int) -> list[Event]:
        """
        What came, at least one; none at the end.

        :raises ConnectionError: it ended in another way than by the other side.
        """
        while not self.kept and not self._over:
            self._waiting = Deferred()
            await self._waiting
        if not self.kept and self._failure:
            raise ConnectionError(self._failure)
        taken, self.kept = self.kept[:most], self.kept[most:]
        if self._paused and len(self.kept) < FULL // 2 and not self._is_full() and not self._over:
            self._paused = False
            self._timer.reset(SILENCE_S)
            self._transport("resumeProducing")
        return taken

    def end(self) -> None:
        if not self._over:
            self._fail("")
