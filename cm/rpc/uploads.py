"""
Uploads on the wire: the tus protocol, 1.0.0, with creation, creation-with-upload, checksum, termination, expiration.

An upload's address, ``/uploads/SECRET``, is given out by the views (``user.system_image.upload``...), or by a POST to
``/uploads`` with a caller's credentials. Who has the address may look how far it is (HEAD), go on with it (PATCH) and
give it up (DELETE), without any other credentials: so any tus client can. Bytes go to the disk as they come, and who
sends is held back by it. One request writes at a time: another is told 423, unless the one before has fallen silent, as
one does whose network broke; that one then has to give way.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Collection
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.http import datetimeToString

from cm.rpc.address import network_of
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import (
    ChecksumDiffers,
    CloudError,
    Incident,
    InvalidParameter,
    MalformedRequest,
    NoStagingRoom,
    Overloaded,
    TooLarge,
    UploadBusy,
    UploadOffset,
    UploadTooLong,
)
from cm.rpc.http.body import Body, BodyLost
from cm.rpc.http.cors import Cors
from cm.rpc.http.request import WireRequest, one, remote
from cm.rpc.limits import Share
from cm.rpc.places import Places
from cm.rpc.server import refuse
from cm.rpc.upload_desk import Desk, Found, Receiving, Row
from cm.runtime.closing import Closing
from cm.runtime.pool import on_behalf

log = Logger()

SHARE: Final = Share(100, 8, 100, 10, 10)  # bodies that are taken in at once
VERSION: Final = b"1.0.0"
EXTENSIONS: Final = b"creation,creation-with-upload,checksum,termination,expiration"
CHECKSUMS: Final = ("sha1", "sha256", "md5")
PIECES: Final = b"application/offset+octet-stream"
KINDS: Final = ("system", "storage", "iso")
SILENT_S: Final = 5.0  # after which a request gives way to the next one
SYNC_BYTES: Final = 64 * 2**20  # of a long body that count together
SYNC_S: Final = 2.0
METHODS: Final = (b"POST", b"HEAD", b"PATCH", b"DELETE", b"OPTIONS")
ASKED_WITH: Final = (
    b"authorization", b"content-type", b"tus-resumable", b"upload-length", b"upload-metadata", b"upload-offset",
    b"upload-checksum", b"x-http-method-override", b"x-request-id",
)  # fmt: skip
TOLD: Final = (
    b"location", b"tus-resumable", b"tus-version", b"tus-extension", b"tus-max-size", b"tus-checksum-algorithm",
    b"upload-offset", b"upload-length", b"upload-expires", b"retry-after", b"x-wawel-error", b"x-wawel-call",
)  # fmt: skip
_STATUS: Final[dict[type[CloudError], int]] = {
    UploadBusy: 423,
    UploadOffset: 409,
    UploadTooLong: 413,
    TooLarge: 413,
    ChecksumDiffers: 460,  # the protocol's own
    NoStagingRoom: 503,
}


class _Writing:
    """A request that writes, for those that come later."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.over: Deferred[None] = Deferred()


class Uploads:
    """
    What is at ``/uploads`` and below; ``WireSite`` hands bodies on to it.

    :param reactor: an ``IReactorTime``.
    :param max_bytes: of one upload; 0: it is not told.
    :param bytes_per_s: of one account, all its bodies together; 0: as fast as it goes.
    :param origins: of pages that may upload.
    """

    def __init__(
        self,
        reactor: Any,
        desk: Desk,
        dispatcher: Dispatcher,
        max_bytes: int = 0,
        bytes_per_s: int = 0,
        origins: Collection[str] = (),
        share: Share = SHARE,
    ) -> None:
        self._reactor = reactor
        self._desk = desk
        self._dispatcher = dispatcher
        self._max_bytes = max_bytes
        self._bytes_per_s = bytes_per_s
        self._cors = Cors(origins, METHODS, ASKED_WITH, TOLD)
        self._places = Places("uploads", share)
        self._writing: dict[int, _Writing] = {}  # by image
        self._free_at: dict[int, float] = {}  # by account: when its next bytes may come
        self._stopped = False

    def __len__(self) -> int:
        return len(self._writing)

    async def stop(self) -> None:
        """Take nothing in any more; what has come counts."""
        self._stopped = True
        for writing in list(self._writing.values()):
            writing.body.lose()
            await writing.over

    # -------------------------------------------------------------- requests

    def begin(self, request: WireRequest, body: Body) -> None:
        serving = Deferred.fromCoroutine(self._serve(request, body))
        serving.addErrback(lambda failure: log.failure("an upload could not be answered", failure))

    async def _serve(self, request: WireRequest, body: Body) -> None:
        call_id = uuid.uuid4().hex
        told = request.responseHeaders.setRawHeaders
        told(b"tus-resumable", (VERSION,))
        told(b"x-wawel-call", (call_id.encode(),))
        self._cors.tell(request)
        try:
            await self._answer(request, body, call_id)
        except CancelledError:
            raise
        except BodyLost:
            refuse(request, Overloaded())  # where it is we who wanted no more
        except CloudError as error:
            refuse(request, error, _STATUS.get(type(error)))
        except Exception:
            log.failure("call {call_id}: an upload broke", call_id=call_id)
            refuse(request, Incident(call_id))

    async def _answer(self, request: WireRequest, body: Body, call_id: str) -> None:
        method = request.method
        if method == b"POST":
            method = one(request.requestHeaders, b"x-http-method-override") or method
        if method == b"OPTIONS":
            self._tell_abilities(request)
            return
        version = one(request.requestHeaders, b"tus-resumable")
        if version != VERSION and (method != b"HEAD" or version is not None):
            request.setHeader(b"tus-version", VERSION)
            request.setResponseCode(412)
            raise MalformedRequest("it has to say Tus-Resumable: 1.0.0")
        if self._stopped:
            raise Overloaded()
        address = remote(request)
        on_behalf.set(network_of(address))
        await self._dispatcher.turns.take(network_of(address))
        if request.path.rstrip(b"/") == b"/uploads":
            if method != b"POST":
                raise _not_allowed(request, b"POST, OPTIONS")
            await self._create(request, body, address, call_id)
            return
        if method not in (b"HEAD", b"PATCH", b"DELETE"):
            raise _not_allowed(request, b"HEAD, PATCH, DELETE, OPTIONS")
        secret = request.path.removeprefix(b"/uploads/").decode("ascii", "replace")
        found = await self._desk.find(secret, address, call_id)
        on_behalf.set(found.identity.account_id)
        if method == b"PATCH":
            await self._patch(request, body, found, address)
        elif method == b"HEAD":
            await self._look(request, secret, found, address, call_id)
        else:
            await self._terminate(found)
            request.send(204, b"")

    def _tell_abilities(self, request: WireRequest) -> None:
        request.setHeader(b"tus-version", VERSION)
        request.setHeader(b"tus-extension", EXTENSIONS)
        request.setHeader(b"tus-checksum-algorithm", ",".join(CHECKSUMS).encode())
        if self._max_bytes:
            request.setHeader(b"tus-max-size", b"%d" % self._max_bytes)
        request.send(204, b"")

    async def _look(self, request: WireRequest, secret: str, found: Found, address: str, call_id: str) -> None:
        writing = self._writing.get(found.row.image_id)
        if writing is not None and writing.body.lost:
            await writing.over  # what came before the network broke is just being written
            found = await self._desk.find(secret, address, call_id)
        _tell_row(request, found.row)
        request.send(200, b"")

    async def _terminate(self, found: Found) -> None:
        writing = self._writing.get(found.row.image_id)
        if writing is not None:
            writing.body.lose()
            await writing.over
        await self._desk.terminate(found)

    # -------------------------------------------------------------- creating

    async def _create(self, request: WireRequest, body: Body, address: str, call_id: str) -> None:
        """As a call of the view that the metadata's ``kind`` names, by the caller whose credentials came with it."""
        headers = request.requestHeaders
        size = _number(headers, b"upload-length", "Upload-Length")
        told = _metadata(one(headers, b"upload-metadata"))
        kind = told.pop("kind", KINDS[0])
        if kind not in KINDS:
            raise InvalidParameter("kind", f"it is none of {', '.join(KINDS)}")
        # What browsers' clients add, and what is no parameter of a view's.
        for name in ("filetype", "request_id", "dry_run", "if_version"):
            told.pop(name, None)
        filename = told.get("filename", "")
        params = {"name": filename or "image", "description": "", **told, "size_bytes": size}
        peer = Peer(address, one(headers, b"authorization"))
        made = await self._dispatcher.call(f"user.{kind}_image.upload", params, peer)
        path = str(made["path"])
        request.setHeader(b"location", path.encode())
        request.setHeader(b"upload-expires", datetimeToString(made["expires_at"].timestamp()))
        if one(headers, b"content-type") == PIECES and body.length != 0:
            found = await self._desk.find(path.rpartition("/")[2], address, call_id)
            on_behalf.set(found.identity.account_id)
            await self._receive(request, body, found, 0, address)
        request.send(201, b"")

    # -------------------------------------------------------------- taking in

    async def _patch(self, request: WireRequest, body: Body, found: Found, address: str) -> None:
        headers = request.requestHeaders
        if one(headers, b"content-type") != PIECES:
            request.setResponseCode(415)
            raise MalformedRequest(f"its content type is not {PIECES.decode()}")
        offset = _number(headers, b"upload-offset", "Upload-Offset")
        await self._receive(request, body, found, offset, address)
        request.send(204, b"")

    async def _receive(self, request: WireRequest, body: Body, found: Found, offset: int, address: str) -> None:
        """:raises BodyLost: whoever sent it has hung up; what came counts all the same."""
        image_id, size = found.row.image_id, found.row.size_bytes
        checksum = _checksum(one(request.requestHeaders, b"upload-checksum"))
        if offset != found.row.received_bytes:
            raise UploadOffset(found.row.received_bytes, offset)
        if body.length is not None and offset + body.length > size:
            raise UploadTooLong(size)
        if not found.row.open:
            request.setHeader(b"upload-offset", b"%d" % offset)
            return  # nothing is missing, and nothing is sent
        give_back = self._places.take(found.identity, address)
        try:
            await self._make_way(image_id)
            self._writing[image_id] = writing = _Writing(body)
            try:
                receiving = await self._desk.begin(found, offset)
                async with Closing(receiving.close):
                    request.let_in()
                    await self._take(body, receiving, checksum, found.identity.account_id)
                    told = request.responseHeaders.setRawHeaders
                    told(b"upload-offset", (b"%d" % receiving.offset,))
                    told(b"upload-expires", (datetimeToString(found.row.expires_at.timestamp()),))
            finally:
                del self._writing[image_id]
                writing.over.callback(None)
        finally:
            give_back()

    async def _make_way(self, image_id: int) -> None:
        """
        :raises UploadBusy: another request writes, and has not fallen silent.
        """
        other = self._writing.get(image_id)
        if other is None:
            return
        if not other.body.lost and self._reactor.seconds() - other.body.moved_at < SILENT_S:
            raise UploadBusy()
        other.body.lose()
        await other.over
        if image_id in self._writing:
            raise UploadBusy()  # somebody else waited for it, too

    async def _take(
        self, body: Body, receiving: Receiving, checksum: tuple[str, bytes] | None, account_id: int
    ) -> None:
        if checksum is not None:
            receiving.verify(checksum[0])
        settled, settled_at = receiving.written, self._reactor.seconds()
        try:
            while pieces := await body.take():
                await self._hold_back(body, account_id, sum(map(len, pieces)))
                if receiving.written + sum(map(len, pieces)) > receiving.size_bytes:
                    raise UploadTooLong(receiving.size_bytes)
                await receiving.write(pieces)
                now = self._reactor.seconds()
                if receiving.written - settled >= SYNC_BYTES or now - settled_at >= SYNC_S:
                    settled, settled_at = receiving.written, now
                    receiving.settle_on()
            if checksum is not None and receiving.digested() != checksum[1]:
                raise ChecksumDiffers()
        except (BodyLost, NoStagingRoom):
            # What came before counts, unless nobody can say whether it is right.
            await (receiving.drop() if checksum is not None else receiving.settle())
            raise
        except (ChecksumDiffers, UploadTooLong):
            await receiving.drop()
            raise
        await receiving.settle()

    async def _hold_back(self, body: Body, account_id: int, size: int) -> None:
        if not self._bytes_per_s:
            return
        now = self._reactor.seconds()
        self._free_at = {key: at for key, at in self._free_at.items() if at > now}
        at = max(now, self._free_at.get(account_id, 0.0))
        self._free_at[account_id] = at + size / self._bytes_per_s
        while at > (now := self._reactor.seconds()) and not body.lost:
            pause: Deferred[None] = Deferred()
            self._reactor.callLater(min(at - now, 1.0), pause.callback, None)
            await pause


def _tell_row(request: WireRequest, row: Row) -> None:
    request.setHeader(b"upload-offset", b"%d" % row.received_bytes)
    request.setHeader(b"upload-length", b"%d" % row.size_bytes)
    if row.open:
        request.setHeader(b"upload-expires", datetimeToString(row.expires_at.timestamp()))


def _not_allowed(request: WireRequest, methods: bytes) -> MalformedRequest:
    request.setHeader(b"allow", methods)
    request.setResponseCode(405)
    return MalformedRequest(f"here go {methods.decode()}")


def _number(headers: Any, name: bytes, told: str) -> int:
    value = one(headers, name) or b""
    if not value.isdigit() or len(value) > 18:
        raise InvalidParameter(told, "it must be a number of bytes")
    return int(value)


def _metadata(given: bytes | None) -> dict[str, str]:
    """``Upload-Metadata``: names, each with a value in Base64, or none; commas between them."""
    found: dict[str, str] = {}
    try:
        for pair in (given or b"").split(b","):
            name, _, value = pair.strip().partition(b" ")
            if name:
                found[name.decode("ascii")] = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidParameter("Upload-Metadata", "its values are text in Base64") from None
    return found


def _checksum(given: bytes | None) -> tuple[str, bytes] | None:
    if given is None:
        return None
    name, _, value = given.partition(b" ")
    algorithm = name.decode("ascii", "replace")
    if algorithm not in CHECKSUMS:
        raise InvalidParameter("Upload-Checksum", f"it is none of {', '.join(CHECKSUMS)}")
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != hashlib.new(algorithm).digest_size:
        raise InvalidParameter("Upload-Checksum", "its digest is not one in Base64")
    return algorithm, digest
