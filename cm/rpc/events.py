"""
The change feed on the wire: ``GET /events``, server-sent events of what happens to objects that the caller may see.

    id: <cursor>
    event: enter | change | exit | reset
    data: {"kind": "vm", "object_id": 7, "uuid": "...", "event": "change", "at": "...", "object": {...} or null}

``?cursor=`` (or the standard's Last-Event-ID, which counts more) goes on from an event that was had: none is lost or
repeated. ``reset`` says that it cannot: load what there is, and go on from the id that comes with it. ``?all=1`` is for
administrators; to a cloud manager each event then tells whom it may pass it on to. ``?kinds=vm,image`` leaves out
others. ``"personal": true`` beside an exit: the object lives on, the reader may see it no longer. Comments come when
nothing else does, with the cursor as an id where it has moved on meanwhile over what others are told.

``?objects=1&filter=type:VM`` tells of the graph of objects (``object.get_all``) instead, as far as a filter is true:

    event: enter | exit
    data: {"type": "enter", "items": {"<UUID>": {...}, ...}}        of an exit 0 in place of each object

First all that there is enters; then what has come or changed enters, and what has gone, or is not meant or not the
reader's to see any more, exits: of what happens at once the outcome, what enters before what exits. Who connects again
begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from cm.rpc import sse
from cm.rpc.address import network_of
from cm.rpc.caller import Identity
from cm.rpc.credentials import Authenticator, Credentials, parse_authorization
from cm.rpc.errors import (
    CloudError,
    Incident,
    InvalidParameter,
    MalformedRequest,
    NotAuthenticated,
    NotPermitted,
    Overloaded,
    TooManyAtOnce,
    Unavailable,
)
from cm.rpc.event_lines import encode_event, sees, sees_as_administrator
from cm.rpc.http.request import WireRequest, one, remote
from cm.rpc.limits import Limits
from cm.rpc.places import Places
from cm.rpc.server import hung_up, refuse
from cm.rpc.standing import Standing
from cm.rpc.turns import REFUSED_S, Turns
from cm.rpc.vocabulary import Role
from cm.runtime.feed import FeedReader, FeedRow, Subscription, format_cursor
from cm.runtime.pool import on_behalf

log = Logger()

BUFFER_MAX: Final = (
    256 * 1024
)  # bytes of one stream that wait for a slow reader; what comes then is read for it once it has them
STALL_S: Final = 30.0  # without taking anything; then it is cut off, and may go on from its cursor
BEAT_S: Final = 15.0  # without anything to say; usual proxies close silent connections after 60 s
CHECK_S: Final = 30.0  # between looks whether the caller may still read
KINDS_MAX: Final = 20
RECONNECT_MS: Final = 2000
_RESET: Final = b'{"kind":null,"object_id":null,"uuid":null,"event":"reset","at":null,"object":null}'


@implementer(IPushProducer)
class EventStream:
    """One subscriber's connection."""

    def __init__(
        self,
        events: Events,
        request: WireRequest,
        identity: Identity,
        credentials: Credentials | None,
        everything: bool,
    ) -> None:
        self._events = events
        self._request = request
        self.identity = identity
        self.credentials = credentials
        self.everything = everything
        self.kinds: frozenset[str] = frozenset()
        self.give_back: Callable[[], None] = lambda: None  # its place
        self.subscription: Subscription | None = None
        self._paused = False
        self._paused_at = 0.0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._sent = ""  # the cursor that was last sent
        self.open = True
        self.beat_at = 0.0
        self.check_at = 0.0

    async def load(self) -> None:
        """What has to be done before it begins; it may refuse."""

    def begin(self, subscription: Subscription) -> None:
        self.subscription = subscription
        headers = self._request.responseHeaders
        headers.setRawHeaders(b"content-type", (b"text/event-stream; charset=utf-8",))
        headers.setRawHeaders(b"x-accel-buffering", (b"no",))  # nginx would hold events back
        self._request.registerProducer(self, True)
        cursor = self._sent = subscription.cursor
        name, data = ("reset", _RESET) if subscription.reset else ("", None)
        self._write([sse.encode(id=cursor, name=name, data=data, retry_ms=RECONNECT_MS)])
        subscription.start()

    # -------------------------------------------------------------- what the feed calls

    def _mine(self, row: FeedRow) -> bool:
        return self._events.sees_all(row, self.identity) if self.everything else sees(row, self.identity)

    def deliver(self, rows: Sequence[FeedRow]) -> None:
        issuer = self.identity.issuer if self.everything else ""
        epoch = self._events.reader.epoch
        told = [row for row in rows if (not self.kinds or row.kind in self.kinds) and self._mine(row)]
        if told:
            self._sent = format_cursor(epoch, told[-1].position)
            self._write([encode_event(row, epoch, issuer) for row in told])

    def beat(self) -> None:
        """Show that the connection lives; a cursor that went on over others' events is told, so that it stays young."""
        cursor = self.subscription.cursor if self.subscription is not None else self._sent
        if self._paused:
            return
        beat = sse.beat() if cursor == self._sent else sse.beat(cursor)
        self._sent = cursor
        self._write([beat])

    def finish(self) -> None:
        """End it in order; the reader connects again, and is told then why it may not."""
        if self.open:
            self._leave()
            self._request.unregisterProducer()
            self._request.finish()

    def lost(self) -> None:
        """The connection is gone."""
        if self.open:
            self._leave()

    def _leave(self) -> None:
        self.open = False
        self._waiting.clear()
        if self.subscription is not None:
            self.subscription.close()
        self._events.left(self)

    def _write(self, lines: list[bytes]) -> None:
        if not self.open:
            return
        if not self._paused:
            self.beat_at = self._events.seconds() + BEAT_S
            self._request.write(lines[0] if len(lines) == 1 else b"".join(lines))
            return
        self._waiting += lines
        self._waiting_bytes += sum(map(len, lines))
        if self._waiting_bytes > BUFFER_MAX and self.subscription is not None:
            self.subscription.fall_back()

    def cut_off(self) -> None:
        log.info("{login} does not read its events and is cut off", login=self.identity.login)
        self.lost()
        self._request.transport.abortConnection()

    async def check(self) -> None:
        try:
            if await self._events.may_stay(self):
                return
        except (NotAuthenticated, NotPermitted):
            pass
        except Unavailable:
            return  # the database is away; the next look tells
        self.finish()

    # -------------------------------------------------------------- what the transport calls

    @property
    def stalled_since(self) -> float | None:
        return self._paused_at if self._paused else None

    def pauseProducing(self) -> None:
        self._paused = True
        self._paused_at = self._events.seconds()
        if self.subscription is not None:
            self.subscription.pause()

    def resumeProducing(self) -> None:
        self._paused = False
        lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if lines:
            self._write(lines)
        if self.subscription is not None and not self._paused:
            self.subscription.resume()

    def stopProducing(self) -> None:
        self.lost()


class Events(Resource):
    """
    :param reactor: an ``IReactorTime``.
    :param turns: those of calls, which streams that are opened share.
    :param role: who may subscribe; ``all_role``: who may see everything, of which ``sees_all`` leaves them what is
        theirs to see.
    :param graph: makes the stream of a graph of objects, where there is one, of what a stream is made of and a filter.
    """

    isLeaf = True

    def __init__(
        self,
        reactor: Any,
        reader: FeedReader,
        authenticator: Authenticator,
        role: Role = Role.USER,
        all_role: Role = Role.ADMIN,
        limits: Limits | None = None,
        turns: Turns | None = None,
        sees_all: Callable[[FeedRow, Identity], bool] = sees_as_administrator,
        graph: Callable[..., EventStream] | None = None,
    ) -> None:
        super().__init__()
        self.reader = reader
        self.seconds: Callable[[], float] = reactor.seconds
        self.later: Callable[..., Any] = reactor.callLater
        self._graph = graph
        self._authenticator = authenticator
        self._role = role
        self._all_role = all_role
        self._turns = turns or Turns(reactor)
        self._places = Places("streams of events", (limits or Limits()).share("streams"))
        self.sees_all = sees_all
        self._streams: Standing[EventStream] = Standing(reactor, CHECK_S, self._tend)

    def __len__(self) -> int:
        return len(self._streams)

    def stop(self) -> None:
        """End all streams and let nobody in."""
        self._streams.stop()
        for stream in self._streams:
            stream.finish()

    def account_changed(self, subject: str = "") -> None:
        """Notification ``account:<id>``: look at once whether its owner may still read; without an id, at all."""
        self._streams.account_changed(subject)

    def left(self, stream: EventStream) -> None:
        self._streams.discard(stream)
        stream.give_back()

    # -------------------------------------------------------------- coming in

    def render(self, request: WireRequest) -> Any:
        serving = Deferred.fromCoroutine(self._serve(request))
        request.serve(serving)
        serving.addErrback(hung_up)
        return NOT_DONE_YET

    async def _serve(self, request: WireRequest) -> None:
        stream: EventStream | None = None
        begun = False
        try:
            stream, cursor = await self._let_in(request)
            subscription = await self.reader.subscribe(cursor, stream.deliver, stream.finish)
            begun = True
        except CloudError as error:
            refuse(request, error)
            return
        except CancelledError:
            raise
        except Exception:
            log.failure("a feed could not be opened")
            refuse(request, Incident("feed"))
            return
        finally:
            if stream is not None and not begun:
                stream.give_back()
        self._streams.add(stream)
        request.notifyFinish().addBoth(lambda _: stream.lost())
        stream.begin(subscription)

    async def _let_in(self, request: WireRequest) -> tuple[EventStream, str | None]:
        if request.method != b"GET":
            request.setHeader(b"allow", b"GET")
            request.setResponseCode(http.NOT_ALLOWED)
            raise MalformedRequest("events are read by GET")
        arguments = _arguments(request)
        credentials = parse_authorization(one(request.requestHeaders, b"authorization"))
        address = remote(request)
        on_behalf.set(network_of(address))
        identity = await self._authenticator.authenticate(credentials, address)
        everything = arguments.get("all", "0") == "1"
        identity.require(self._all_role if everything else self._role)
        if self._streams.stopped:
            raise Overloaded()
        kinds = frozenset(filter(None, arguments.get("kinds", "").split(",")))
        if len(kinds) > KINDS_MAX:
            raise InvalidParameter("kinds", f"there are more than {KINDS_MAX}")
        stream = self._stream(request, identity, credentials, everything, arguments)
        stream.kinds = kinds
        key = identity.account_id or identity.login
        on_behalf.set(key)
        await self._turns.take(key)
        try:
            stream.give_back = self._places.take(identity, address)
        except TooManyAtOnce:
            self._turns.hold(key, REFUSED_S)
            raise
        try:
            await stream.load()
        except BaseException:  # also cancelled: what it took of the account's share is given back; raised again
            stream.give_back()
            raise
        return stream, arguments.get("cursor")

    def _stream(
        self,
        request: WireRequest,
        identity: Identity,
        credentials: Credentials | None,
        everything: bool,
        arguments: dict[str, str],
    ) -> EventStream:
        """
        :raises InvalidParameter: parameters that do not go together.
        """
        if arguments.get("objects", "0") != "1":
            if "filter" in arguments:
                raise InvalidParameter("filter", "it goes with objects=1")
            return EventStream(self, request, identity, credentials, everything)
        if self._graph is None:
            raise InvalidParameter("objects", "they are told by clusters")
        if "kinds" in arguments:
            raise InvalidParameter("kinds", "of objects a filter says which")
        return self._graph(self, request, identity, credentials, everything, arguments.get("filter", ""))

    # -------------------------------------------------------------- staying

    def _tend(self, stream: EventStream, now: float) -> None:
        since = stream.stalled_since
        if since is not None and now - since > STALL_S:
            stream.cut_off()
        elif stream.beat_at <= now:
            stream.beat()

    async def may_stay(self, stream: EventStream) -> bool:
        identity = stream.identity
        if identity.issuer:
            # Its token was good once; the connection it opened goes on for as long as its account and issuer do.
            return await self._authenticator.still_good(identity)
        identity = await self._authenticator.authenticate(stream.credentials, "")
        identity.require(self._all_role if stream.everything else self._role)
        stream.identity = identity
        return True


def _arguments(request: WireRequest) -> dict[str, str]:
    """
    :raises InvalidParameter: one is unknown. Credentials have no place in an address, which everybody on the way logs.
    """
    known = {b"cursor", b"all", b"kinds", b"objects", b"filter"}
    for name in request.args:
        if name not in known:
            raise InvalidParameter(name[:50].decode("ascii", "replace"), "events have no such parameter")
    arguments = {name.decode(): values[-1].decode("utf-8", "replace") for name, values in request.args.items()}
    last = one(request.requestHeaders, b"last-event-id")
    if last is not None:
        arguments["cursor"] = last.decode("ascii", "replace")
    return arguments
