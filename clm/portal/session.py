"""
A browser's session: ``POST /ui/session`` logs in and keeps the token in a cookie that no script reads, ``DELETE`` ends
it. Where that cookie counts, and of whose pages, is told by ``cm/rpc/http/cookie.py``.

The body is what ``guest.session.login`` takes (``login``, ``password``, ``otp``) or, with a ``state``, what
``guest.oidc.finish`` takes (``state``, ``code``); the answer is what that gives, but for the token. An error has the
form of a call's, and the status that fits it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.web import http
from twisted.web.server import NOT_DONE_YET

from cm.rpc.codec import encode_json
from cm.rpc.dispatch import Dispatcher, Peer
from cm.rpc.errors import CloudError, MalformedRequest, NotAuthenticated, TooLarge
from cm.rpc.http.cookie import SessionCookie, is_json
from cm.rpc.http.request import WireRequest, one, remote
from cm.rpc.server import hung_up, refuse
from cm.runtime.log import call_id
from cm.runtime.wall import utc_now

PATH: Final = b"/ui/session"
NAME: Final = "__Host-wawel"
WHERE: Final = (b"/jsonrpc", b"/events", b"/console", PATH)
_JSON: Final = (b"content-type", b"application/json")


class Sessions:
    """What answers at ``/ui/session``."""

    def __init__(self, dispatcher: Dispatcher, cookie: SessionCookie) -> None:
        self._dispatcher = dispatcher
        self._cookie = cookie

    def render(self, request: WireRequest) -> int:
        serving = Deferred.fromCoroutine(self._serve(request))
        request.serve(serving)
        serving.addErrback(hung_up)
        return int(NOT_DONE_YET)

    async def _serve(self, request: WireRequest) -> None:
        peer = Peer(remote(request), one(request.requestHeaders, b"authorization"))
        call_id.set(peer.call_id)
        try:
            if request.method == b"POST":
                await self._log_in(request, peer)
            elif request.method == b"DELETE":
                await self._log_out(request, peer)
            else:
                request.setHeader(b"allow", b"POST, DELETE")
                request.setResponseCode(http.NOT_ALLOWED)
                raise MalformedRequest("a session is opened by POST and ended by DELETE")
        except CancelledError:
            raise
        except CloudError as error:
            refuse(request, error)
        except Exception:  # whatever it was: a page that waits for its answer gets one
            refuse(request, self._dispatcher.incident(peer, "a session"))

    async def _log_in(self, request: WireRequest, peer: Peer) -> None:
        self._check_page(request)
        if not is_json(request.requestHeaders):
            request.setResponseCode(http.UNSUPPORTED_MEDIA_TYPE)
            raise MalformedRequest("its content type is not application/json")
        if request.oversized:
            raise TooLarge("The body", request.limit)
        try:
            given = msgspec.json.decode(request.content.read(), type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            raise MalformedRequest("it is no JSON object") from None
        # Whose cookie came along does not matter: who logs in is somebody new.
        peer = Peer(peer.remote)
        await self._dispatcher.turns.take(peer.key)
        view = "guest.oidc.finish" if "state" in given else "guest.session.login"
        opened = dict(await self._dispatcher.call(view, given, peer))
        left_s = int((opened["expires"] - utc_now()).total_seconds())
        request.setHeader(b"set-cookie", self._cookie.keep(opened.pop("token"), left_s))
        request.send(http.OK, encode_json(opened), (_JSON,))

    async def _log_out(self, request: WireRequest, peer: Peer) -> None:
        self._check_page(request)
        await self._dispatcher.turns.take(peer.key)
        try:
            if not peer.is_guest:
                await self._dispatcher.call("user.session.logout", {}, peer)
        except NotAuthenticated:
            pass  # it was over
        request.setHeader(b"set-cookie", self._cookie.drop())
        request.send(http.NO_CONTENT, b"")

    def _check_page(self, request: WireRequest) -> None:
        """:raises MalformedRequest: another site's page asks; the HTTP status is set."""
        if not self._cookie.from_own_page(request):
            request.setResponseCode(http.FORBIDDEN)
            raise MalformedRequest("it does not come from a page of this portal")
