"""What the resources of consoles and of sessions share: a GET becomes a WebSocket, or is refused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web import http
from twisted.web.server import NOT_DONE_YET

from cm.rpc.errors import CloudError, Incident, MalformedRequest, Overloaded
from cm.rpc.http.request import Leaf, WireRequest
from cm.rpc.server import hung_up, refuse
from cm.rpc.standing import Standing

log = Logger()


class Opening(Leaf, ABC):
    """:ivar standing: those who were let in, which may be stopped."""

    standing: Standing[Any]

    @abstractmethod
    async def let_in(self, request: WireRequest) -> None:
        """:raises CloudError: why not."""

    def render(self, request: WireRequest) -> Any:
        serving = Deferred.fromCoroutine(self._serve(request))
        request.serve(serving)
        serving.addErrback(hung_up)
        return NOT_DONE_YET

    async def _serve(self, request: WireRequest) -> None:
        try:
            self._check(request)
            await self.let_in(request)
        except CloudError as error:
            refuse(request, error)
        except CancelledError:
            raise
        except Exception:  # whatever it is, whoever asked gets an answer, and the log its traceback
            log.failure("a console could not be opened")
            refuse(request, Incident("console"))

    def _check(self, request: WireRequest) -> None:
        if request.method != b"GET":
            request.setHeader(b"allow", b"GET")
            request.setResponseCode(http.NOT_ALLOWED)
            raise MalformedRequest("a console is opened by GET")
        if not request.requestHeaders.hasHeader(b"sec-websocket-key"):
            raise MalformedRequest("a WebSocket is opened here (RFC 6455)")  # before the ticket is used up
        if self.standing.stopped:
            raise Overloaded()
