"""
What a reader of the graph of objects was told last, and what has to be told so that it is as it is now: nothing of what
has not changed, whatever came to be in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

PIECE_BYTES: Final = 256 * 1024  # of one event, but for an object that is larger


class Told(NamedTuple):
    """
    An event.

    :ivar name: "enter" or "exit". :ivar data: its JSON, in one line.
    """

    name: str
    data: bytes


class _Named(msgspec.Struct):
    UUID: str


_name = msgspec.json.Decoder(_Named).decode
_each = msgspec.json.Decoder(list[msgspec.Raw]).decode


def by_uuid(text: bytes) -> dict[str, bytes]:
    """:param text: an array of objects, as JSON."""
    return {_name(each).UUID: bytes(each) for each in _each(text)}


class Picture:
    def __init__(self) -> None:
        self._told: dict[str, int] = {}  # by UUID a hash of the object's text

    def turn(self, objects: Mapping[str, bytes]) -> Iterator[Told]:
        """
        Events that make of what was told what there is: first all that entered or changed, then what exited. They may
        be taken later; what is told is settled at once.

        :param objects: their texts by UUID.
        """
        was, self._told = self._told, {uuid: hash(text) for uuid, text in objects.items()}
        entered = [(uuid, objects[uuid]) for uuid, told in self._told.items() if was.get(uuid) != told]
        exited = [(uuid, b"0") for uuid in was if uuid not in self._told]
        return _events((("enter", entered), ("exit", exited)))


def _events(told: Iterable[tuple[str, list[tuple[str, bytes]]]]) -> Iterator[Told]:
    for name, items in told:
        piece: list[bytes] = []
        size = 0
        for uuid, text in items:
            # The object is JSON already; a line feed between its values would end the line.
            piece.append(b'"%b":%b' % (uuid.encode(), text.replace(b"\n", b" ")))
            size += len(piece[-1])
            if size >= PIECE_BYTES:
                yield _event(name, piece)
                piece, size = [], 0
        if piece:
            yield _event(name, piece)


def _event(name: str, items: Iterable[bytes]) -> Told:
    return Told(name, b'{"type":"%b","items":{%b}}' % (name.encode(), b",".join(items)))
