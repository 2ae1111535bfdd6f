"""What a server says of itself: whether it is well, its metrics, and that there is nothing at an address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from cm.rpc.http.encoding import encoded
from cm.rpc.http.request import WireRequest

PLAIN: Final = b"text/plain; charset=utf-8"


class Root(Resource):
    """
    A root that has pages below it.

    :param nothing: what it says at any other address.
    """

    def __init__(self, nothing: bytes) -> None:
        super().__init__()
        self._nothing = _Nothing(nothing)

    def getChild(self, path: bytes, request: Request) -> Any:
        return self._nothing


class _Nothing(Resource):
    isLeaf = True

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self._text = text

    def render(self, request: WireRequest) -> int:
        request.send(404, self._text, ((b"content-type", PLAIN),))
        return int(NOT_DONE_YET)


class Health(Resource):
    """Whether the process lives. ``ready`` gives what is wrong with it, or nothing."""

    isLeaf = True

    def __init__(self, ready: Callable[[], str | None] = lambda: None) -> None:
        super().__init__()
        self._ready = ready

    def render_GET(self, request: WireRequest) -> int:
        wrong = self._ready()
        request.send(503 if wrong else 200, f"{wrong or 'ok'}\n".encode(), ((b"content-type", PLAIN),))
        return int(NOT_DONE_YET)


class Metrics(Resource):
    isLeaf = True

    def __init__(self, exposition: Callable[[], bytes]) -> None:
        super().__init__()
        self._exposition = exposition

    def render_GET(self, request: WireRequest) -> int:
        Deferred.fromCoroutine(self._serve(request, self._exposition()))
        return int(NOT_DONE_YET)

    async def _serve(self, request: WireRequest, exposition: bytes) -> None:
        # So small a text is compressed in a millisecond or two: nothing is waited for between its parts.
        body, headers = await encoded(exposition, request.requestHeaders, lambda: succeed(None))
        request.send(200, body, ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"), *headers))
