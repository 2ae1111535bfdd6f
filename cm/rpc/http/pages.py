"""What a server says of itself: whether it is well, its metrics, and that there is nothing at an address."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from cm.rpc.http.encoding import encoded
from cm.rpc.http.request import WireRequest, one, remote
from cm.runtime.settings import SettingsError

PLAIN: Final = b"text/plain; charset=utf-8"
EXPOSITION: Final = b"text/plain; version=0.0.4; charset=utf-8"
NOT_FOR_ALL: Final = b"Metrics are read on this machine, or with the token of listen.metrics_token.\n"
TOKEN_MIN: Final = 16
_PASSED_ON: Final = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")  # what proxies add


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


class MetricsGate:
    """
    Who may read metrics: they tell which calls are made and how busy whose nodes are. Programs of this machine may, but
    not by way of a proxy on it, which would let in everybody; others show a token.

    :param token: None: there is none, and others may not.
    """

    def __init__(self, token: bytes | None = None) -> None:
        self._token = token

    def lets_in(self, request: WireRequest) -> bool:
        told = one(request.requestHeaders, b"authorization") or b""
        scheme, _, shown = told.partition(b" ")
        if self._token and scheme.lower() == b"bearer" and hmac.compare_digest(shown.strip(), self._token):
            return True
        if any(request.requestHeaders.hasHeader(name) for name in _PASSED_ON):
            return False
        return is_here(remote(request))


def is_here(peer: str) -> bool:
    """Whether an address is this machine's own; "local" is a UNIX socket's."""
    if peer == "local":
        return True
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def read_token(path: Path | None) -> bytes | None:
    """
    :raises SettingsError: it cannot be read, or is so short that it could be guessed.
    """
    if path is None:
        return None
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError([f"listen.metrics_token: {path}: {error.strerror}"]) from None
    if len(token) < TOKEN_MIN:
        raise SettingsError([f"listen.metrics_token: {path}: it has less than {TOKEN_MIN} characters"])
    return token


class Metrics(Resource):
    isLeaf = True

    def __init__(self, exposition: Callable[[], bytes], gate: MetricsGate) -> None:
        super().__init__()
        self._exposition = exposition
        self._gate = gate

    def render_GET(self, request: WireRequest) -> int:
        if not self._gate.lets_in(request):
            request.send(403, NOT_FOR_ALL, ((b"content-type", PLAIN),))
            return int(NOT_DONE_YET)
        Deferred.fromCoroutine(self._serve(request, self._exposition()))
        return int(NOT_DONE_YET)

    async def _serve(self, request: WireRequest, exposition: bytes) -> None:
        # So small a text is compressed in a millisecond or two: nothing is waited for between its parts.
        body, headers = await encoded(exposition, request.requestHeaders, lambda: succeed(None))
        request.send(200, body, ((b"content-type", EXPOSITION), *headers))
