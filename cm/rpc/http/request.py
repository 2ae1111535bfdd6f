"""Requests over HTTP, and their answers: bounded on the way in, ended with their client, written once and at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request

from cm.rpc.http.body import Body
from cm.rpc.http.channel import StrictSite
from cm.rpc.http.cookie import SessionCookie
from cm.rpc.limits import Limits
from cm.rpc.passage import Passage
from cm.runtime.wall import unix_seconds

SERVER: Final = b"wawel"
# Nobody guesses that an answer is a page, none that holds a secret stays in a cache, and none is shown as a page of
# which a part could run, or is put into another site's. What serves pages sets its own in place of these.
ALWAYS: Final = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cache-Control", b"no-store"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_LINES: Final = b"".join(b"%s: %s\r\n" % header for header in ALWAYS)
IDLE_S: Final = 75  # a connection without a request; more than the 60 s after which usual proxies close theirs


class Leaf(Resource):
    """A resource right below the root that answers ``WireRequest`` by itself, whatever its method."""

    isLeaf = True


class Streamed(Protocol):
    """What answers requests while their bodies still come in, whatever their method."""

    def begin(self, request: WireRequest, body: Body) -> None:
        """
        A request's head is there; its path and method are set. It may be answered (``send``) before its body has come:
        the rest is then read and dropped, within the bound for what is too large, and the connection ends.
        """


class WireRequest(Request):
    """
    A request whose body is counted while it comes in: what is beyond the limit is not kept. Where the site says so, it
    is not kept at all, but handed on (``Streamed``).

    Whoever answers it by something that waits says so to ``serve``, and answers by ``send`` or, from a ``Leaf`` with
    200, by ``answer``.
    """

    _received = 0
    limit = 0
    oversized = False
    _leave: Callable[[], None] | None = None  # of the gate for large bodies
    _serving: Deferred[Any] | None = None  # ended when the client is gone
    _timer: IDelayedCall | None = None
    _body: Body | None = None  # of one that is handed on
    _continue = False  # its sender waits to be let in
    _answered = False  # such a one, before all of it came

    def gotLength(self, length: int | None) -> None:
        site = self.channel.site
        # A request learns of its path only after its body; its channel knows it already.
        path = self.channel._path
        streamed = next((found for prefix, found in site.streamed.items() if path.startswith(prefix)), None)
        if streamed is not None:
            self._hand_on(streamed, length)
            return
        if site.cookie is not None:
            site.cookie.admit(self, self.channel._command, path)
        guest = not self.requestHeaders.hasHeader(b"authorization")
        self.limit = site.limits.guest_body_bytes if guest else site.limits.body_bytes
        if length is not None and length > self.limit + site.limits.drain_bytes:
            self.channel.transport.abortConnection()  # its sender would not come to read the refusal
            return
        # Twisted keeps bodies over 100 kB in temporary files; those of calls are bounded, so they stay in memory.
        super().gotLength(min(length or 0, 1))
        if length is None or length > site.limits.guest_body_bytes:
            self._wait_for_gate(site.large_bodies)

    def _hand_on(self, streamed: Streamed, length: int | None) -> None:
        channel = self.channel
        self.content = BytesIO()
        self.method, self.uri, self.clientproto = channel._command, channel._path, channel._version
        self.path, _, query = self.uri.partition(b"?")
        self.args = http.parse_qs(query, True)
        self._body = body = Body(channel._networkProducer, length, channel.site.reactor)
        # The channel would ask for the body at once; who is not let in need not send it.
        expects = self.requestHeaders.getRawHeaders(b"expect", [b""])[0].lower() == b"100-continue"
        self.requestHeaders.removeHeader(b"expect")

        def begin() -> None:
            if not self._disconnected:
                streamed.begin(self, body)

        self._continue = expects and self.clientproto == b"HTTP/1.1"
        channel.site.reactor.callLater(0, begin)  # the channel has to be done with the head first

    def let_in(self) -> None:
        """Have a body that is handed on come in."""
        if self._body is not None and not self._disconnected:
            if self._continue and not self._body.received and not self.startedWriting:
                self.channel._send100Continue()
            self._continue = False
            self._body.open()

    def _wait_for_gate(self, gate: Passage) -> None:
        """
        Take in one large body of each caller at a time, of callers as they say they are: others' small requests are
        read between its pieces, and what is not taken in costs no memory.
        """
        key = one(self.requestHeaders, b"authorization") or remote(self)
        entering = gate.enter(key)
        producer = self.channel._networkProducer
        waits = not entering.called
        if waits:
            producer.pauseProducing()
            self._leave = entering.cancel

        def enter(_: None) -> None:
            self._leave = lambda: gate.leave(key)
            if waits:
                producer.resumeProducing()

        entering.addCallbacks(enter, lambda _: None)

    def _pass_gate(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self._pass_gate()
        if self._body is None:
            super().requestReceived(command, path, version)
            return
        self._body.end()
        if self._answered:
            self.finish()

    def connectionLost(self, reason: Failure) -> None:
        self._pass_gate()
        super().connectionLost(reason)
        if self._body is not None:
            self._body.lose()
        self._call_off()
        if self._serving is not None:
            self._serving.cancel()

    def serve(
        self,
        serving: Deferred[Any],
        *,
        changes: bool = False,
        within: tuple[IReactorTime, float, Callable[[], None]] | None = None,
    ) -> None:
        """
        Say what answers this request. It is ended when the client has hung up.

        :param changes: it goes on all the same, and nobody waits for it any more.
        :param within: a clock, the seconds that it may take, and what answers in its place then; it is ended likewise.
        """
        if serving.called:
            return
        if not changes:
            self._serving = serving
        if within is not None:
            clock, seconds, late = within
            self._timer = clock.callLater(seconds, self._expire, late, serving, changes)

    def _expire(self, late: Callable[[], None], serving: Deferred[Any], changes: bool) -> None:
        late()
        if not changes:
            serving.cancel()

    def _call_off(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def finish(self) -> None:
        if self._timer is not None:
            self._call_off()
        if self._body is not None and not self._body.complete and not self._disconnected:
            self._answered = True  # it is read to its end first: the connection knows no other order
            self._body.lose()
            return
        super().finish()

    def process(self) -> None:
        """As Twisted's, which goes through the tree of resources and sets headers that ``answer`` does not need."""
        site = self.channel.site
        found = site.resource.children.get(self.path[1:])
        if not isinstance(found, Leaf):
            super().process()
            return
        self.site = site
        self.prepath: list[bytes] = [self.path[1:]]
        self.postpath: list[bytes] = []
        try:
            found.render(self)
        except BaseException:
            self.processingFailed(Failure())

    def write(self, data: bytes) -> None:
        if not self.startedWriting:
            self._tell_server()
        super().write(data)

    def _tell_server(self) -> None:
        """Set the headers that every answer has."""
        set_header = self.responseHeaders.setRawHeaders
        set_header(b"server", (SERVER,))
        set_header(b"date", (http.datetimeToString(),))
        for name, value in ALWAYS:
            if not self.responseHeaders.hasHeader(name):
                set_header(name, (value,))

    def send(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer, unless it is answered already or the client has gone."""
        if self.finished or self._disconnected:
            return
        self.setResponseCode(status)
        for name, value in headers:
            self.responseHeaders.setRawHeaders(name, (value,))
        self._part_early()
        if status != http.NO_CONTENT:
            self.responseHeaders.setRawHeaders(b"content-length", (b"%d" % len(body),))
        if body and self.method != b"HEAD":
            self.write(body)
        self.finish()

    def _part_early(self) -> None:
        """An answer that comes before all of the request ends the connection."""
        if self._body is not None and not self._body.complete:
            self.responseHeaders.setRawHeaders(b"connection", (b"close",))
            self.channel.persistent = False

    def open_answer(self) -> None:
        """Write an answer's head, which is set; its body follows by ``write``, its end by ``finish``."""
        self._part_early()
        self.write(b"")

    def answer(self, lines: bytes, body: bytes) -> None:
        """
        Answer by 200: what ``setHeader``, ``write`` and ``finish`` do in a fifth of the time.

        :param lines: of the header, each with its end, of characters that may stand there.
        """
        parts = [self.clientproto, b" 200 OK\r\n", _about_us(int(unix_seconds()))]
        for name, values in self.responseHeaders.getAllRawHeaders():
            parts += [b"%s: %s\r\n" % (name, value) for value in values]
        parts += [lines, b"Content-Length: %d\r\n\r\n" % len(body), body]
        self.startedWriting = 1
        if self._disconnected:
            return
        transport = self.channel.transport
        self.channel.writeSequence(parts)
        self.finish()
        # Now, and not after all else that this round of the reactor has to do. What fails is left to the next round.
        if isinstance(transport, Connection) and not transport.disconnecting:
            transport.doWrite()

    def handleContentChunk(self, data: bytes) -> None:
        if self._body is not None:
            self._body.came(data)
            if not self._answered:
                return
        self._received += len(data)
        if self._body is not None:
            if self._received > self.channel.site.limits.drain_bytes:
                self.channel.transport.abortConnection()
            return
        if self._received <= self.limit:
            self.content.write(data)
        elif self._received <= self.limit + self.channel.site.limits.drain_bytes:
            self.oversized = True
        else:
            self.channel.transport.abortConnection()


@lru_cache(maxsize=1)
def _about_us(now: int) -> bytes:
    return b"Server: %s\r\nDate: %s\r\n%s" % (SERVER, http.datetimeToString(now), _LINES)


class WireSite(StrictSite):
    """
    A site over a root resource.

    :param streamed: what answers at paths which begin so, and takes bodies while they come in; elsewhere calls' limits
        count.
    :param cookie: by which pages of its own may call.
    """

    requestFactory = WireRequest

    def __init__(
        self,
        root: Resource,
        limits: Limits,
        reactor: Any,
        streamed: Mapping[bytes, Streamed] | None = None,
        cookie: SessionCookie | None = None,
    ) -> None:
        super().__init__(root, reactor=reactor, timeout=IDLE_S, parsePOSTFormSubmission=False)
        self.cookie = cookie
        self.limits = limits
        self.connections, self.connections_per_address = limits.connections, limits.connections_per_address
        self.streamed = dict(streamed or {})
        self.large_bodies = Passage(1, limits.large_bodies)


def one(headers: Any, name: bytes) -> bytes | None:
    """The first value of a header."""
    values = headers.getRawHeaders(name)
    return values[0] if values else None


def remote(request: Request) -> str:
    """The peer's address."""
    return getattr(request.getClientAddress(), "host", "") or "local"
