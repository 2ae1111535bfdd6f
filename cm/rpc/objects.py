"""
Objects on the wire, at ``/objects``: for a front that speaks S3 (``clm/ec2``), by its callers' credentials.

What is asked stands in ``X-Wawel-Object``, JSON in base64; bodies are the bytes, no more and no less. What comes goes
to the disk as it comes, and who sends is held back by it; an answer is written once nothing can be lost any more.
Completing takes as long as copying: blanks come before its answer, so that nobody takes it for silence.

    POST /objects/begin       claims for an object     {"bucket_id", "key", "size_bytes", "headers"} -> {"object_id"}
    PUT /objects              its bytes                {"object_id"}
    POST /objects/begin-part  claims for a part        {"multipart_id", "number", "size_bytes"} -> {"part_id"}
    PUT /objects/part         its bytes                {"multipart_id", "part_id"} -> {"etag"}
    POST /objects/complete    the parts become one     in its body: {"multipart_id", "uuid", "parts": [[number, etag]]}
    DELETE /objects, /part    what did not come        as PUT
    GET, HEAD /objects        its bytes, or a range    {"bucket_id", "key"}

Who is refused is so before the first byte is sent.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from cm.rpc.address import network_of
from cm.rpc.caller import Call, Identity
from cm.rpc.codec import encode_error
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.downloads import Sending, asked_range
from cm.rpc.errors import CloudError, Incident, MalformedRequest, Overloaded, TooLarge
from cm.rpc.http.body import Body, BodyLost
from cm.rpc.http.request import WireRequest, one, remote
from cm.rpc.limits import Share
from cm.rpc.places import Places
from cm.rpc.server import refuse
from cm.rpc.vocabulary import Role
from cm.runtime.pool import on_behalf

log = Logger()
Asked = TypeVar("Asked")

SHARE: Final = Share(100, 24, 100, 10, 10)  # bodies and answers that flow at once
PARTS_BYTES_MAX: Final = 2**20  # of the list of parts: 10,000 of them, and something more
BEAT_S: Final = 5.0
HEADER: Final = b"x-wawel-object"


class Beginning(msgspec.Struct, forbid_unknown_fields=True):
    bucket_id: int
    key: str
    size_bytes: int
    headers: dict[str, str] = {}


class Putting(msgspec.Struct, forbid_unknown_fields=True):
    object_id: int


class BeginningPart(msgspec.Struct, forbid_unknown_fields=True):
    multipart_id: int
    number: int
    size_bytes: int


class PuttingPart(msgspec.Struct, forbid_unknown_fields=True):
    multipart_id: int
    part_id: int


class Completing(msgspec.Struct, forbid_unknown_fields=True):
    multipart_id: int
    uuid: str
    parts: list[tuple[int, str]]


class Getting(msgspec.Struct, forbid_unknown_fields=True):
    bucket_id: int
    key: str


class Taking(Protocol):
    """What comes of one body; ``operations/storing.py`` tells of its methods."""

    size_bytes: int

    @property
    def written(self) -> int: ...
    async def write(self, pieces: Sequence[bytes]) -> None: ...
    async def finish(self) -> Mapping[str, Any]: ...
    async def drop(self) -> None: ...


class Desk(Protocol):
    async def begin(
        self, call: Call, bucket_id: int, key: str, size_bytes: int, headers: Mapping[str, str]
    ) -> Mapping[str, Any]: ...
    async def put(self, call: Call, object_id: int) -> Taking: ...
    async def begin_part(
        self, call: Call, multipart_id: int, number: int, size_bytes: int
    ) -> Mapping[str, Any]: ...
    async def put_part(self, call: Call, multipart_id: int, part_id: int) -> Taking: ...
    async def complete(
        self, call: Call, multipart_id: int, multipart_uuid: str, parts: Sequence[tuple[int, str]]
    ) -> Mapping[str, Any]: ...
    async def read(self, call: Call, bucket_id: int, key: str) -> Any: ...
    async def give_up(self, call: Call, object_id: int) -> None: ...
    async def give_up_part(self, call: Call, multipart_id: int, part_id: int) -> None: ...


class Objects:
    """
    What is at ``/objects`` and below; ``WireSite`` hands requests on to it.

    :param reactor: an ``IReactorTime`` and ``IReactorFromThreads``.
    """

    def __init__(self, reactor: Any, desk: Desk, dispatcher: Dispatcher, share: Share = SHARE) -> None:
        self._reactor = reactor
        self._desk = desk
        self._dispatcher = dispatcher
        self._places = Places("objects", share)
        self._bodies: dict[Body, None] = {}
        self._sending: dict[Sending, None] = {}
        self._stopped = False

    def __len__(self) -> int:
        return len(self._places)

    def stop(self) -> None:
        """Take in and give out no more; what has not come is given up by whoever sends it."""
        self._stopped = True
        for body in list(self._bodies):
            body.lose()
        for sending in list(self._sending):
            sending.stop(Overloaded())

    def begin(self, request: WireRequest, body: Body) -> None:
        serving = Deferred.fromCoroutine(self._serve(request, body))
        serving.addErrback(lambda failure: log.failure("an object could not be answered", failure))

    async def _serve(self, request: WireRequest, body: Body) -> None:
        call_id = uuid.uuid4().hex
        request.responseHeaders.setRawHeaders(b"x-wawel-call", (call_id.encode(),))
        try:
            await self._answer(request, body, call_id)
        except CancelledError:
            raise
        except BodyLost:
            refuse(request, Overloaded())  # where it is we who wanted no more
        except CloudError as error:
            refuse(request, error)
        except Exception:  # the log has it, the caller its number
            log.failure("call {call_id}: an object broke", call_id=call_id)
            refuse(request, Incident(call_id))

    async def _answer(self, request: WireRequest, body: Body, call_id: str) -> None:
        if self._stopped:
            raise Overloaded()
        address = remote(request)
        peer = Peer(address, one(request.requestHeaders, b"authorization"))
        on_behalf.set(network_of(address))
        await self._dispatcher.turns.take(network_of(address))
        identity = await self._dispatcher.identify(peer)
        identity.require(Role.USER)
        call = Call(identity, call_id, remote=address)
        give_back = self._places.take(identity, address)
        try:
            where = (request.method, request.path.rstrip(b"/"))
            if where == (b"POST", b"/objects/begin"):
                told = _told(request, Beginning)
                found = await self._desk.begin(call, told.bucket_id, told.key, told.size_bytes, told.headers)
                _send_json(request, found)
            elif where == (b"PUT", b"/objects"):
                await self._take(request, body, await self._desk.put(call, _told(request, Putting).object_id))
            elif where == (b"POST", b"/objects/begin-part"):
                part = _told(request, BeginningPart)
                found = await self._desk.begin_part(call, part.multipart_id, part.number, part.size_bytes)
                _send_json(request, found)
            elif where == (b"PUT", b"/objects/part"):
                putting = _told(request, PuttingPart)
                taking = await self._desk.put_part(call, putting.multipart_id, putting.part_id)
                await self._take(request, body, taking)
            elif where == (b"POST", b"/objects/complete"):
                await self._complete(request, body, call)
            elif where == (b"DELETE", b"/objects"):
                await self._desk.give_up(call, _told(request, Putting).object_id)
                _send_json(request, {})
            elif where == (b"DELETE", b"/objects/part"):
                putting = _told(request, PuttingPart)
                await self._desk.give_up_part(call, putting.multipart_id, putting.part_id)
                _send_json(request, {})
            elif where[0] in (b"GET", b"HEAD") and where[1] == b"/objects":
                await self._send(request, identity, call)
            else:
                request.setResponseCode(405)
                raise MalformedRequest("objects are put, read and completed")
        finally:
            give_back()

    async def _take(self, request: WireRequest, body: Body, taking: Taking) -> None:
        """:raises BodyLost: whoever sent it has hung up; nothing of it stays."""
        self._bodies[body] = None
        try:
            request.let_in()
            while pieces := await body.take():
                if taking.written + sum(map(len, pieces)) > taking.size_bytes:
                    raise MalformedRequest("its body is longer than it says")
                await taking.write(pieces)
            answer = await taking.finish()
        except GeneratorExit:
            raise
        except BaseException:  # also cancelled: nothing of it stays; raised again
            await taking.drop()
            raise
        finally:
            self._bodies.pop(body, None)
        _send_json(request, answer)

    async def _complete(self, request: WireRequest, body: Body, call: Call) -> None:
        """What is answered after a blank is in a status of 200, whatever it is: an error stands under ``error``."""
        request.let_in()
        text = b""
        while pieces := await body.take():
            text += b"".join(pieces)
            if len(text) > PARTS_BYTES_MAX:
                raise TooLarge("The list of parts", PARTS_BYTES_MAX)
        told = _decoded(text, Completing)
        work = Deferred.fromCoroutine(self._desk.complete(call, told.multipart_id, told.uuid, told.parts))
        answer: Mapping[str, Any]
        request.setHeader(b"content-type", b"application/json")
        beating = self._beat(request, work)
        try:
            answer = {"result": await work}
        except CloudError as error:
            answer = {"error": encode_error(error)}
        except CancelledError:
            raise
        except Exception:  # as above; the answer's head is gone already
            log.failure("call {call_id}: an object broke", call_id=call.call_id)
            answer = {"error": encode_error(Incident(call.call_id))}
        finally:
            if beating[0] is not None and beating[0].active():
                beating[0].cancel()
        if request._disconnected:
            return
        request.write(_json(answer))
        request.finish()

    def _beat(self, request: WireRequest, work: Deferred[Any]) -> list[Any]:
        held: list[Any] = [None]

        def beat() -> None:
            if not work.called and not request._disconnected:
                request.write(b" ")
                held[0] = self._reactor.callLater(BEAT_S, beat)

        held[0] = self._reactor.callLater(BEAT_S, beat)
        return held

    async def _send(self, request: WireRequest, identity: Identity, call: Call) -> None:
        told = _told(request, Getting)
        on_behalf.set(identity.account_id)
        reading = await self._desk.read(call, told.bucket_id, told.key)
        length, tag = await reading.look()
        header = request.responseHeaders.setRawHeaders
        header(b"accept-ranges", (b"bytes",))
        header(b"etag", (b'"%s"' % tag.encode(),))
        header(HEADER, (base64.b64encode(_json(reading.shown)),))
        try:
            asked = asked_range(one(request.requestHeaders, b"range"), length)
        except ValueError:
            header(b"content-range", (b"bytes */%d" % length,))
            request.send(416, b"")
            return
        start, end = asked or (0, length)
        if asked is not None:
            header(b"content-range", (b"bytes %d-%d/%d" % (start, end - 1, length),))
        header(b"content-length", (b"%d" % (end - start),))
        header(b"content-type", (b"application/octet-stream",))
        request.setResponseCode(200 if asked is None else 206)
        if request.method == b"HEAD" or start == end:
            request.open_answer()
            request.finish()
            return
        request.open_answer()
        sending = Sending(self._reactor, request, reading, start, end - start)
        self._sending[sending] = None
        try:
            await sending.run()
        finally:
            self._sending.pop(sending, None)


def _told(request: WireRequest, kind: type[Asked]) -> Asked:
    """:raises MalformedRequest: its header is not there, or not what it should be."""
    given = one(request.requestHeaders, HEADER) or b""
    try:
        text = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest("its header is no base64") from None
    return _decoded(text, kind)


def _decoded(text: bytes, kind: type[Asked]) -> Asked:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f"what is asked cannot be read: {error}") from None


def _send_json(request: WireRequest, answer: Mapping[str, Any]) -> None:
    request.send(200, _json(answer), ((b"content-type", b"application/json"),))


def _json(value: Any) -> bytes:
    return json.dumps(value, default=str, ensure_ascii=False).encode()
