"""
WebSockets (RFC 6455) of a request that was let in: bytes both ways, bounded, over wsproto.

Twisted's own resource has to answer at once, takes messages of any length, and forgets whoever else waits for the
connection's end (here those who count connections), so of it only the library below is used. Messages are a stream of
bytes: where one ends does not count, and none is kept whole; or each is a text, of a bounded length. Nothing is
compressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.handshake import H11Handshake
from wsproto.utilities import LocalProtocolError, RemoteProtocolError
from zope.interface import implementer

from cm.rpc.errors import MalformedRequest
from cm.rpc.http.request import WireRequest

REASON_MAX: Final = 123  # bytes of a close frame's reason (RFC 6455, 5.5)
CLOSE_S: Final = 5.0  # for the other side to answer a close; then the connection is cut
PROTOCOL: Final = "binary"  # the one subprotocol, for who wants one: what viewers of VNC ask for
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
INVALID: Final = 1002
NO_TEXT: Final = 1003
TOO_BIG: Final = 1009


@implementer(IPushProducer)
class WebSocket:
    """
    :param reactor: an ``IReactorTime``.
    :param received: called with what comes, never with nothing.
    :param lost: called once, when nothing will come any more.
    :param resumed: called when more may be written after ``is_paused`` was true.
    :param text_max: bytes of a message: ``received`` is then called with whole ones, which are texts. 0: as bytes come.
    """

    def __init__(
        self,
        reactor: Any,
        received: Callable[[bytes], object],
        lost: Callable[[], object],
        resumed: Callable[[], object],
        text_max: int = 0,
    ) -> None:
        self._reactor = reactor
        self._text_max = text_max
        self._message = b""  # what has come of it
        self._received = received
        self._lost = lost
        self._resumed = resumed
        self._connection: Connection | None = None
        self._transport: Any = None
        self._timer: Any = None
        self._over = False
        self.is_paused = False
        self.heard_at = reactor.seconds()  # when anything last came, an answer to a ping too

    def accept(self, request: WireRequest) -> None:
        """
        Take the connection over.

        :raises MalformedRequest: the request asks for no WebSocket.
        """
        handshake = H11Handshake(ConnectionType.SERVER)
        headers = [(name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values]
        try:
            handshake.initiate_upgrade_connection(headers, request.path)
            asked = b",".join(request.requestHeaders.getRawHeaders(b"sec-websocket-protocol", []))
            binary = PROTOCOL.encode() in (each.strip() for each in asked.split(b","))
            answer = handshake.send(AcceptConnection(subprotocol=PROTOCOL if binary else None))
        except (RemoteProtocolError, LocalProtocolError):
            raise MalformedRequest("a WebSocket is opened here (RFC 6455)") from None
        self._connection = handshake.connection
        self.heard_at = self._reactor.seconds()
        request.registerProducer(self, True)
        request.channel.upgrade(self)
        self._transport.write(answer)

    # -------------------------------------------------------------- what we do

    def write(self, data: bytes) -> None:
        self._send(BytesMessage(data))

    def tell(self, text: str) -> None:
        """A message of text, beside the bytes."""
        self._send(TextMessage(text))

    def ping(self) -> None:
        self._send(Ping())

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """End it in order, once what was written is out."""
        if not self._over:
            told = reason.encode()[:REASON_MAX].decode(errors="ignore")
            self._send(CloseConnection(code, told or None))
            self._end()

    def pause_reading(self) -> None:
        if not self._over:
            self._transport.pauseProducing()

    def resume_reading(self) -> None:
        if not self._over:
            self._transport.resumeProducing()

    def _send(self, event: Any) -> None:
        if not self._over and self._connection is not None:
            self._transport.write(self._connection.send(event))

    def _end(self) -> None:
        """Nothing more is read or written; who does not hang up is cut off."""
        if self._over:
            return
        self._over = True
        self._transport.resumeProducing()  # its end can only be read
        self._transport.loseConnection()
        self._timer = self._reactor.callLater(CLOSE_S, self._transport.abortConnection)
        self._lost()

    # -------------------------------------------------------------- what the channel and the transport call

    def makeConnection(self, transport: Any) -> None:
        self._transport = transport

    def dataReceived(self, data: bytes) -> None:
        if self._over or self._connection is None:
            return
        self.heard_at = self._reactor.seconds()
        try:
            self._connection.receive_data(data)
            for event in self._events():
                if isinstance(event, (BytesMessage, TextMessage)):
                    part = event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
                    if self._text_max:
                        self._gather(part, isinstance(event, TextMessage), event.message_finished)
                    elif part:
                        self._received(part)
                elif isinstance(event, Ping):
                    self._send(event.response())
                elif isinstance(event, CloseConnection):
                    if self._connection.state is ConnectionState.REMOTE_CLOSING:
                        self._send(event.response())
                    self._end()
                elif not isinstance(event, Pong):
                    self.close(INVALID)
        except (RemoteProtocolError, LocalProtocolError):
            self._end()

    def _gather(self, part: bytes, is_text: bool, finished: bool) -> None:
        if not is_text:
            self.close(NO_TEXT, "messages are texts here")
            return
        self._message += part
        if len(self._message) > self._text_max:
            self.close(TOO_BIG, f"a message has {self._text_max} bytes at the most")
        elif finished:
            message, self._message = self._message, b""
            self._received(message)

    def _events(self) -> Iterator[Any]:
        assert self._connection is not None
        for event in self._connection.events():
            if self._over:
                return
            yield event

    def connectionLost(self, reason: Failure) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if not self._over:
            self._over = True
            self._lost()

    def pauseProducing(self) -> None:
        self.is_paused = True

    def resumeProducing(self) -> None:
        self.is_paused = False
        if not self._over:
            self._resumed()

    def stopProducing(self) -> None:
        """Its end is told by ``connectionLost``."""
