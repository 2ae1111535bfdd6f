"""
The way of one request of S3's: its head is read and its signature held against the key's secret, then it is done, and
its body passes by. What is signed for ``s3`` comes here, from EC2's port.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.http_headers import Headers

from clm.ec2.endpoint import EC2Endpoint
from clm.ec2.errors import EC2Error
from clm.ec2.s3 import operations
from clm.ec2.s3.body import STREAMING, UNSIGNED, Chain
from clm.ec2.s3.errors import S3Error, in_s3s_words
from clm.ec2.s3.request import hosts_of, read
from clm.ec2.s3.xml import write_error
from clm.ec2.signature import Asked, claim_of
from clm.services.stored_object import ObjectBytes, drop, pass_on
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import CloudError
from cm.rpc.http.body import Body, BodyLost
from cm.rpc.http.request import WireRequest, remote
from cm.rpc.limits import Share
from cm.rpc.places import Places
from cm.runtime.log import call_id

log = Logger()
SHARE: Final = Share(100, 24, 48, 10, 10)  # requests at once
SERVICE: Final = frozenset({"s3"})
_SCOPES: Final = (b"/s3/aws4_request", b"%2fs3%2faws4_request")


def is_signed_for_s3(request: Any, uri: bytes) -> bool:
    """Of a request whose head alone is there."""
    given = request.requestHeaders.getRawHeaders(b"authorization", [b""])[0]
    return _SCOPES[0] in given or (b"X-Amz-Credential=" in uri and any(each in uri.lower() for each in _SCOPES))


class S3:
    """
    ``WireSite`` hands requests on to it (``EC2Site``).

    :param ec2: the endpoint beside it, which knows keys and regions.
    """

    def __init__(
        self, reactor: Any, ec2: EC2Endpoint, dispatcher: Dispatcher, objects: ObjectBytes, url: str = "",
        share: Share = SHARE,
    ) -> None:  # fmt: skip
        self._reactor = reactor
        self._ec2 = ec2
        self._dispatcher = dispatcher
        self._objects = objects
        self._url = url
        self._places = Places("requests of S3", share)

    def begin(self, request: WireRequest, body: Body) -> None:
        serving = Deferred.fromCoroutine(self._serve(request, body))
        serving.addErrback(lambda failure: log.failure("a request of S3 could not be answered", failure))

    async def _serve(self, request: WireRequest, body: Body) -> None:
        peer = Peer(remote(request))
        call_id.set(peer.call_id)
        answer = Answer(request, peer.call_id)
        try:
            try:
                await self._answer(request, body, peer, answer)
            except (CloudError, EC2Error) as error:
                raise in_s3s_words(error) from None
            except BodyLost:
                raise S3Error("RequestTimeout", "The body did not come.") from None
        except S3Error as error:
            answer.refuse(error)
        except CancelledError:
            raise
        except Exception:  # of the handler, whatever it was: logged, and a client of S3's is answered in its words
            self._dispatcher.incident(peer, "S3")
            answer.refuse(S3Error("InternalError", f"An internal error has occurred ({peer.call_id})."))

    async def _answer(self, request: WireRequest, body: Body, peer: Peer, answer: Answer) -> None:
        headers = [
            (name.lower(), value)
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        asked = Asked(request.method, request.uri, headers)
        presigned = asked.header(b"authorization") is None
        told = UNSIGNED if presigned else (asked.header(b"x-amz-content-sha256") or b"").decode("latin-1")
        claim, secret = await self._ec2.signed(
            peer, lambda now: claim_of(asked, now, version_2=False, services=SERVICE, payload=told)
        )
        # Its path is a bucket's, and no cluster's.
        context = await self._ec2.context(Asked(b"GET", b"/", headers), claim.region, peer, "S3")
        give_back = self._places.take(context.identity, peer.remote)
        try:
            wanted = read(asked, hosts_of(self._url, [each.name for each in context.clusters]))
            chain = None
            if told in STREAMING and not presigned:
                chain = Chain(claim.stamp, claim.scope, claim.signature, claim.signer(secret.reveal()))
            work = operations.Work(context, wanted, self._objects, body, told, chain, request.let_in, answer)
            await operations.do(work)
        finally:
            give_back()


class _Lower(Headers):
    """Names as they are given: what an object's metadata are called is read off them, capitals and all."""

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        return ((name.lower(), values) for name, values in super().getAllRawHeaders())


class Answer:
    """What is answered: once, by one of its methods."""

    def __init__(self, request: WireRequest, request_id: str) -> None:
        self._request = request
        request.responseHeaders = _Lower()
        self._id = request_id
        self.begun = False

    def _headers(self, headers: Iterable[tuple[str, str]]) -> None:
        tell = self._request.responseHeaders.setRawHeaders
        tell(b"x-amz-request-id", (self._id.encode(),))
        for name, value in headers:
            tell(name.encode("latin-1"), (value.encode("latin-1"),))

    def send(self, status: int, text: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> None:
        """:param text: XML."""
        if self.begun:
            self._request.write(text.partition(b"\n")[2])  # a declaration stands before any blank
            self._request.finish()
            return
        self._headers(headers)
        self._request.send(status, text, ((b"content-type", b"application/xml"),) if text else ())

    def beat(self) -> None:
        """Say that there will be an answer, with a status of 200; what comes later is behind blanks."""
        if self._request._disconnected:
            return
        if not self.begun:
            self.begun = True
            self._headers((("content-type", "application/xml"),))
            self._request.setResponseCode(200)
            self._request.open_answer()
        self._request.write(b" ")

    def refuse(self, error: S3Error) -> None:
        if self._request._disconnected:
            return
        resource = unquote(self._request.path.decode("latin-1"))[:1100]
        text = write_error(error, resource, self._id)
        if self.begun:  # behind blanks, as S3's own
            self._request.write(text.partition(b"\n")[2])
            self._request.finish()
            return
        self._headers(())
        self._request.send(error.status, text, ((b"content-type", b"application/xml"),))

    async def pass_on(self, found: Any, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """A cluster's answer's body, as fast as its reader takes it. :param found: its ``IResponse``."""
        request = self._request
        self._headers(headers)
        request.setResponseCode(status)
        if request._disconnected:
            drop(found)
            return
        request.open_answer()
        if request.method == b"HEAD":
            drop(found)
            request.finish()
            return
        whole = await pass_on(found, request)
        if request._disconnected:
            return
        request.unregisterProducer()
        if whole:
            request.finish()
        else:
            request.channel.transport.abortConnection()
