"""From HTTP to an exchange and back: deadlines, clients that leave, bodies that are too large."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from contextualization.endpoint import BODY_MAX, DEADLINE_S, LIMITS, Endpoint, site_of
from contextualization.settings import EndpointSettings
from contextualization.wire import Answer, Exchange


class Slow(Endpoint):
    """Answers when the test says so."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(None, EndpointSettings(b"k" * 32), clock)  # type: ignore[arg-type]
        self.asked: list[Exchange] = []
        self.ended: list[Any] = []
        self.answered: Deferred[Answer] = Deferred()

    async def answer(self, exchange: Exchange) -> Answer:
        self.asked.append(exchange)
        try:
            answer = await self.answered
        except CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("done")
        return answer


class Connection:
    def __init__(self) -> None:
        self.clock = Clock()
        self.endpoint = Slow(self.clock)
        site = site_of(self.endpoint, self.clock)
        self.transport = StringTransport()
        self.transport.abortConnection = self.transport.loseConnection
        self.protocol = site.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def send(self, method: str, body: bytes = b"", path: str = "/guest/x") -> None:
        head = f"{method} {path} HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: {len(body)}\r\n\r\n"
        self.protocol.dataReceived(head.encode() + body)

    def leave(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))

    @property
    def received(self) -> bytes:
        return self.transport.value()


def test_answer() -> None:
    """An answer goes out with our name, its type and its length; headers come in with all their values."""
    connection = Connection()
    connection.send("GET")
    connection.endpoint.answered.callback(Answer(200, b"abc", "text/plain", {"X-B": "y"}))
    head, _, body = connection.received.partition(b"\r\n\r\n")
    assert body == b"abc" and b"HTTP/1.1 200" in head and b"Content-Length: 3" in head
    assert b"Server: wawel" in head and b"X-B: y" in head and b"Twisted" not in head
    assert connection.endpoint.asked[0].headers["x-a"] == ("1", "2")
    assert connection.endpoint.ended == ["done"]


def test_client_leaves() -> None:
    """A read ends with its client; a change goes on, only nobody waits."""
    reading, changing = Connection(), Connection()
    reading.send("GET")
    changing.send("POST", b"x")
    reading.leave()
    changing.leave()
    assert reading.endpoint.ended == ["cancelled"] and changing.endpoint.ended == []
    changing.endpoint.answered.callback(Answer(200, b""))
    assert changing.endpoint.ended == ["done"] and changing.received == b""


@pytest.mark.parametrize(("method", "ended"), [("GET", ["cancelled"]), ("POST", [])])
def test_deadline(method: str, ended: list[str]) -> None:
    """After the deadline the client gets 503; a read is given up, a change goes on."""
    connection = Connection()
    connection.send(method)
    connection.clock.advance(DEADLINE_S - 1)
    assert connection.received == b""
    connection.clock.advance(2)
    assert b"HTTP/1.1 503" in connection.received and connection.endpoint.ended == ended


def test_form_is_a_body() -> None:
    """A form is not taken apart: the signature is over its bytes."""
    connection = Connection()
    connection.send("POST", b"a=b&c=d")
    assert connection.endpoint.asked[0].body == b"a=b&c=d"


def test_body_too_large() -> None:
    """More than the limit is dropped as it comes and refused; much more ends the connection."""
    connection = Connection()
    connection.send("POST", b"x" * (BODY_MAX + 1))
    assert b"HTTP/1.1 413" in connection.received and not connection.endpoint.asked
    connection = Connection()
    most = BODY_MAX + LIMITS.drain_bytes
    connection.protocol.dataReceived(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (most + 1))
    assert connection.transport.disconnecting and not connection.endpoint.asked
