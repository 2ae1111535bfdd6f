"""
Import by URL.

A name is resolved once, every address it has is judged, and the connection goes to the very address that was judged: a
second answer of the name server changes nothing. Redirects are followed by us, each judged anew. TLS is verified
against the name, not the address.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from cm.drivers.images import answer
from cm.drivers.images.policy import Address, FetchPolicy, refusal
from cm.drivers.images.target import Digests, Fetched, Target
from cm.rpc.errors import AddressRefused, CloudError, DownloadFailed, DownloadRefused, InvalidParameter

CHUNK_BYTES: Final = 256 * 1024
URL_MAX: Final = 4096  # characters
HANDSHAKE_S: Final = 15.0  # a server of plain HTTP may wait for the end of the line for ever
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_PORTS: Final = {"http": 80, "https": 443}

Resolver = Callable[[str, int], Sequence[str]]
Progress = Callable[[int, int | None], None]


def resolve(host: str, port: int) -> Sequence[str]:
    """
    The system's answer, in its order of preference.
    :raises OSError: none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Deadline:
    """
    One end for connecting and reading; each wait is also bounded by the stall time. A server that drips bytes ends no
    wait, so at the end the socket is cut as well.
    """

    def __init__(self, policy: FetchPolicy) -> None:
        self._end = time.monotonic() + policy.timeout_s
        self._policy = policy

    def wait_s(self) -> float:
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise DownloadFailed(f"it took longer than {self._policy.timeout_s:g} s", tries=2)
        return min(left_s, self._policy.stall_s)

    def cut_at_end(self, connection: _Pinned) -> threading.Timer:
        timer = threading.Timer(max(0.0, self._end - time.monotonic()), connection.cut)
        timer.daemon = True
        timer.start()
        return timer


class _Pace:
    """A server that drips bytes is no better than one that stalls: it would keep a thread for hours."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._policy = policy
        self._since, self._at = time.monotonic(), 0

    def check(self, host: str, size_bytes: int) -> None:
        """:raises DownloadFailed: less came in the last minute than a modem brings."""
        now = time.monotonic()
        if now - self._since < self._policy.pace_s:
            return
        if size_bytes - self._at < self._policy.pace_s * self._policy.bytes_per_s_min:
            raise DownloadFailed(f"{host} sends less than {self._policy.bytes_per_s_min} bytes a second", tries=3)
        self._since, self._at = now, size_bytes


class _Pinned:
    """Mixed into http.client's connections: goes to one address, whatever the host's name means by now."""

    address: str
    wait_s: float
    _plain: socket.socket | None = None

    def _open(self, port: int) -> socket.socket:
        made = socket.create_connection((self.address, port), timeout=self.wait_s)
        # Kept apart from http.client's, which closes its own, and from the TLS layer's: a duplicate to cut by.
        self._plain = made.dup()
        return made

    def cut(self) -> None:
        """End both directions now, from any thread."""
        if self._plain is not None:
            try:
                self._plain.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself

    def secure(self) -> None:
        """The TLS handshake, where there is to be one."""

    def close_plain(self) -> None:
        if self._plain is not None:
            self._plain.close()


class _PinnedHTTP(_Pinned, http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = self._open(self.port)


class _PinnedHTTPS(_Pinned, http.client.HTTPSConnection):
    tls: ssl.SSLContext

    def connect(self) -> None:
        self.sock = self._open(self.port)

    def secure(self) -> None:
        self.sock.settimeout(min(self.wait_s, HANDSHAKE_S))
        self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.host)


def fetch(
    url: str,
    target: str,
    policy: FetchPolicy,
    *,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    resolver: Resolver = resolve,
    tls: ssl.SSLContext | None = None,
    judge: Callable[[bytes], None] | None = None,
    take_pages: bool = False,
    sha512: bool = False,
) -> Fetched:
    """
    Stream ``url`` into the new file ``target``. After any error ``target`` is gone.

    :param progress: gets the bytes done, a chunk before it is written, and the bytes in all (None: the server does not
        say); what it raises ends the import.
    :param cancelled: asked before each chunk; true ends the import with ``DownloadFailed``.
    :param tls: another trust than the system's.
    :param judge: called with the first bytes; what it raises ends the import.
    :param sha512: whether that is to be told too.
    :param take_pages: whether to go on where the server says that it is a page.
    :raises AddressRefused: the URL, or one that it redirects to, leads where imports may not go.
    :raises DownloadFailed: worth a retry: no answer, a stall, an error of the server, a body shorter than announced.
    :raises DownloadRefused: not worth one: an answer that will be the same, a certificate or protocol that is not good.
    :raises ImageRefused: it is said to be a page, or ``judge`` raised it.
    :raises TooLarge: more than ``policy.max_bytes``.
    :raises StorageFull: no room.
    """
    deadline = _Deadline(policy)
    tls = tls or ssl.create_default_context()
    met = [url]
    while True:
        if cancelled():
            raise DownloadFailed("it was called off")
        connection, path = _connection(url, policy, deadline, resolver, tls)
        host = connection.host
        timer = deadline.cut_at_end(connection)
        try:
            response = _ask(connection, path, deadline)
            if response.status not in _REDIRECTS:
                answer.check_status(response, host)
                answer.check_headers(response, host, take_pages)
                with Target(target, max_bytes=policy.max_bytes, cancelled=cancelled, what="the download") as out:
                    out.judge = judge
                    return _read(connection, response, out, deadline, progress, url, policy, Digests(sha512))
            url = answer.located(url, response.getheader("Location"), host)
            if url in met:
                raise DownloadRefused(f"{host} redirects in a circle")
            if len(met) > policy.redirects_max:
                raise DownloadRefused(f"{policy.redirects_max} redirects led to no file, the last of them by {host}")
            met.append(url)
        except CloudError as error:
            error.add_note(answer.told_to_administrators(met[-1], connection.address))
            raise
        finally:
            timer.cancel()
            connection.close()
            connection.close_plain()


def _connection(
    url: str, policy: FetchPolicy, deadline: _Deadline, resolver: Resolver, tls: ssl.SSLContext
) -> tuple[_PinnedHTTP | _PinnedHTTPS, str]:
    """A connection that will go to an address that was judged, and the request's path."""
    if len(url) > URL_MAX or any(ord(character) <= 32 or ord(character) >= 127 for character in url):
        raise InvalidParameter("url", "is too long or holds blanks, control or non-ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidParameter("url", str(error)) from None
    shown = f"{parts.scheme}://{parts.hostname or ''}"  # without credentials and query
    if parts.scheme not in _PORTS:
        raise AddressRefused(shown, "only http and https are taken")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(shown, "it carries credentials")
    host = parts.hostname
    if not host:
        raise AddressRefused(shown, "it names no host")
    port = port or _PORTS[parts.scheme]
    if policy.ports and port not in policy.ports:
        raise AddressRefused(shown, f"port {port} is not allowed")
    address = _judged(host, port, shown, policy, resolver)
    connection: _PinnedHTTP | _PinnedHTTPS
    if parts.scheme == "https":
        connection = _PinnedHTTPS(host, port, context=tls)
        connection.tls = tls
    else:
        connection = _PinnedHTTP(host, port)
    connection.address = address
    connection.wait_s = deadline.wait_s()
    path = parts.path or "/"
    return connection, f"{path}?{parts.query}" if parts.query else path


def _judged(host: str, port: int, shown: str, policy: FetchPolicy, resolver: Resolver) -> str:
    """The address to connect to. One forbidden address among several refuses the name: it is not to be trusted."""
    try:
        answers = resolver(host, port)
    except (OSError, UnicodeError) as error:
        raise answer.no_name(error, host) from error
    judged: list[Address] = []
    for each in answers:
        try:
            judged.append(ipaddress.ip_address(each.partition("%")[0]))
        except ValueError:
            raise AddressRefused(shown, f"{each!r} is no address") from None
    if not judged:
        raise DownloadFailed(f"{host} has no address", tries=answer.LOOKUPS)
    for address in judged:
        reason = refusal(address, policy)
        if reason is not None:
            raise AddressRefused(shown, reason)
    return str(judged[0])


def _ask(connection: _PinnedHTTP | _PinnedHTTPS, path: str, deadline: _Deadline) -> http.client.HTTPResponse:
    host, port, address = connection.host, connection.port, connection.address
    try:
        connection.connect()
    except OSError as error:
        deadline.wait_s()
        told = "no answer" if isinstance(error, TimeoutError) else answer.words(error)
        raise DownloadFailed(f"{host} cannot be reached at port {port}: {told}") from error
    try:
        connection.secure()
    except OSError as error:
        raise answer.handshake_failed(error, host, address, port, deadline.wait_s()) from error
    try:
        _limit(connection, deadline)
        # http.client adds Host. Compressed transfers would hide the size.
        connection.request("GET", path, headers={"User-Agent": "wawel", "Accept-Encoding": "identity"})
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise answer.no_answer(error, host, address, port, deadline.wait_s()) from error


def _read(
    connection: http.client.HTTPConnection,
    response: http.client.HTTPResponse,
    out: Target,
    deadline: _Deadline,
    progress: Progress,
    url: str,
    policy: FetchPolicy,
    digests: Digests,
) -> Fetched:
    total = response.length  # None: chunked, or until the server hangs up
    if total is not None:
        out.expect(total)
    pace = _Pace(policy)
    while True:
        try:
            _limit(connection, deadline)
            chunk = response.read1(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            deadline.wait_s()
            raise _broken(error, connection.host, out.size_bytes) from error
        if not chunk:
            deadline.wait_s()
            break
        digests.update(chunk)
        progress(out.size_bytes + len(chunk), total)
        out.write(chunk)
        pace.check(connection.host, out.size_bytes)
    if total is not None and out.size_bytes != total:
        # Told by the number: a network breaks off here and there, a server that announces a wrong length always here.
        reason = f"{connection.host} announced {total} bytes and sent {out.size_bytes}"
        raise DownloadFailed(reason, tries=answer.SAME_MAX)
    return out.keep(digests, url)


def _limit(connection: http.client.HTTPConnection, deadline: _Deadline) -> None:
    """Bound the next wait. http.client drops its socket once a body without length has begun."""
    if connection.sock is not None:
        connection.sock.settimeout(deadline.wait_s())
    else:
        deadline.wait_s()


def _broken(error: Exception, host: str, done: int) -> DownloadFailed:
    if isinstance(error, TimeoutError):
        return DownloadFailed(f"{host} stalls after {done} bytes")
    if isinstance(error, http.client.IncompleteRead):
        return DownloadFailed(f"{host} ends early, after {done} bytes", tries=answer.SAME_MAX)
    return DownloadFailed(f"{host} breaks off: {answer.words(error)}")
