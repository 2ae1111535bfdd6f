"""A request's connection joined to another one: bytes both ways, no sooner than either side takes them, none kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from cm.rpc.http.request import WireRequest

HEAD_MAX: Final = 65_536  # bytes before the two are joined
CLOSE_S: Final = 5.0  # for what was written to go out; then the connection is cut


class Lost(Exception):
    """The other connection ended before the two were joined."""


class Other(Protocol):
    """The connection that we opened. :param greeting: what it says first."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._buffer = b""
        self._wanted: tuple[bytes | int, Deferred[bytes]] | None = None
        self._relay: Relay | None = None
        self._lost = False

    def connectionMade(self) -> None:
        self.transport.write(self._greeting)

    def head(self, until: bytes) -> Deferred[bytes]:
        """What came up to these bytes, with them; ``Lost`` where they do not come."""
        return self._want(until)

    def take(self, count: int) -> Deferred[bytes]:
        """So many bytes, at most ``HEAD_MAX``; ``Lost`` likewise."""
        return self._want(count)

    def _want(self, what: bytes | int) -> Deferred[bytes]:
        wanted: Deferred[bytes] = Deferred()
        self._wanted = (what, wanted)
        self._look()
        return wanted

    def _look(self) -> None:
        if self._wanted is None:
            return
        what, wanted = self._wanted
        if isinstance(what, int):
            end = what if len(self._buffer) >= what else -1
        else:
            end = self._buffer.find(what)
            end = end if end < 0 else end + len(what)
        if end >= 0:
            found, self._buffer = self._buffer[:end], self._buffer[end:]
            self._wanted = None
            wanted.callback(found)
        elif self._lost or len(self._buffer) > HEAD_MAX:
            self._wanted = None
            wanted.errback(Lost())

    def dataReceived(self, data: bytes) -> None:
        if self._relay is not None:
            self._relay.passed(data)
            return
        self._buffer += data
        self._look()
        if len(self._buffer) > HEAD_MAX:
            self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self._look()
        if self._relay is not None:
            self._relay.other_lost()

    def join(self, relay: Relay, producer: Any) -> None:
        self._relay = relay
        if self._lost:
            relay.other_lost()
            return
        self.transport.registerProducer(producer, True)
        self.transport.resumeProducing()
        data, self._buffer = self._buffer, b""
        if data:
            relay.passed(data)

    def write(self, data: bytes) -> None:
        if not self._lost:
            self.transport.write(data)

    def hold(self, back: bool) -> None:
        if not self._lost:
            (self.transport.pauseProducing if back else self.transport.resumeProducing)()

    def close(self, *, at_once: bool = False) -> None:
        """What was written still goes out, unless ``at_once``."""
        if not self._lost and self.transport is not None:
            (self.transport.abortConnection if at_once else self.transport.loseConnection)()


class Others(Factory):
    """``Others.forProtocol(lambda: Other(...))``, without a word in the log for each."""

    noisy = False


@implementer(IPushProducer)
class Holding:
    """Holds one connection back while the other is full."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def pauseProducing(self) -> None:
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """Its end is told by ``connectionLost``."""


@implementer(IPushProducer)
class Relay:
    """
    :param reactor: an ``IReactorTime``.
    :param over: called once, when it has ended.
    :ivar heard_at: when anything last came from the other side.
    """

    def __init__(self, reactor: Any, other: Other, over: Callable[[], object]) -> None:
        self.reactor = reactor
        self.other = other
        self._over: Callable[[], object] | None = over
        self._transport: Any = None
        self.heard_at = reactor.seconds()

    def take_over(self, request: WireRequest, answer: bytes) -> None:
        """:param answer: the head of the answer, as it goes out."""
        request.registerProducer(self, True)
        request.channel.upgrade(self)
        self._transport.write(answer)
        self.other.join(self, Holding(self._transport))

    @property
    def over(self) -> bool:
        return self._over is None

    def write(self, data: bytes) -> None:
        """To who asked."""
        if self._over is not None:
            self._transport.write(data)

    def end(self) -> None:
        """Nothing goes on any more, but what was written already."""
        over, self._over = self._over, None
        if over is None:
            return
        self.other.close()
        self._transport.loseConnection()
        self.reactor.callLater(CLOSE_S, self._cut)
        over()

    def _cut(self) -> None:
        self._transport.abortConnection()
        self.other.close(at_once=True)

    def passed(self, data: bytes) -> None:
        """From the other side."""
        self.heard_at = self.reactor.seconds()
        self.write(data)

    def other_lost(self) -> None:
        self.end()

    # -------------------------------------------------------------- what the channel and the transport call

    def makeConnection(self, transport: Any) -> None:
        self._transport = transport

    def dataReceived(self, data: bytes) -> None:
        if self._over is not None:
            self.other.write(data)

    def connectionLost(self, reason: Failure) -> None:
        over, self._over = self._over, None
        self.other.close()  # what was said last still goes there
        if over is not None:
            self.reactor.callLater(CLOSE_S, self.other.close, at_once=True)
            over()

    def pauseProducing(self) -> None:
        self.other.hold(True)

    def resumeProducing(self) -> None:
        self.other.hold(False)

    def stopProducing(self) -> None:
        """Its end is told by ``connectionLost``."""
