"""Server-sent events, of any server: a stream that goes on after it broke."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode, urlsplit

from clm.console.context import Console
from clm.console.problems import LOGIN, LOGIN_HINT, REFUSED, UNREACHABLE, Problem
from cm.rpc.sse import Event, Reader

PIECE: Final = 65_536  # bytes
RETRY_S: Final = (0.5, 1.0, 2.0, 5.0)
SILENCE_S: Final = 90.0  # servers send a comment more often than that


class NoFeed(Exception):
    """The server has no such stream."""


def follow(console: Console, *, every: bool = False, cursor: str = "") -> Iterator[Event | None]:
    """
    The server's changes as they happen, for ever; goes on after the last one when the connection breaks.

    ``None`` says that the connection stands: from now on nothing is missed.

    :param every: everybody's, which only administrators may.
    :raises NoFeed: the server has none.
    :raises Problem: it refuses.
    """
    attempt, stood = 0, False
    while True:
        try:
            for event in _connected(console, every, cursor):
                attempt, stood = 0, True
                if event is not None and event.id:
                    cursor = event.id
                if event is None or event.name:
                    yield event
        except (OSError, http.client.HTTPException) as error:
            if attempt >= 10 or not stood:
                told = getattr(error, "strerror", None) or type(error).__name__
                raise Problem(f"The stream of events broke: {told}.", UNREACHABLE) from None
        time.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
        attempt += 1


def _connected(console: Console, every: bool, cursor: str) -> Iterator[Event | None]:
    profile, session = console.profile(), console.session()
    asked = {**({"cursor": cursor} if cursor else {}), **({"all": "1"} if every else {})}
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
    if session is not None:
        headers["Authorization"] = f"Bearer {session.token}"
    if cursor:
        headers["Last-Event-ID"] = cursor
    connection = connect(profile.url, console.options.ca or profile.ca)
    try:
        connection.request("GET", f"/events?{urlencode(asked)}" if asked else "/events", headers=headers)
        answer = connection.getresponse()
        check(answer)
        yield None
        yield from _events(answer)
    finally:
        connection.close()


def check(answer: http.client.HTTPResponse) -> None:
    """
    :raises NoFeed: there is nothing of the kind at that address.
    :raises Problem: it is refused.
    """
    kind = answer.headers.get_content_type()
    if answer.status == 200 and kind == "text/event-stream":
        return
    if answer.status in (401, 403):
        told = "The server refuses the stream of events: you are not logged in, or may not see it."
        raise Problem(told, LOGIN, LOGIN_HINT) if answer.status == 401 else Problem(told, REFUSED)
    if answer.status in (429, 502, 503, 504):
        raise OSError(f"the server answers {answer.status}")
    raise NoFeed


def _events(answer: http.client.HTTPResponse) -> Iterator[Event]:
    reader = Reader()
    try:
        while piece := answer.read1(PIECE):
            yield from reader.feed(piece)
    except ValueError as error:
        raise OSError(str(error)) from None


def connect(url: str, ca: str) -> http.client.HTTPConnection:
    """A connection to where calls go, too, but for one long answer."""
    if url.startswith("unix:"):
        made = http.client.HTTPConnection("localhost", timeout=SILENCE_S)
        made.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.sock.settimeout(SILENCE_S)
        made.sock.connect(url.removeprefix("unix:"))
        return made
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        from cm.rpc.schemes import TlsConnection

        context = ssl.create_default_context(cafile=ca or None)
        return TlsConnection(host, port, timeout=SILENCE_S, context=context)
    return http.client.HTTPConnection(host, port, timeout=SILENCE_S)
