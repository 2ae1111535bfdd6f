"""
What flows to and from a cluster by way of the cloud: a request whose body is passed on while it comes in, an answer
whose body is passed on as fast as its reader takes it. Neither is kept.

Importing it imports the reactor, as ``cluster.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from clm.drivers.cluster import ClusterUnavailable, make_policy
from clm.rules.cluster import ClusterFacts
from cm.rpc.http.body import Body
from cm.rpc.http.request import WireRequest

CONNECT_S: Final = 10.0


@implementer(IBodyProducer)
class Inward:
    """A request's body on its way to a cluster."""

    def __init__(self, request: WireRequest, body: Body) -> None:
        self._request = request
        self._body = body
        self._paused: Deferred[None] | None = None
        self._stopped = False
        self.length: Any = UNKNOWN_LENGTH if body.length is None else body.length

    def startProducing(self, consumer: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(self._run(consumer))

    async def _run(self, consumer: Any) -> None:
        self._request.let_in()
        while not self._stopped and (pieces := await self._body.take()):
            for piece in pieces:
                if self._paused is not None:
                    await self._paused
                if self._stopped:
                    return
                consumer.write(piece)

    def pauseProducing(self) -> None:
        if self._paused is None:
            self._paused = Deferred()

    def resumeProducing(self) -> None:
        paused, self._paused = self._paused, None
        if paused is not None:
            paused.callback(None)

    def stopProducing(self) -> None:
        self._stopped = True
        self.resumeProducing()


@implementer(IBodyProducer)
class Pieces(Inward):
    """
    A body of which nobody knows how long it is, so that whoever takes it in knows whether it came to its end.

    :param take: what comes next; empty: that was all.
    :ivar error: what it raised.
    """

    def __init__(self, take: Callable[[], Awaitable[list[bytes]]]) -> None:
        self._take = take
        self._paused: Deferred[None] | None = None
        self._stopped = False
        self.length: Any = UNKNOWN_LENGTH
        self.error: BaseException | None = None

    async def _run(self, consumer: Any) -> None:
        try:
            while not self._stopped and (pieces := await self._take()):
                for piece in pieces:
                    if self._paused is not None:
                        await self._paused
                    if self._stopped:
                        return
                    consumer.write(piece)
        except GeneratorExit:
            raise
        except BaseException as error:  # kept for who waits for the body, whatever it was, and raised again
            self.error = error
            raise


async def ask(
    reactor: Any, facts: ClusterFacts, method: bytes, path: bytes, headers: Headers, body: Inward | None
) -> Any:
    """
    The ``IResponse`` of a cluster, once its head is there.

    :raises ClusterUnavailable: it cannot be reached, or the connection broke.
    """
    options = {"contextFactory": make_policy(facts.ca)} if facts.url.startswith("https:") else {}
    agent = Agent(reactor, connectTimeout=CONNECT_S, **options)
    try:
        return await agent.request(method, facts.url.encode() + path, headers, body)
    except CancelledError:
        raise
    except Exception as error:  # of sockets, TLS and HTTP: each says that there is no way to it
        raise ClusterUnavailable(facts.name, type(error).__name__) from None


@implementer(IPushProducer)
class Outward(Protocol):
    """
    An answer's body on its way to whoever asked, whose head is written already.

    :param over: called once, with whether it came to its end.
    """

    def __init__(self, request: WireRequest, over: Callable[[bool], object]) -> None:
        self._request = request
        self._over: Callable[[bool], object] | None = over

    def connectionMade(self) -> None:
        self._request.registerProducer(self, True)
        self._request.notifyFinish().addErrback(lambda _: self.stopProducing())

    def dataReceived(self, data: bytes) -> None:
        if self._over is not None:
            self._request.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        from twisted.web.client import ResponseDone
        from twisted.web.http import PotentialDataLoss

        self._end(bool(reason.check(ResponseDone, PotentialDataLoss)))

    def _end(self, whole: bool) -> None:
        over, self._over = self._over, None
        if over is not None:
            over(whole)

    def pauseProducing(self) -> None:
        if self.transport is not None:
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        if self.transport is not None:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The reader is gone."""
        self._end(False)
        if self.transport is not None:
            self.transport.loseConnection()
