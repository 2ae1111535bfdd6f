"""
An ``ICaller`` over JSON-RPC for the reactor, with kept connections and a deadline for each call.

txjsonrpc-ng's query does the exchange; mended here are what it drops: an error's ``data``, other credentials than a
password, a status that is not 200, and deadlines. Importing it imports the reactor, so import this from daemons alone.

``call`` is the ``ICaller``; ``exchange`` gives an answer's bytes to whoever passes them on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from OpenSSL.SSL import Error as SSLError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionClosed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from txjsonrpc_ng import jsonrpclib
from txjsonrpc_ng.web.jsonrpc import QueryFactory, StringProducer
from zope.interface import implementer

from cm.rpc.caller import ICaller
from cm.rpc.client import ANSWER_MAX, ServerUnreachable, read_answer, request_headers
from cm.rpc.credentials import Credentials
from cm.rpc.errors import DeadlineExceeded

CONNECTIONS: Final = 8  # kept to one server
KEPT_S: Final = 50  # less than the server keeps its side


class LinkFault(Exception):
    """
    No answer came.

    :ivar kind: ``late``: none in time; ``lost``: the connection ended before an answer, as a kept one does that the
        server just closed; ``unreachable``: no connection, or what answers there speaks no HTTP.
    """

    def __init__(self, kind: Literal["late", "lost", "unreachable"], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class _Query(QueryFactory):
    """One call. Its ``deferred`` gives the answer's bytes."""

    def __init__(
        self, agent: Any, url: str, method: str, params: Sequence[Any] | Mapping[str, Any], headers: dict[str, str]
    ) -> None:
        self._params = dict(params) if isinstance(params, Mapping) else list(params)
        self._headers = headers
        super().__init__(agent, url, method, None, None, jsonrpclib.VERSION_2)

    def _buildVersionedPayload(self, method: str = "", args: Any = None, kwargs: Any = None) -> bytes:
        # By name with no names would be sent as a list; and its encoder knows no times, ids or addresses.
        return msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": self._params, "id": self.id})

    async def exchange(self) -> bytes:
        response = await self.agent.request(
            b"POST",
            self.url.encode(),
            Headers({name: [value] for name, value in self._headers.items()}),
            StringProducer(self.payload),
        )
        body = _Body()
        response.deliverBody(body)
        return await body.whole


class _Body(Protocol):
    """Collects an answer's body, up to a bound."""

    def __init__(self) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self._stop())
        self._parts: list[bytes] = []
        self._length = 0

    def dataReceived(self, data: bytes) -> None:
        self._length += len(data)
        if self._length > ANSWER_MAX:
            self._stop()
        else:
            self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone) and self._length <= ANSWER_MAX:
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(reason)

    def _stop(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


@implementer(IAgentEndpointFactory)
class _OnePlace:
    """The endpoint of the one server. The agent asks at each call, and to make one spells the host's name by IDNA."""

    def __init__(self, reactor: Any, policy: Any, connect_s: float) -> None:
        self._reactor = reactor
        self._policy = policy
        self._connect_s = connect_s
        self._made: Any = None

    def endpointForURI(self, uri: Any) -> Any:
        if self._made is None:
            self._made = HostnameEndpoint(self._reactor, uri.host, uri.port, self._connect_s)
            if uri.scheme == b"https":
                self._made = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), self._made)
        return self._made


@implementer(ICaller)
class HttpCaller:
    """
    :param reactor: the reactor, whose thread ``call`` belongs to.
    :param url: ``https://host:port`` or ``http://host:port``; ``/jsonrpc`` is added.
    :param credentials: of calls that bring none of their own.
    :param context_factory: an ``IPolicyForHTTPS``, for other authorities than the system's.
    """

    def __init__(
        self,
        reactor: Any,
        url: str,
        credentials: Credentials | None = None,
        deadline_s: float = 30.0,
        context_factory: Any = None,
        agent: Any = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self._reactor = reactor
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._deadline_s = deadline_s
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = connections
        self._pool.cachedConnectionTimeout = KEPT_S
        # A kept connection may turn out to be closed; the pool would then repeat safe methods by itself, never a POST.
        self._pool.retryAutomatically = False
        # Two lines in the log for each connection would tell nobody anything.
        self._pool._factory.noisy = False
        self._agent = agent or Agent.usingEndpointFactory(
            reactor, _OnePlace(reactor, context_factory or BrowserLikePolicyForHTTPS(), deadline_s), self._pool
        )

    async def call(
        self,
        method: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        request_id: str | None = None,
        credentials: Credentials | None = None,
    ) -> Any:
        try:
            data, ident = await self.exchange(method, params, request_id=request_id, credentials=credentials)
        except LinkFault as fault:
            if fault.kind == "late":
                raise DeadlineExceeded(self._url, self._deadline_s) from None
            raise ServerUnreachable(self._url, fault.reason) from None
        return read_answer(data, ident, self._url)

    async def exchange(
        self,
        method: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        request_id: str | None = None,
        credentials: Credentials | None = None,
        deadline_s: float | None = None,
    ) -> tuple[bytes, int]:
        """
        The answer's bytes, and the id that it should carry.

        :raises LinkFault: there was none.
        """
        headers = request_headers(credentials or self._credentials, request_id)
        query = _Query(self._agent, f"{self._url}/jsonrpc", method, params, headers)
        exchange: Deferred[bytes] = Deferred.fromCoroutine(query.exchange())
        late = False

        def expire() -> None:
            nonlocal late
            late = True
            exchange.cancel()

        timer = self._reactor.callLater(self._deadline_s if deadline_s is None else deadline_s, expire)
        try:
            return await exchange, query.id
        except CancelledError:
            if late:
                raise LinkFault("late", "no answer in time") from None
            raise
        except Exception as error:
            # Whatever the network, TLS or HTTP found wrong: there are many classes, and one consequence.
            if late:
                raise LinkFault("late", "no answer in time") from None
            raise _fault(error) from None
        finally:
            if timer.active():
                timer.cancel()

    async def close(self) -> None:
        """Close the kept connections."""
        await self._pool.closeCachedConnections()


def _fault(error: Exception) -> LinkFault:
    causes: list[Any] = [error]
    if isinstance(error, (ResponseFailed, RequestTransmissionFailed)):
        causes = [getattr(reason, "value", reason) for reason in error.reasons] or [error]
    if isinstance(error, RequestNotSent) or all(isinstance(cause, ConnectionClosed) for cause in causes):
        answering = isinstance(error, ResponseFailed) and not isinstance(error, ResponseNeverReceived)
        return LinkFault("lost", "the connection was lost" if answering else "the connection was closed")
    return LinkFault("unreachable", _reason(causes[0]))


def _reason(error: Any) -> str:
    if isinstance(error, SSLError):  # OpenSSL's queue of (library, function, reason)
        told = error.args[0] if error.args else ()
        return "TLS: " + (str(told[0][-1]) if told and isinstance(told, list) else "it failed")
    return type(error).__name__
