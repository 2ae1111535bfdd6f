"""
A blocking client over JSON-RPC, for tools and tests: the standard library and msgspec.

Not safe to share between threads: it keeps one connection. For the reactor there is ``http_caller.py``.
"""

from __future__ import annotations

import http.client
import itertools
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from cm.rpc.codec import decode_error
from cm.rpc.credentials import Credentials, PasswordCredentials, TokenCredentials, authorization
from cm.rpc.errors import DeadlineExceeded
from cm.rpc.schemes import ServerUnreachable, TlsConnection, WrongScheme, speaks_tls
from cm.rpc.types import Secret
from cm.runtime.readable import wait_readable

ANSWER_MAX: Final = 256 * 1024 * 1024  # bytes
_ids = itertools.count(1)


class RpcClient:
    """
    :param url: ``https://host:port``, ``http://host:port`` or ``unix:/path``; ``/jsonrpc`` is added.
    :param ca: a PEM file of certificates to trust in place of the system's.
    :param timeout_s: of one call.
    """

    def __init__(
        self,
        url: str,
        login: str | None = None,
        password: str | None = None,
        token: str | None = None,
        ca: str | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._credentials = make_credentials(login, password, token)
        self._context = ssl.create_default_context(cafile=ca) if self.url.startswith("https:") else None
        self._connection: http.client.HTTPConnection | None = None

    def call(
        self,
        method: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        request_id: str | None = None,
        credentials: Credentials | None = None,
    ) -> Any:
        """
        Call a view.

        :raises CloudError: the error that the server told, of its own class.
        :raises ServerUnreachable: no answer; a change may have happened, so repeat it with the same request_id.
        """
        ident = next(_ids)
        body = request_body(method, params, ident)
        headers = request_headers(credentials or self._credentials, request_id)
        return read_answer(self._exchange(body, headers, retriable=request_id is not None), ident, self.url)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> RpcClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, body: bytes, headers: dict[str, str], retriable: bool) -> bytes:
        connection, self._connection = self._connection, None
        if connection is not None and _is_stale(connection):
            connection.close()
            connection = None
        kept = connection is not None
        connection = connection or self._connect()
        try:
            connection.request("POST", "/jsonrpc", body, headers)
            response = connection.getresponse()
            data = response.read(ANSWER_MAX)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            connection.close()
            # The server may have closed a kept connection just now, or broken in the middle of the call: the two look
            # the same, so only what carries a request_id is repeated.
            if kept and retriable:
                return self._exchange(body, headers, retriable)
            if not kept:
                self._check_scheme()
            raise ServerUnreachable(self.url, "the connection was closed") from None
        except TimeoutError:
            connection.close()
            raise DeadlineExceeded(self.url, self._timeout_s) from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if isinstance(error, http.client.BadStatusLine):
                self._check_scheme()
            raise ServerUnreachable(self.url, getattr(error, "strerror", None) or type(error).__name__) from None
        if response.will_close:
            connection.close()
        else:
            self._connection = connection
        return data

    def _check_scheme(self) -> None:
        """
        What was told in plain text was not understood: it may be that TLS is spoken there.

        :raises WrongScheme: it is.
        """
        parts = urlsplit(self.url)
        if parts.scheme == "http" and speaks_tls(parts.hostname or "", parts.port or 80):
            raise WrongScheme(self.url, f"it speaks TLS; its address is https://{parts.netloc}")

    def _connect(self) -> http.client.HTTPConnection:
        return connection_to(self.url, self._context, self._timeout_s)


def connection_to(url: str, context: ssl.SSLContext | None, timeout_s: float) -> http.client.HTTPConnection:
    """A connection that is made when it is first used; ``context`` of https alone."""
    if url.startswith("unix:"):
        return _UnixConnection(url.removeprefix("unix:"), timeout_s)
    parts = urlsplit(url)
    if parts.scheme == "https" and context is not None:
        return TlsConnection(parts.hostname or "", parts.port, timeout=timeout_s, context=context)
    if parts.scheme == "http":
        return _Connection(parts.hostname or "", parts.port, timeout=timeout_s)
    raise ValueError(f"{url} is neither https, http nor unix")


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        # Header and body go in two writes; Nagle's algorithm would hold the second for the acknowledgement, 40 ms.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _is_stale(connection: http.client.HTTPConnection) -> bool:
    """Whether the server closed a kept connection meanwhile: nothing is due on it, so what can be read is its end."""
    return connection.sock is None or wait_readable(0, connection.sock.fileno())


def make_credentials(login: str | None, password: str | None, token: str | None) -> Credentials | None:
    if token is not None:
        return TokenCredentials(Secret(token))
    return None if login is None else PasswordCredentials(login, Secret(password or ""))


def request_body(method: str, params: Sequence[Any] | Mapping[str, Any], ident: int) -> bytes:
    sent = dict(params) if isinstance(params, Mapping) else list(params)
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": sent, "id": ident})


def request_headers(credentials: Credentials | None, request_id: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if credentials is not None:
        headers["Authorization"] = authorization(credentials)
    if request_id is not None:
        headers["X-Request-Id"] = request_id
    return headers


def read_answer(data: bytes, ident: int, url: str) -> Any:
    """:raises CloudError: the error that the answer tells, or that it is none of ours."""
    try:
        answer = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ServerUnreachable(url, "what answers there is no Wawel")
    if isinstance(answer.get("error"), dict):
        raise decode_error(answer["error"])
    if "result" not in answer or answer.get("id") != ident:
        raise ServerUnreachable(url, "the answer is to another request")
    return answer["result"]
