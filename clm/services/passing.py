"""
Uploads to clusters and downloads from them by way of the cloud, for whoever does not reach a cluster itself:
``/clusters/NAME`` before the path that the cluster gave out. That path's secret is all that counts, as at the cluster,
so nobody is asked who they are; who comes from one address has a share of what can be passed on at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.http_headers import Headers

from clm.services.connection import Clusters
from cm.rpc import downloads, uploads
from cm.rpc.address import network_of
from cm.rpc.caller import ANONYMOUS
from cm.rpc.errors import CloudError, Incident, MalformedRequest, ObjectNotFound, Overloaded
from cm.rpc.http.body import Body
from cm.rpc.http.cors import Cors
from cm.rpc.http.request import WireRequest, one, remote
from cm.rpc.limits import Share
from cm.rpc.places import Places
from cm.rpc.server import refuse
from cm.rpc.turns import Turns

log = Logger()

SHARE: Final = Share(100, 100, 16, 10)  # of one address; nobody's account is known
_PATH: Final = re.compile(rb"/clusters/([a-z0-9-]{1,63})(/(uploads|downloads)/[A-Za-z0-9_-]{20,100})\Z")
_METHODS: Final = {
    b"uploads": frozenset({b"HEAD", b"PATCH", b"DELETE", b"POST", b"OPTIONS"}),
    b"downloads": frozenset({b"GET", b"HEAD", b"OPTIONS"}),
}
_ASKED: Final = (
    b"content-type", b"tus-resumable", b"upload-offset", b"upload-checksum", b"x-http-method-override", b"range",
    b"if-range",
)  # fmt: skip
_TOLD: Final = frozenset({*uploads.TOLD, *downloads.TOLD, b"content-type", b"allow"}) - {b"location"}


class Passing:
    """
    What is below ``/clusters/``; ``WireSite`` hands requests on to it.

    :param reactor: the reactor.
    :param origins: of pages that may upload and download.
    """

    def __init__(
        self, reactor: Any, clusters: Clusters, turns: Turns, origins: Collection[str] = (), share: Share = SHARE
    ) -> None:
        self._reactor = reactor
        self._clusters = clusters
        self._turns = turns
        methods = sorted({*uploads.METHODS, *downloads.METHODS})
        self._cors = Cors(origins, methods, sorted({*uploads.ASKED_WITH, *downloads.ASKED_WITH}), sorted(_TOLD))
        self._places = Places("transfers", share)
        self._stopped = False

    def __len__(self) -> int:
        return len(self._places)

    def stop(self) -> None:
        """Begin nothing any more; what is under way ends with its connections, and is gone on with."""
        self._stopped = True

    def begin(self, request: WireRequest, body: Body) -> None:
        serving = Deferred.fromCoroutine(self._serve(request, body))
        serving.addErrback(lambda failure: log.failure("a transfer could not be answered", failure))

    async def _serve(self, request: WireRequest, body: Body) -> None:
        try:
            await self._answer(request, body)
        except CancelledError:
            raise
        except CloudError as error:
            refuse(request, error)
        except Exception:
            log.failure("a transfer broke")
            refuse(request, Incident("transfer"))

    async def _answer(self, request: WireRequest, body: Body) -> None:
        from clm.drivers.passing import Inward, Outward, ask

        address = remote(request)
        await self._turns.take(network_of(address))
        found = _PATH.match(request.path)
        if found is None:
            raise ObjectNotFound("address", "below /clusters/")
        if request.method not in _METHODS[found[3]]:
            request.setResponseCode(405)
            raise MalformedRequest("it is no method of uploads or downloads")
        if self._stopped:
            raise Overloaded()
        connection = await self._clusters.get(found[1].decode())
        connection.check()
        give_back = self._places.take(ANONYMOUS, address)
        try:
            headers = Headers()
            for name in _ASKED:
                value = one(request.requestHeaders, name)
                if value is not None:
                    headers.setRawHeaders(name, [value])
            method, is_look = request.method, request.method == b"HEAD" and found[3] == b"downloads"
            if is_look:  # of an answer to HEAD nobody is told the length here
                method = b"GET"
                headers.setRawHeaders(b"range", [b"bytes=0-0"])
            inward = Inward(request, body) if body.length != 0 else None
            answer = await ask(self._reactor, connection.facts, method, found[2], headers, inward)
            if request._disconnected:
                answer.deliverBody(Protocol())
                return
            _tell_head(request, answer, is_look)
            self._cors.tell(request)
            request.open_answer()
            if request.method == b"HEAD" or answer.code == 204:
                answer.deliverBody(Protocol())
                request.finish()
                return
            ended: Deferred[bool] = Deferred()
            answer.deliverBody(Outward(request, ended.callback))
            whole = await ended
            if request._disconnected:
                return
            request.unregisterProducer()
            if whole:
                request.finish()
            else:
                request.channel.transport.abortConnection()
        finally:
            give_back()


def _tell_head(request: WireRequest, answer: Any, is_look: bool) -> None:
    """
    :param is_look: the first byte was asked for, to learn of the whole.
    """
    code, length = answer.code, answer.length
    told = request.responseHeaders.setRawHeaders
    for name, values in answer.headers.getAllRawHeaders():
        if name.lower() in _TOLD:
            told(name.lower(), values)
    if is_look and code == 206:
        code, length = 200, int((one(answer.headers, b"content-range") or b"/0").rpartition(b"/")[2])
        request.responseHeaders.removeHeader(b"content-range")
    request.setResponseCode(code)
    if isinstance(length, int) and code != 204:  # else a reader would take what breaks off for whole
        told(b"content-length", (b"%d" % length,))
