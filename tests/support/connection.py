"""A connection of HTTP that is kept, and sends whatever it is given: clients of Python's own refuse half of it."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

READ_BYTES: Final = 65_536


@dataclass(frozen=True)
class Answered:
    """:ivar headers: by names in lower case; the last of each."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Connection:
    """To a port of this machine. What was closed meanwhile is opened again."""

    def __init__(self, port: int, timeout_s: float = 60.0) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._rest = b""

    def ask(self, method: str, target: str, headers: Sequence[tuple[str, bytes]], body: bytes = b"") -> Answered:
        """:raises OSError: there was no answer."""
        head = f"{method} {target} HTTP/1.1\r\n".encode("latin-1")
        head += b"".join(name.encode("latin-1") + b": " + value + b"\r\n" for name, value in headers)
        request = head + b"content-length: %d\r\n\r\n" % len(body) + body
        kept = self._socket is not None
        try:
            return self._ask(method, request)
        except (ConnectionError, EOFError):
            self.close()
            if not kept:
                raise
        return self._ask(method, request)

    def _ask(self, method: str, request: bytes) -> Answered:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request)
        except ConnectionError:
            pass  # who is refused before the end may be told so all the same
        status, headers = 100, {}
        while status == 100:
            first, *lines = self._until(b"\r\n\r\n").split(b"\r\n")
            status = int(first.split(b" ", 2)[1])
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        body = b""
        if method != "HEAD" and status not in (204, 304):
            body = self._body(headers)
        if headers.get(b"connection", b"").lower() == b"close":
            self.close()
        return Answered(status, headers, body)

    def _body(self, headers: Mapping[bytes, bytes]) -> bytes:
        if b"content-length" in headers:
            return self._exactly(int(headers[b"content-length"]))
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            parts = []
            while size := int(self._until(b"\r\n"), 16):
                parts.append(self._exactly(size))
                self._until(b"\r\n")
            self._until(b"\r\n")
            return b"".join(parts)
        try:
            while True:
                self._more()
        except EOFError:
            found, self._rest = self._rest, b""
            self.close()
            return found

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._more()
        found, _, self._rest = self._rest.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _more(self) -> None:
        """:raises EOFError: there is no more."""
        assert self._socket is not None
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise EOFError
        self._rest += data

    def close(self) -> None:
        made, self._socket, self._rest = self._socket, None, b""
        if made is not None:
            made.close()
