"""Signed HTTP to the contextualization endpoint. Every wait has a deadline; one client serves one thread."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from node_hooks.errors import EndpointRefused, EndpointUnavailable, WrongUse
from node_hooks.signature import ADDRESS_HEADER, BRIDGE_HEADER, Authorization, sign

CONNECT_TIMEOUT_S = 5.0
TIMEOUT_S = 10.0
ANSWER_LIMIT = 8 << 20
HEAD_LIMIT = 16_384
REFUSING = range(400, 500)
PASSING = (408, 425, 429)  # refusals that only say "later"


@dataclass(frozen=True)
class EndpointAddress:
    """Where the endpoint listens. ``prefix`` is the path of its URL, without a slash at the end."""

    secure: bool
    host: str
    port: int
    prefix: str
    ca_file: str | None = None


@dataclass(frozen=True)
class Credential:
    node_id: int
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def parse_endpoint(url: str, ca_file: str | None = None) -> EndpointAddress:
    """:raises WrongUse: not ``http(s)://host[:port][/path]``, or the CA file cannot be read."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WrongUse(f"The endpoint {url!r} is no URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
        raise WrongUse(f"The endpoint {url!r} is not of the form https://host[:port].")
    secure = parts.scheme == "https"
    if ca_file is not None:
        try:
            ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise WrongUse(f"The CA file {ca_file} cannot be used: {error}.") from None
    return EndpointAddress(
        secure, parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"),
        str(Path(ca_file).resolve()) if ca_file else None,
    )


class Client:
    """
    One connection, kept open between requests and opened again when the endpoint closed it.

    :param credential: ``None`` sends unsigned requests, which only enrolment takes.
    :param clock: unix seconds; the endpoint allows for a little skew.
    """

    def __init__(
        self, address: EndpointAddress, credential: Credential | None, clock: Callable[[], float] = time.time
    ) -> None:
        self.address = address
        self.credential = credential
        self.clock = clock
        self.peer = ""  # the address that the endpoint's name led to, once connected
        self._connection: http.client.HTTPConnection | None = None
        self._aborted = False
        self._context = ssl.create_default_context(cafile=address.ca_file) if address.secure else None

    def json(
        self, method: str, path: str, document: Mapping[str, object] | None = None, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        """
        :raises EndpointUnavailable: no answer, a broken one, or one that says later; may be repeated.
        :raises EndpointRefused: repeating the same cannot help.
        """
        body = b"" if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"} if body else {}
        answer = self.request(method, path, body, headers, timeout_s=timeout_s)
        try:
            content = json.loads(answer.body)
        except (ValueError, RecursionError):
            content = None
        if answer.status == 200 and isinstance(content, dict):
            return content
        if answer.status in REFUSING and answer.status not in PASSING:
            raise _refusal(answer.status, content)
        raise EndpointUnavailable(f"The endpoint answered {answer.status}.")

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *,
        bridge: str = "", address: str = "", timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """
        One request and its whole answer within ``timeout_s`` (twice that if a kept connection turns out dead).

        :param bridge: with ``address``, the guest on whose behalf this is sent.
        :raises EndpointUnavailable: no answer in time; the request may still have been taken.
        """
        path = self.address.prefix + path
        sent = dict(headers or {})
        if bridge:
            sent[BRIDGE_HEADER], sent[ADDRESS_HEADER] = bridge, address
        sent |= self._signed(method, path, body, bridge, address)
        reused = self._connection is not None
        try:
            try:
                return self._exchange(method, path, body, sent, timeout_s)
            except (ConnectionError, http.client.BadStatusLine):
                # The endpoint may close an idle connection at any time, also just as we write. What a node posts may
                # be repeated; a new connection that breaks says something else.
                self.close()
                if not reused or self._aborted:
                    raise
                return self._exchange(method, path, body, sent, timeout_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            where = f"{self.address.host}:{self.address.port}"
            reason = str(error) or type(error).__name__
            raise EndpointUnavailable(f"The endpoint {where} does not answer: {reason}.") from None
        except BaseException:
            self.close()
            raise

    def open(self, path: str, protocol: str, timeout_s: float = TIMEOUT_S) -> socket.socket:
        """
        Post for a connection that goes on as another protocol. It is the caller's from then on.

        :raises EndpointUnavailable: no answer in time, or one that says later. EndpointRefused: it will not.
        """
        path = self.address.prefix + path
        headers = {"Connection": "Upgrade", "Upgrade": protocol, **self._signed("POST", path)}
        connection = None
        try:
            connection = self._connect(min(timeout_s, CONNECT_TIMEOUT_S))
            sock: socket.socket = connection.sock
            sock.settimeout(timeout_s)
            connection.request("POST", path, body=b"", headers=headers)
            head = b""
            while not head.endswith(b"\r\n\r\n"):  # a byte at a time: what follows is no longer HTTP's
                data = sock.recv(1)
                head += data
                if not data or len(head) > HEAD_LIMIT:
                    raise http.client.HTTPException("the answer is none")
            status = int(head.split(b" ", 2)[1][:3])
            if status == 101:
                connection.sock = None
                return sock
        except (OSError, http.client.HTTPException, ValueError, IndexError) as error:
            if connection is not None:
                connection.close()
            reason = str(error) or type(error).__name__
            where = f"{self.address.host}:{self.address.port}"
            raise EndpointUnavailable(f"The endpoint {where} does not answer: {reason}.") from None
        connection.close()
        if status in REFUSING and status not in PASSING:
            raise EndpointRefused(status, "", f"it opens no connection for {path.partition('?')[0]}")
        raise EndpointUnavailable(f"The endpoint answered {status}.")

    def close(self) -> None:
        """End the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abort(self) -> None:
        """From another thread: end a request that is waiting, for good."""
        self._aborted = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _signed(self, method: str, path: str, body: bytes = b"", bridge: str = "", address: str = "") -> dict[str, str]:
        """The header that signs a request; nothing without a credential."""
        if self.credential is None:
            return {}
        now = int(self.clock())
        signature = sign(self.credential.secret, method, path, now, body, bridge, address)
        return {"Authorization": Authorization(self.credential.node_id, now, signature).header()}

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str], timeout_s: float) -> Answer:
        deadline = time.monotonic() + timeout_s
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(min(timeout_s, CONNECT_TIMEOUT_S))
        assert connection.sock is not None
        connection.sock.settimeout(timeout_s)
        connection.request(method, path, body=body if body or method in ("POST", "PUT") else None, headers=headers)
        response = connection.getresponse()
        pieces = []
        size = 0
        while piece := response.read1(65536):
            size += len(piece)
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the answer took too long")
            if size > ANSWER_LIMIT:
                raise http.client.HTTPException("the answer is too large")
            pieces.append(piece)
            if connection.sock is not None:
                connection.sock.settimeout(left_s)
        if response.length not in (0, None):
            raise http.client.HTTPException("the answer broke off")
        response.close()  # read1() leaves it open, and the connection takes no next request then
        if response.will_close:
            self.close()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, b"".join(pieces))

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        where = self.address
        connection: http.client.HTTPConnection
        if self._context is not None:
            connection = http.client.HTTPSConnection(where.host, where.port, timeout=timeout_s, context=self._context)
        else:
            connection = http.client.HTTPConnection(where.host, where.port, timeout=timeout_s)
        connection.connect()
        assert connection.sock is not None
        self.peer = connection.sock.getpeername()[0]
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _refusal(status: int, content: object) -> EndpointRefused:
    fields = content if isinstance(content, dict) else {}
    error = fields.get("error")
    error = error if isinstance(error, dict) else {}
    rejected = fields.get("rejected")
    numbers = tuple(n for n in rejected if type(n) is int) if isinstance(rejected, list) else ()
    return EndpointRefused(status, str(error.get("slug", "")), str(error.get("message", "no reason given")), numbers)
