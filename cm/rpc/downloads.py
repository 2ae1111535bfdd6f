"""
Files of storages on the wire: ``GET /downloads/SECRET``, with ranges, so that what broke off goes on (RFC 9110, 14).

The address is what ``user.disk.create_download`` and the like answered. Bytes come from a node as fast as their reader
takes them, and no faster; rights are looked at again meanwhile. An answer that ends early ends its connection, so
nobody takes it for whole.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection
from typing import Any, Final, Protocol
from urllib.parse import quote

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from cm.rpc.address import network_of
from cm.rpc.caller import Identity
from cm.rpc.errors import CloudError, Incident, MalformedRequest, Overloaded
from cm.rpc.http.cors import Cors
from cm.rpc.http.request import Leaf, WireRequest, one, remote
from cm.rpc.limits import Share
from cm.rpc.places import Places
from cm.rpc.server import refuse
from cm.rpc.turns import Turns
from cm.runtime.pipe import PIPE_BYTES, Broken, Pipe
from cm.runtime.pool import on_behalf

log = Logger()

SHARE: Final = Share(64, 4, 32, 8, 4)  # downloads at once; a node has no more streams of one account
CHECK_S: Final = 5.0  # between looks whether they still may
REST_S: Final = 60.0  # for its reader to take what the node has sent already
METHODS: Final = (b"GET", b"HEAD", b"OPTIONS")
ASKED_WITH: Final = (b"range", b"if-range")
TOLD: Final = (
    b"accept-ranges", b"content-disposition", b"content-length", b"content-range", b"etag", b"retry-after",
    b"x-wawel-call", b"x-wawel-error",
)  # fmt: skip
_RANGE: Final = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})\Z")


class Reading(Protocol):
    """Somebody who was let in; ``services/download.py`` tells of its methods."""

    identity: Identity
    filename: str

    async def look(self) -> tuple[int, str]: ...
    async def stream(self, offset: int, length: int, sink: Callable[[bytes], None]) -> int: ...
    async def check(self) -> None: ...
    async def ended(self, sent_bytes: int) -> None: ...


class Door(Protocol):
    async def admit(self, secret: str, remote: str, call_id: str) -> Reading: ...


def asked_range(given: bytes | None, length: int) -> tuple[int, int] | None:
    """
    The first byte and the one behind the last that are asked for; None: all, as of several ranges or none that we know.

    :raises ValueError: there is none of them.
    """
    found = _RANGE.match(given or b"")
    if found is None or found[0] == b"bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(0, length - int(last)), length
    else:
        start, end = int(first), min(length, int(last) + 1) if last else length
        if last and int(last) < start:
            return None
    if start >= end:
        raise ValueError(given)
    return start, end


@implementer(IPushProducer)
class Sending:
    """
    One answer's body, whose head is there, or will be written with its first bytes.

    :param reactor: an ``IReactorTime`` and ``IReactorFromThreads``.
    """

    def __init__(self, reactor: Any, request: WireRequest, reading: Reading, offset: int, length: int) -> None:
        self._reactor = reactor
        self._request = request
        self._reading = reading
        self._offset, self._length = offset, length
        call = reactor.callFromThread
        self._pipe = Pipe(filled=lambda: call(self._pass_on))
        self._paused = False
        self._over = False
        self._check: Any = None
        self.sent = 0

    async def run(self) -> None:
        request, reading = self._request, self._reading
        request.registerProducer(self, True)
        request.notifyFinish().addErrback(lambda _: self.stop())
        self._check = self._reactor.callLater(CHECK_S, self._look)
        try:
            await reading.stream(self._offset, self._length, self._pipe.put)
        except Broken:
            pass
        except CloudError as error:
            log.info("a download ended early: {error}", error=str(error))
        except Exception:
            log.failure("a download broke")
        finally:
            self._pipe.end()
        until = self._reactor.seconds() + REST_S
        while not self._over and len(self._pipe) and self._reactor.seconds() < until:
            self._pass_on()
            pause: Deferred[None] = Deferred()
            self._reactor.callLater(0.02, pause.callback, None)
            await pause
        self._end()
        try:
            await reading.ended(self.sent)
        except CloudError as error:
            log.warn("the end of a download is in no audit: {error}", error=str(error))

    def _pass_on(self) -> None:
        while not self._paused and not self._over:
            try:
                data = self._pipe.poll(PIPE_BYTES)
            except Broken:
                return
            if not data:
                return
            self.sent += len(data)
            self._request.write(data)

    def _end(self) -> None:
        over, self._over = self._over, True
        if self._check is not None and self._check.active():
            self._check.cancel()
        if over:
            return
        self._request.unregisterProducer()
        if self.sent == self._length:
            self._request.finish()
        else:
            self._request.channel.transport.abortConnection()

    def stop(self, error: CloudError | None = None) -> None:
        """The reader is gone, or is to be; the node's side is told, and does the rest."""
        if error is not None and not self._over:
            log.info("a download is ended: {error}", error=str(error))
            self._request.channel.transport.abortConnection()
        self._over = True
        self._pipe.fail()

    def _look(self) -> None:
        async def look() -> None:
            try:
                await self._reading.check()
            except CloudError as error:
                self.stop(error)
                return
            if not self._over:
                self._check = self._reactor.callLater(CHECK_S, self._look)

        Deferred.fromCoroutine(look()).addErrback(lambda f: log.failure("a reader's rights are not known", f))

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._pass_on()

    def stopProducing(self) -> None:
        self.stop()


class Downloads(Leaf):
    """
    The resource ``/downloads``.

    :param reactor: an ``IReactorTime`` and ``IReactorFromThreads``.
    """

    def __init__(
        self, reactor: Any, door: Door, turns: Turns, origins: Collection[str] = (), share: Share = SHARE
    ) -> None:
        super().__init__()
        self.reactor = reactor
        self._door = door
        self._turns = turns
        self._cors = Cors(origins, METHODS, ASKED_WITH, TOLD)
        self._places = Places("downloads", share)
        self._open: dict[Sending, None] = {}  # in the order in which they began
        self._stopped = False

    def __len__(self) -> int:
        return len(self._open)

    def stop(self) -> None:
        """End all, and let nobody in."""
        self._stopped = True
        for download in list(self._open):
            download.stop(Overloaded())

    def render(self, request: WireRequest) -> Any:
        serving = Deferred.fromCoroutine(self._serve(request))
        serving.addErrback(_unanswered)
        return NOT_DONE_YET

    async def _serve(self, request: WireRequest) -> None:
        call_id = uuid.uuid4().hex
        request.responseHeaders.setRawHeaders(b"x-wawel-call", (call_id.encode(),))
        self._cors.tell(request)
        try:
            await self._answer(request, call_id)
        except CloudError as error:
            self._refuse(request, error)
        except CancelledError:
            raise
        except Exception:
            log.failure("call {call_id}: a download broke", call_id=call_id)
            self._refuse(request, Incident(call_id))

    async def _answer(self, request: WireRequest, call_id: str) -> None:
        if request.method == b"OPTIONS":
            request.send(204, b"")
            return
        if request.method not in METHODS:
            request.setHeader(b"allow", b"GET, HEAD, OPTIONS")
            request.setResponseCode(405)
            raise MalformedRequest("files are read by GET")
        if self._stopped:
            raise Overloaded()
        address = remote(request)
        on_behalf.set(network_of(address))
        await self._turns.take(network_of(address))
        secret = request.path.removeprefix(b"/downloads/").decode("ascii", "replace")
        reading = await self._door.admit(secret, address, call_id)
        on_behalf.set(reading.identity.account_id)
        give_back = self._places.take(reading.identity, address)
        try:
            length, tag = await reading.look()
            found = self._begin(request, reading, length, f'"{tag}"'.encode())
            if found is not None:
                download = Sending(self.reactor, request, reading, *found)
                self._open[download] = None
                try:
                    await download.run()
                finally:
                    self._open.pop(download, None)
        finally:
            give_back()

    def _begin(self, request: WireRequest, reading: Reading, length: int, tag: bytes) -> tuple[int, int] | None:
        """Answer's head. :return: what is to be sent of the file, from where and how much; None: nothing more."""
        headers = request.requestHeaders
        told = request.responseHeaders.setRawHeaders
        told(b"accept-ranges", (b"bytes",))
        told(b"etag", (tag,))
        told(b"content-type", (b"application/octet-stream",))
        told(b"content-disposition", (disposition(reading.filename),))
        given = one(headers, b"range")
        if given is not None and one(headers, b"if-range") not in (None, tag):
            given = None
        try:
            part = asked_range(given, length) if request.method == b"GET" else None
        except ValueError:
            told(b"content-range", (b"bytes */%d" % length,))
            request.send(416, b"")
            return None
        start, end = part or (0, length)
        if part is not None:
            request.setResponseCode(206)
            told(b"content-range", (b"bytes %d-%d/%d" % (start, end - 1, length),))
        told(b"content-length", (b"%d" % (end - start),))
        if request._disconnected:
            return None
        if request.method == b"HEAD" or start == end:
            request.write(b"")
            request.finish()
            return None
        return start, end - start

    def _refuse(self, request: WireRequest, error: CloudError) -> None:
        if request.startedWriting:
            request.channel.transport.abortConnection()
            return
        for name in (b"content-length", b"content-disposition", b"etag", b"accept-ranges"):
            request.responseHeaders.removeHeader(name)
        refuse(request, error)


def disposition(filename: str) -> bytes:
    """``Content-Disposition``: to be kept under a name, which cannot be taken for anything else (RFC 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}".encode("ascii")


def _unanswered(failure: Failure) -> None:
    """Whoever asked has hung up meanwhile."""
