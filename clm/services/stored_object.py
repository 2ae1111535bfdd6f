"""
Objects' bytes between whoever speaks S3 here and a cluster, which keeps them: they pass as they come, and none is kept.
What a cluster refuses it refuses before the first of them is sent.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from clm.rules.permission import require_permission
from clm.rules.scope import ScopeNeeded, allows
from clm.services.connection import Clusters, speaker
from clm.services.context import CloudIdentity
from cm.rpc.caller import Identity
from cm.rpc.codec import decode_error
from cm.rpc.errors import CloudError, InternalError, TooLarge
from cm.rpc.http.request import WireRequest

log = Logger()
ANSWER_BYTES_MAX: Final = 2**20  # of what a cluster says of an object, not of its bytes
ANSWER_S: Final = 60.0  # for what takes no bytes
FLOW_S: Final = 12 * 3600.0  # for what does: it ends long before where nothing moves
HEADER: Final = "X-Wawel-Object"
Take = Callable[[], Awaitable[list[bytes]]]
"""What comes next of a body; empty: that was all. What it raises ends it, and is raised."""


def require(identity: Identity, name: str, *, changing: bool) -> None:
    """
    What is asked of keys and people for what is no view, by a name as of one.

    :raises ScopeNeeded: PermissionNeeded: they may not.
    """
    if not isinstance(identity, CloudIdentity):
        return
    if identity.api_key_id is not None and not allows(identity.scope or (), name, changing):
        raise ScopeNeeded(name)
    require_permission(name, identity.permissions)


class ObjectBytes:
    """
    :param clusters: by name.
    """

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    async def begin(self, identity: Identity, cluster: str, what: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """
        Claim for what is to come.

        :param what: "begin", "begin-part".
        :raises CloudError: the cluster's refusal.
        """
        require(identity, "user.stored_object.put", changing=True)
        return await self._told(identity, cluster, b"POST", f"/objects/{what}", told, None)

    async def put(
        self, identity: Identity, cluster: str, path: str, told: Mapping[str, Any], take: Take
    ) -> dict[str, Any]:
        """
        Send it. What ``take`` raises is raised, and nothing of it stays.

        :param path: "/objects", "/objects/part".
        """
        require(identity, "user.stored_object.put", changing=True)
        try:
            return await self._told(identity, cluster, b"PUT", path, told, take)
        except GeneratorExit:
            raise
        except BaseException:  # also cancelled; raised again
            # What the cluster never saw the head of would be claimed until its time is over.
            try:
                await self._told(identity, cluster, b"DELETE", path, told, None)
            except CloudError as error:
                log.info("what did not come is left to expire: {error}", error=str(error))
            raise

    async def complete(
        self, identity: Identity, cluster: str, told: Mapping[str, Any], beat: Callable[[], object]
    ) -> dict[str, Any]:
        """:param beat: called every now and then, as long as it takes."""
        require(identity, "user.stored_object.put", changing=True)
        body = [json.dumps(told).encode()]

        async def take() -> list[bytes]:
            taken, body[:] = list(body), []
            return taken

        return await self._told(identity, cluster, b"POST", "/objects/complete", {}, take, beat)

    async def get(
        self, identity: Identity, cluster: str, method: bytes, told: Mapping[str, Any], range: bytes | None
    ) -> tuple[Any, dict[str, Any]]:
        """
        :param method: GET or HEAD.
        :param range: as a request's header has it.
        :return: the ``IResponse``, whose status is 200, 206 or 416, and what its cluster says of the object.
        """
        require(identity, "user.stored_object.get", changing=False)
        headers = _headers(told)
        if range is not None:
            headers.setRawHeaders("Range", [range])
        answer = await self._ask(identity, cluster, method, "/objects", headers, None)
        if answer.code in (200, 206, 416):
            shown = base64.b64decode(answer.headers.getRawHeaders(HEADER, [""])[0])
            return answer, json.loads(shown)
        text = await _read(answer)
        data: str = answer.headers.getRawHeaders("X-Wawel-Error", [""])[0]
        if method == b"HEAD" and data:  # whose answer has no body
            text = b'{"error": {"data": %s}}' % data.encode()
        raise _refusal(text, answer.code)

    async def _told(
        self, identity: Identity, cluster: str, method: bytes, path: str, told: Mapping[str, Any], take: Take | None,
        beat: Callable[[], object] = lambda: None,
    ) -> dict[str, Any]:  # fmt: skip
        answer = await self._ask(identity, cluster, method, path, _headers(told), take)
        text = await _read(answer, beat)
        if answer.code != 200:
            raise _refusal(text, answer.code)
        try:
            found: dict[str, Any] = msgspec.json.decode(text.strip() or b"{}")
        except msgspec.DecodeError:
            raise _refusal(text, answer.code) from None
        if "error" in found:
            raise decode_error(found["error"])
        return found

    async def _ask(
        self, identity: Identity, cluster: str, method: bytes, path: str, headers: Headers, take: Take | None
    ) -> Any:
        from clm.drivers.passing import Pieces

        connection = await self._clusters.get(cluster)
        connection.check()
        pieces = None if take is None else Pieces(take)
        try:
            deadline_s = ANSWER_S if pieces is None else FLOW_S
            whose = speaker(identity, connection.facts)
            return await connection.ask(whose, method, path, headers, pieces, deadline_s)
        except CloudError:
            if pieces is not None and pieces.error is not None:
                raise pieces.error from None
            raise


async def pass_on(answer: Any, request: WireRequest) -> bool:
    """
    A cluster's answer's body, as fast as its reader takes it; the head of the request's own is written.

    :return: whether it came to its end.
    """
    from clm.drivers.passing import Outward

    ended: Deferred[bool] = Deferred()
    answer.deliverBody(Outward(request, ended.callback))
    return await ended


def drop(answer: Any) -> None:
    """Nobody wants its body."""
    answer.deliverBody(Protocol())


def _headers(told: Mapping[str, Any]) -> Headers:
    return Headers({HEADER: [base64.b64encode(json.dumps(told, ensure_ascii=False).encode())]})


def _refusal(text: bytes, status: int) -> CloudError:
    try:
        found = msgspec.json.decode(text)
        return decode_error(found["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        error = InternalError()
        error.add_note(f"a cluster answered about an object with {status}")
        return error


class _Reader(Protocol):
    """An answer that is short, but may be long in coming."""

    def __init__(self, ended: Deferred[bytes], beat: Callable[[], object]) -> None:
        self._ended: Deferred[bytes] | None = ended
        self._beat = beat
        self._text = b""

    def dataReceived(self, data: bytes) -> None:
        self._text += data
        if not self._text.strip():
            self._text = b""
            self._beat()
        elif len(self._text) > ANSWER_BYTES_MAX:
            self.transport.loseConnection()
            self._end(TooLarge("The cluster's answer", ANSWER_BYTES_MAX))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(None)

    def _end(self, error: CloudError | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended.errback(error) if error is not None else ended.callback(self._text)


async def _read(answer: Any, beat: Callable[[], object] = lambda: None) -> bytes:
    ended: Deferred[bytes] = Deferred()
    answer.deliverBody(_Reader(ended, beat))
    return await ended
