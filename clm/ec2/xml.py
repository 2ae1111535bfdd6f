"""
Writing what clients of EC2 read. Handlers give dictionaries by the model's names; what is None is left out, an empty
list is an empty element.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from clm.ec2.errors import EC2Error
from clm.ec2.model import Action, Shape, Writer

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
VERSION: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
# XML 1.0, 2.2: what no character reference brings in either.
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A bare carriage return would be read as a line's end (2.11).
_ESCAPES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("\r"): "&#13;"}


_SPECIAL: Final = re.compile("[^\t\n\x20!#-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """What stands in an element, written already."""

    __slots__ = ()


def escaped(text: str) -> str:
    """Text as it may stand in XML; what may not at all becomes U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _ILLEGAL.sub("\ufffd", text).translate(_ESCAPES)


def write_answer(action: Action, result: Mapping[str, Any], version: str, request_id: str) -> bytes:
    """
    :param version: the one asked for, which is told again. The namespace ends in a slash that botocore's model lacks:
        libcloud finds nothing without.
    :param result: members in their order; a structure may be ``Markup``.
    :raises TypeError: KeyError: the handler gave what the action does not answer with.
    """
    parts = [HEAD, f'<{action.name}Response xmlns="http://ec2.amazonaws.com/doc/{version}/">']
    parts.append(f"<requestId>{escaped(request_id)}</requestId>")
    if action.output is None:
        parts.append("<return>true</return>")
    else:
        _writer(action.output)(result, parts)
    parts.append(f"</{action.name}Response>")
    return "".join(parts).encode()


def write_error(error: EC2Error, request_id: str) -> bytes:
    """Without a namespace, and with two children: libcloud unpacks them so."""
    return (
        f"{HEAD}<Response><Errors><Error><Code>{escaped(error.code)}</Code><Message>{escaped(error.message)}</Message>"
        f"</Error></Errors><RequestID>{escaped(request_id)}</RequestID></Response>"
    ).encode()


def markup(shape: Shape, value: Any) -> Markup:
    """The inside of an element. :raises TypeError: KeyError: as ``write_answer``."""
    parts: list[str] = []
    _writer(shape)(value, parts)
    return Markup("".join(parts))


# What writes a shape is made when it is first asked for: names are put into their tags once, and nobody looks again
# for what a value of this kind is.


def _writer(shape: Shape) -> Writer:
    if shape.writer is None:
        made = {"structure": _of_structure, "list": _of_list}.get(shape.kind, _of_scalar)
        shape.writer = made(shape)
    return shape.writer


def _of_structure(shape: Shape) -> Writer:
    members = {member.name: (f"<{member.told}>", f"</{member.told}>", member.shape) for member in shape.members}

    def write(values: Any, parts: list[str]) -> None:
        if type(values) is Markup:
            parts.append(values)
            return
        for name, value in values.items():
            found = members.get(name)
            if found is None:
                raise KeyError(f"{shape.name} has no {name}")
            if value is not None:
                begin, end, of = found
                parts.append(begin)
                (of.writer or _writer(of))(value, parts)
                parts.append(end)

    return write


def _of_list(shape: Shape) -> Writer:
    element, begin, end = shape.element, f"<{shape.item}>", f"</{shape.item}>"
    assert element is not None

    def write(values: Any, parts: list[str]) -> None:
        for value in values:
            parts.append(begin)
            (element.writer or _writer(element))(value, parts)
            parts.append(end)

    return write


def _of_scalar(shape: Shape) -> Writer:
    text = _TEXTS.get(shape.kind, repr)

    def write(value: Any, parts: list[str]) -> None:
        parts.append(text(value))

    def write_string(value: Any, parts: list[str]) -> None:
        if not isinstance(value, str):
            raise TypeError(f"{shape.name} is a string, not {type(value).__name__}")
        parts.append(escaped(value))

    return write_string if shape.kind == "string" else write


def _truth(value: Any) -> str:
    return "true" if value else "false"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def told_time(value: datetime | str) -> str:
    """``2026-01-02T03:04:05.000Z``, of a time or of what views write."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


_TEXTS: Final[dict[str, Callable[[Any], str]]] = {"boolean": _truth, "blob": _base64, "timestamp": told_time}
