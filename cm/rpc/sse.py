"""
Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): written, and read as bytes come in.

The one writer and the one reader of everything here that sends or follows them; standard library alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

EVENT_MAX: Final = 4 * 1024 * 1024  # bytes of one event


@dataclass(frozen=True, slots=True)
class Event:
    """
    One event, or a cursor that moved without one: then ``name`` is empty, and so is ``data``.

    :ivar id: the last one that was told, with this event or before it; "" as long as none was.
    """

    id: str = ""
    name: str = "message"
    data: str = ""

    def json(self) -> Any:
        """Its data, read; ``None`` where it is no JSON."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
            return None


def beat(id: str = "") -> bytes:
    """The lines of a comment, which says that the connection lives; with the cursor, where it has moved on."""
    return b":\n" + encode(id=id)


def encode(*, id: str = "", name: str = "", data: bytes | None = None, retry_ms: int | None = None) -> bytes:
    """
    The lines of an event; without data, of a cursor that moves alone.

    :param id: and ``name``: one line each.
    :param data: one line.
    :param retry_ms: how long a reader waits before it connects again.
    """
    head = "" if retry_ms is None else f"retry: {retry_ms}\n"
    if id:
        head += f"id: {id}\n"
    if data is None:
        return head.encode() + b"\n"
    if name:
        head += f"event: {name}\n"
    return b"%bdata: %b\n\n" % (head.encode(), data)


class Reader:
    """
    Events out of pieces of a stream, wherever it is cut. What the stream's end cuts off is none, and neither is its id
    taken; comments and unknown fields change nothing.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._return = False  # the piece before ended in a carriage return, whose line feed may come yet
        self._id = ""  # the standard's last event id
        self._last_id = ""  # the one that was told last
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """
        The events that are complete now.

        :raises ValueError: one of them is without end.
        """
        if self._return and piece.startswith(b"\n"):
            piece = piece[1:]
        if piece:
            self._return = piece.endswith(b"\r")
        whole = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = whole.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = rest
        else:
            self._rest += rest
        found = [event for event in map(self._line, lines) if event is not None]
        if self._size + len(self._rest) > EVENT_MAX:
            raise ValueError("an event has no end")
        return found

    def _line(self, raw: bytes) -> Event | None:
        if not raw:
            return self._end()
        self._size += len(raw)
        name, _, value = raw.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _end(self) -> Event | None:
        name, data, told = self._name or "message", self._data, self._last_id
        self._name, self._data, self._last_id, self._size = "", [], self._id, 0
        if data:
            return Event(self._id, name, "\n".join(data))
        return Event(self._id, "") if self._id != told else None
