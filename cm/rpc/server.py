"""
HTTP in front of the two dialects: ``/jsonrpc``, ``/RPC2``, ``/health``, ``/metrics``.

txjsonrpc-ng serves the client side (``http_caller.py``). Its resource does not serve here: of its ``render`` nothing
would be left, since it drops error data, leaves bodies empty for ``None``, tells exceptions by ``repr``, cancels what a
client hangs up on, and knows neither batches nor notifications; nor is it faster (a constant method took it as long as
a view with credentials, validation, deadline and metrics takes here).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from cm.rpc import jsonrpc
from cm.rpc.codec import encode_xml_fault, error_header, retry_after
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import CloudError, InvalidParameter, MalformedRequest, NotAuthenticated, TooLarge
from cm.rpc.http.encoding import UnknownEncoding, decoded, encoded, joined
from cm.rpc.http.pages import Health, Metrics, MetricsGate, Root
from cm.rpc.http.request import Leaf, WireRequest, WireSite, one, remote
from cm.rpc.http.status import status_of
from cm.rpc.jsonrpc import JSONRPC
from cm.rpc.turns import WRONG_S
from cm.rpc.types import REQUEST_ID
from cm.rpc.xmlrpc import XMLRPC
from cm.runtime.log import call_id

log = Logger()

JSON_TYPES: Final = frozenset({b"application/json", b"application/json-rpc", b"application/jsonrequest"})
XML_TYPES: Final = frozenset({b"text/xml", b"application/xml"})
# Tells whoever guessed the address where calls are taken.
NOTHING: Final = b"There is nothing here. Calls go by POST to /jsonrpc (JSON-RPC 2.0) or /RPC2 (XML-RPC).\n"
CHALLENGES: Final = (b'Basic realm="Wawel", charset="UTF-8"', b'Bearer realm="Wawel"')  # RFC 7617, RFC 6750


class Dialect(Protocol):
    async def answer(self, body: bytes, peer: Peer) -> bytes: ...


class Endpoint(Leaf):
    """One dialect at one address."""

    def __init__(
        self,
        dialect: Dialect,
        dispatcher: Dispatcher,
        accepted: frozenset[bytes],
        content_type: bytes,
        refusal: Callable[[CloudError], bytes],
    ) -> None:
        super().__init__()
        self._dialect = dialect
        self._dispatcher = dispatcher
        dispatcher.turns.cpu = time.thread_time
        self._accepted = accepted
        self._content_type = content_type
        self._lines = b"Content-Type: %s\r\nX-Wawel-Call: %%s\r\n" % content_type
        self._refusal = refusal

    def render(self, request: WireRequest) -> Any:
        peer = Peer(remote(request), one(request.requestHeaders, b"authorization"))
        # What it takes until it waits for something is read and begun here, and counts as its caller's turn.
        run = self._dispatcher.turns.run
        serving: Deferred[None] = run(lambda: peer.key, Deferred.fromCoroutine, self._serve(request, peer))
        if not serving.called:
            peer.waited = True
            request.serve(serving)  # reads end, changes go on: ``Dispatcher`` tells them apart
        serving.addErrback(_broken, request)
        return NOT_DONE_YET

    async def _serve(self, request: WireRequest, peer: Peer) -> None:
        call_id.set(peer.call_id)
        try:
            self._check(request)
            peer.request_id = _request_id(request.requestHeaders)
            body = await self._answered(_content(request), peer)
        except CloudError as error:
            peer.failed = error
            body = self._refusal(error)
        body, headers = await encoded(body, request.requestHeaders, lambda: self._dispatcher.pause(peer))
        if body and peer.failed is None:
            lines = self._lines % peer.call_id.encode()
            request.answer(lines + b"".join(b"%s: %s\r\n" % header for header in headers), body)
            return
        if peer.failed is not None:
            tell_failure(request, peer.failed)
        headers = ((b"content-type", self._content_type), (b"x-wawel-call", peer.call_id.encode()), *headers)
        request.send(http.NO_CONTENT if request.code == http.OK and not body else request.code, body, headers)

    async def _answered(self, body: bytes, peer: Peer) -> bytes:
        """
        The answer, once it is this caller's turn.

        :raises CloudError: the body is large, and its credentials are not good: it is not even read.
        """
        if not peer.is_guest:
            try:
                await self._dispatcher.identify(peer)
            except CancelledError:
                raise
            except CloudError:
                turns = self._dispatcher.turns
                await turns.take(peer.key, yielding=True)
                turns.hold(peer.key, WRONG_S)
                if len(body) > self._dispatcher.limits.guest_body_bytes:
                    raise
                return await self._dialect.answer(body, peer)
            except Exception:
                pass  # each call meets it again, and tells it as an incident
        await self._dispatcher.turns.take(peer.key, yielding=peer.waited)
        return await self._dialect.answer(body, peer)

    def _check(self, request: WireRequest) -> None:
        """:raises CloudError: this is no request of ours; the HTTP status is set."""
        if request.method != b"POST":
            request.setResponseCode(http.NOT_ALLOWED)
            request.setHeader(b"allow", b"POST")
            raise MalformedRequest("calls are made by POST")
        if request.oversized:
            request.setResponseCode(http.REQUEST_ENTITY_TOO_LARGE)
            raise TooLarge("The body", request.limit)
        kind = one(request.requestHeaders, b"content-type")
        # Forms of web pages elsewhere can post text/plain and form types with a browser's stored password; not ours.
        if kind is not None and kind.partition(b";")[0].strip().lower() not in self._accepted:
            request.setResponseCode(http.UNSUPPORTED_MEDIA_TYPE)
            raise MalformedRequest(f"its content type is not {min(self._accepted).decode()}")


def make_root(
    dispatcher: Dispatcher,
    exposition: Callable[[], bytes] | None = None,
    ready: Callable[[], str | None] = lambda: None,
    metrics_token: bytes | None = None,
) -> Resource:
    """
    The root resource, to which a daemon may add more.

    :param metrics_token: lets programs of other machines read metrics.
    """
    root = Root(NOTHING)
    root.putChild(
        b"jsonrpc",
        Endpoint(JSONRPC(dispatcher), dispatcher, JSON_TYPES, b"application/json", jsonrpc.answer_error),
    )
    root.putChild(
        b"RPC2", Endpoint(XMLRPC(dispatcher), dispatcher, XML_TYPES, b"text/xml; charset=utf-8", encode_xml_fault)
    )
    root.putChild(b"health", Health(ready))
    if exposition is not None:
        root.putChild(b"metrics", Metrics(exposition, MetricsGate(metrics_token)))
    return root


def make_site(reactor: Any, dispatcher: Dispatcher, exposition: Callable[[], bytes] | None = None) -> WireSite:
    return WireSite(make_root(dispatcher, exposition), dispatcher.limits, reactor)


def tell_failure(request: Request, error: CloudError) -> None:
    """
    What headers say of an error: its slug and fields, which have no place in an XML-RPC fault; when a repeat can help;
    how to say who one is.

    The status of calls stays 200, as both dialects' clients expect: with 401 a browser would ask its user for a
    password in a window of its own.
    """
    data = error_header(error)
    if data is not None:
        request.setHeader(b"x-wawel-error", data)
    seconds = retry_after(error)
    if seconds is not None:
        request.setHeader(b"retry-after", b"%d" % seconds)
    if isinstance(error, NotAuthenticated):
        # A page's script would have its browser ask by itself here, too; it has a form of its own.
        by_script = request.requestHeaders.hasHeader(b"sec-fetch-mode")
        request.responseHeaders.setRawHeaders(b"www-authenticate", CHALLENGES[1:] if by_script else CHALLENGES)


def refuse(request: WireRequest, error: CloudError, status: int | None = None) -> None:
    """
    Answer what is no call with an error.

    :param status: in place of the error's own; one that was set already counts more.
    """
    if request.code != http.OK:
        status = request.code
    tell_failure(request, error)
    request.send(status or status_of(error), jsonrpc.answer_error(error), ((b"content-type", b"application/json"),))


def hung_up(failure: Failure) -> None:
    """Whoever asked has hung up before they were answered: there is nobody to tell."""


def _content(request: WireRequest) -> bytes:
    """:raises CloudError: the body is compressed in a way that is not ours; the HTTP status is set."""
    try:
        return decoded(request.content.read(), joined(request.requestHeaders, b"content-encoding"), request.limit)
    except UnknownEncoding:
        request.setResponseCode(http.UNSUPPORTED_MEDIA_TYPE)
        request.setHeader(b"accept-encoding", b"gzip")
        raise MalformedRequest("its content encoding is not gzip") from None
    except TooLarge:
        request.setResponseCode(http.REQUEST_ENTITY_TOO_LARGE)
        raise


def _request_id(headers: Any) -> str | None:
    value = one(headers, b"x-request-id") or one(headers, b"idempotency-key")
    if value is None:
        return None
    text = value.decode("latin-1")
    # Room is left for the index that calls of a batch add to it.
    if len(text) > 120 or not REQUEST_ID.match(text):
        raise InvalidParameter("X-Request-Id", "it must be at most 120 printable ASCII characters without spaces")
    return text


def _broken(failure: Failure, request: WireRequest) -> None:
    if failure.check(CancelledError):
        return
    log.failure("the answer could not be written", failure)
    if not request.startedWriting:
        request.processingFailed(failure)
