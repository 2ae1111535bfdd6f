"""
A blocking client for what does not fit into calls: files sent by the tus protocol (``uploads.py``), and files read
(``downloads.py``). Addresses hold secrets, so messages tell of the server alone.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

import msgspec

from cm.rpc.client import connection_to
from cm.rpc.codec import decode_error
from cm.rpc.errors import CloudError, DeadlineExceeded
from cm.rpc.schemes import ServerUnreachable

READ_BYTES: Final = 256 * 1024
ANSWER_MAX: Final = 65_536  # bytes of a refusal
TUS: Final = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Remote:
    """
    Where something is.

    :ivar server: ``https://host:port``, ``http://host:port`` or ``unix:/path``; ``path``: there.
    """

    server: str
    path: str


def remote_of(url: str) -> Remote:
    """An address out of a server's answer."""
    parts = urlsplit(url)
    return Remote(f"{parts.scheme}://{parts.netloc}", parts.path)


@dataclass(frozen=True)
class Part:
    """What is to be read of a file: from ``offset`` on, of ``length``; ``tag`` says of which state of it."""

    offset: int
    length: int
    tag: str


class Transfers:
    """
    :param ca: a PEM file of certificates to trust in place of the system's.
    :param timeout_s: in which something has to move.
    """

    def __init__(self, ca: str | None = None, timeout_s: float = 30.0) -> None:
        self._ca = ca
        self._timeout_s = timeout_s

    # -------------------------------------------------------------- uploads

    def offset(self, remote: Remote) -> int:
        """
        How far an upload is.

        :raises CloudError: there is none (``UploadGone``), or something else in the way.
        :raises ServerUnreachable: it is no server of ours, or does not answer.
        """
        connection = self._connect(remote)
        try:
            answer = self._asked(remote, connection, "HEAD", TUS)
            told = answer.getheader("Upload-Offset") or ""
            if answer.getheader("Tus-Resumable") != "1.0.0" or (answer.status == 200 and not told.isdigit()):
                raise ServerUnreachable(remote.server, "what answers there takes no uploads")
            if answer.status != 200:
                raise _refusal(remote, answer)
            return int(told)
        finally:
            connection.close()

    def send(self, remote: Remote, file: BinaryIO, offset: int, length: int, sent: Callable[[int], object]) -> int:
        """
        Go on with an upload up to its end.

        :param file: of ``length`` bytes.
        :param sent: called with how far it is.
        :return: how far it is then.
        :raises CloudError: the refusal. :raises ServerUnreachable: DeadlineExceeded: it broke off; ``offset`` tells
            where.
        """
        headers = {
            **TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset),
            "Content-Length": str(length - offset),
        }  # fmt: skip
        connection = self._connect(remote)
        try:
            file.seek(offset)
            answer = self._asked(remote, connection, "PATCH", headers, _pieces(file, offset, length, sent))
            if answer.status != 204:
                raise _refusal(remote, answer)
            return int(answer.getheader("Upload-Offset") or length)
        finally:
            connection.close()

    def give_up(self, remote: Remote) -> None:
        """:raises CloudError: it cannot be."""
        connection = self._connect(remote)
        try:
            answer = self._asked(remote, connection, "DELETE", TUS)
            if answer.status != 204:
                raise _refusal(remote, answer)
        finally:
            connection.close()

    # -------------------------------------------------------------- downloads

    def look(self, remote: Remote) -> Part:
        """
        :return: how long a file is that can be read there, and its tag.
        :raises CloudError: it cannot be.
        """
        connection = self._connect(remote)
        try:
            answer = self._asked(remote, connection, "HEAD", {})
            tag, length = answer.getheader("ETag") or "", answer.getheader("Content-Length") or ""
            if answer.status == 200 and not (tag and length.isdigit()):
                raise ServerUnreachable(remote.server, "what answers there gives no files out")
            if answer.status != 200:
                raise _refusal(remote, answer)
            return Part(0, int(length), tag)
        finally:
            connection.close()

    def receive(self, remote: Remote, part: Part, file: BinaryIO, received: Callable[[int], object]) -> None:
        """
        Read what is left of a file into ``file``, from the part's offset on.

        :raises CloudError: the refusal. :raises ServerUnreachable: DeadlineExceeded: it broke off, or the file is not
            the one that it was.
        """
        headers = {"Range": f"bytes={part.offset}-", "If-Range": part.tag} if part.offset else {}
        connection = self._connect(remote)
        try:
            answer = self._asked(remote, connection, "GET", headers)
            if answer.status not in (200, 206):
                raise _refusal(remote, answer)
            if answer.getheader("ETag") != part.tag or (answer.status == 200) != (part.offset == 0):
                raise ServerUnreachable(remote.server, "the file is not the one that it was")
            file.seek(part.offset)
            at = part.offset
            try:
                while data := answer.read(READ_BYTES):
                    file.write(data)
                    at += len(data)
                    received(at)
            except TimeoutError:
                raise DeadlineExceeded(remote.server, self._timeout_s) from None
            except (OSError, http.client.HTTPException) as error:
                raise ServerUnreachable(remote.server, _words(error)) from None
            if at != part.length:
                raise ServerUnreachable(remote.server, "the connection was closed")
        finally:
            connection.close()

    # -------------------------------------------------------------- connections

    def _connect(self, remote: Remote) -> http.client.HTTPConnection:
        context = ssl.create_default_context(cafile=self._ca) if remote.server.startswith("https:") else None
        return connection_to(remote.server, context, self._timeout_s)

    def _asked(
        self,
        remote: Remote,
        connection: http.client.HTTPConnection,
        method: str,
        headers: dict[str, str],
        body: Iterator[bytes] | None = None,
    ) -> http.client.HTTPResponse:
        try:
            try:
                connection.request(method, remote.path, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                if body is None:
                    raise
                # Who refuses a body says why before hanging up.
            return connection.getresponse()
        except TimeoutError:
            raise DeadlineExceeded(remote.server, self._timeout_s) from None
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnreachable(remote.server, _words(error)) from None


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _pieces(file: BinaryIO, offset: int, length: int, sent: Callable[[int], object]) -> Iterator[bytes]:
    while offset < length:
        data = file.read(min(READ_BYTES, length - offset))
        if not data:
            raise FileChanged()
        yield data
        offset += len(data)
        sent(offset)


class FileChanged(Exception):
    """The file ended before its end."""


def _refusal(remote: Remote, answer: http.client.HTTPResponse) -> CloudError:
    told: Any = None
    header = answer.getheader("X-Wawel-Error")
    try:
        told = msgspec.json.decode(answer.read(ANSWER_MAX))["error"]
    except (OSError, http.client.HTTPException, msgspec.DecodeError, KeyError, TypeError):
        pass
    if not isinstance(told, dict):
        told = {"data": _header(header)} if header else None
    if isinstance(told, dict):
        return decode_error(told)
    return ServerUnreachable(remote.server, f"it answers with {answer.status}")


def _header(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
