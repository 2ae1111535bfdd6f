"""A blocking WebSocket, for tools and tests: bytes both ways, over wsproto and the standard library."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from cm.rpc.codec import decode_error
from cm.rpc.errors import DeadlineExceeded
from cm.rpc.schemes import ServerUnreachable

READ_BYTES: Final = 65_536
REFUSAL_MAX: Final = 65_536


class Socket:
    """
    Open one.

    :param url: ``ws``, ``wss``, ``http`` or ``https``.
    :param ca: a PEM file of certificates to trust in place of the system's.
    :param path: in place of the URL's, for servers at ``unix:/path``.
    :param headers: more of the request.
    :param protocol: that is asked for.
    :raises CloudError: the refusal that the server told.
    :raises ServerUnreachable: it does not answer as it should.
    :ivar code: of the other side's close; None while it is open, or where the connection was lost without one.
    :ivar reason: what came with it.
    :ivar told: messages of text, which are none of the bytes.
    :ivar protocol: that was agreed on.
    """

    def __init__(
        self,
        url: str,
        ca: str | None = None,
        timeout_s: float = 30.0,
        path: str = "",
        headers: Mapping[str, str] | None = None,
        protocol: str = "",
    ) -> None:
        self.code: int | None = None
        self.reason = self.protocol = ""
        self.told: list[str] = []
        self.open = True
        self._shown = url.partition("?")[0]  # its query is a secret
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._received: list[bytes] = []
        self._refusal = b""
        self._accepted = False
        try:
            self._socket, host, target = _connect(url, ca, timeout_s)
            more = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
            asked = Request(
                host=host, target=path or target, extra_headers=more, subprotocols=[protocol] if protocol else []
            )
            self._socket.sendall(self._connection.send(asked))
            while not self._accepted:
                self._read()
                if not (self.open or self._accepted):
                    raise self._refusal_told()
            self._socket.settimeout(None)
        except TimeoutError:
            raise DeadlineExceeded(self._shown, timeout_s) from None
        except (OSError, RemoteProtocolError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ServerUnreachable(self._shown, reason) from None

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def pending(self) -> bool:
        """Whether ``receive`` has something though nothing comes to be read."""
        return bool(self._received) or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0)

    def receive(self, timeout_s: float | None = None) -> bytes:
        """What came, at least a byte; nothing: it is closed, or the time is over."""
        while not self._received and self.open:
            if not self.pending and timeout_s is not None and not select.select([self], [], [], timeout_s)[0]:
                return b""
            try:
                self._read()
            except (OSError, RemoteProtocolError):
                self.open = False
        data, self._received = b"".join(self._received), []
        return data

    def send(self, data: bytes) -> None:
        """What cannot be sent any more is dropped: ``receive`` tells the end."""
        if self.open:
            try:
                self._socket.sendall(self._connection.send(BytesMessage(data)))
            except (OSError, LocalProtocolError):
                self.open = False

    def close(self) -> None:
        if self.open:
            self.open = False
            try:
                self._socket.sendall(self._connection.send(CloseConnection(1000)))
            except (OSError, LocalProtocolError):
                pass
        self._socket.close()

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        data = self._socket.recv(READ_BYTES)
        self._connection.receive_data(data or None)
        for event in self._connection.events():
            self._happen(event)
        if not data:
            self.open = False

    def _happen(self, event: Any) -> None:
        if isinstance(event, AcceptConnection):
            self._accepted = True
            self.protocol = event.subprotocol or ""
        elif isinstance(event, BytesMessage):
            self._received.append(bytes(event.data))
        elif isinstance(event, TextMessage):
            self.told.append(event.data)
        elif isinstance(event, Ping):
            self._socket.sendall(self._connection.send(event.response()))
        elif isinstance(event, CloseConnection):
            if self.open and self.code is None:
                self.code, self.reason = int(event.code), event.reason or ""
            self.open = False
        elif isinstance(event, RejectConnection):
            self.open = self.open and event.has_body
        elif isinstance(event, RejectData):
            self._refusal = (self._refusal + event.data)[:REFUSAL_MAX]
            self.open = self.open and not event.body_finished

    def _refusal_told(self) -> Exception:
        self._socket.close()
        try:
            told = msgspec.json.decode(self._refusal)["error"]
            return decode_error(told)
        except (msgspec.DecodeError, KeyError, TypeError):
            return ServerUnreachable(self._shown, "it opens no WebSocket there")


def _connect(url: str, ca: str | None, timeout_s: float) -> tuple[socket.socket, str, str]:
    if url.startswith("unix:"):
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        local.settimeout(timeout_s)
        local.connect(url.removeprefix("unix:"))
        return local, "localhost", "/"
    parts = urlsplit(url)
    secure = parts.scheme in ("wss", "https")
    host = parts.hostname or ""
    made = socket.create_connection((host, parts.port or (443 if secure else 80)), timeout_s)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if secure:
        made = ssl.create_default_context(cafile=ca).wrap_socket(made, server_hostname=host)
    return made, parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
