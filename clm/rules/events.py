"""Reading server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as bytes come in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LINE_MAX: Final = 4 * 1024 * 1024  # bytes that may wait for the end of their event


@dataclass(frozen=True, slots=True)
class Line:
    """
    One event, or a cursor that moved without one: then ``data`` is empty.

    :ivar id: "" where none was told with it.
    """

    event: str
    id: str
    data: str


class Reader:
    """Events out of pieces of a stream, wherever it is cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Line]:
        """
        The events that are complete now. Only blocks that tell an event or an id are events.

        :raises ValueError: this is no stream of events, or one of them is without end.
        """
        whole = (self._rest + data).replace(b"\r\n", b"\n")
        *blocks, self._rest = whole.split(b"\n\n")
        if len(self._rest) > LINE_MAX:
            raise ValueError("an event has no end")
        return [line for line in map(_parsed, blocks) if line is not None]


def _parsed(block: bytes) -> Line | None:
    event, ident, data = "", "", []
    for line in block.decode().split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "id":
            ident = value
        elif name == "data":
            data.append(value)
    if not ident and not data:
        return None
    return Line(event, ident, "\n".join(data))


def parse_at(at: str | None) -> datetime:
    """A time that a cluster told; now, where it told none that makes sense."""
    try:
        made = datetime.fromisoformat(at or "")
    except ValueError:
        return datetime.now(UTC)
    return made if made.tzinfo is not None else made.replace(tzinfo=UTC)
