"""
Writing what clients of EC2 read. Handlers give dictionaries by the model's names; what is None is left out, an empty
list is an empty element.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from clm.ec2.errors import EC2Error
from clm.ec2.model import Action, Shape

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
VERSION: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
# XML 1.0, 2.2: what no character reference brings in either.
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A bare carriage return would be read as a line's end (2.11).
_ESCAPES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("\r"): "&#13;"}


def escaped(text: str) -> str:
    """Text as it may stand in XML; what may not at all becomes U+FFFD."""
    return _ILLEGAL.sub("\ufffd", text).translate(_ESCAPES)


def write_answer(action: Action, result: Mapping[str, Any], version: str, request_id: str) -> bytes:
    """
    :param version: the one asked for, which is told again. The namespace ends in a slash that botocore's model lacks:
        libcloud finds nothing without.
    :raises TypeError: KeyError: the handler gave what the action does not answer with.
    """
    parts = [HEAD, f'<{action.name}Response xmlns="http://ec2.amazonaws.com/doc/{version}/">']
    parts.append(f"<requestId>{escaped(request_id)}</requestId>")
    if action.output is None:
        parts.append("<return>true</return>")
    else:
        _members(action.output, result, parts)
    parts.append(f"</{action.name}Response>")
    return "".join(parts).encode()


def write_error(error: EC2Error, request_id: str) -> bytes:
    """Without a namespace, and with two children: libcloud unpacks them so."""
    return (
        f"{HEAD}<Response><Errors><Error><Code>{escaped(error.code)}</Code><Message>{escaped(error.message)}</Message>"
        f"</Error></Errors><RequestID>{escaped(request_id)}</RequestID></Response>"
    ).encode()


def _members(shape: Shape, values: Mapping[str, Any], parts: list[str]) -> None:
    left = len(values)
    for member in shape.members:
        if member.name in values:
            left -= 1
            value = values[member.name]
            if value is not None:
                _element(member.told, member.shape, value, parts)
    if left:
        raise KeyError(f"{shape.name} has no {sorted(set(values) - {member.name for member in shape.members})}")


def _element(tag: str, shape: Shape, value: Any, parts: list[str]) -> None:
    parts.append(f"<{tag}>")
    if shape.kind == "structure":
        _members(shape, value, parts)
    elif shape.kind == "list":
        assert shape.element is not None
        for each in value:
            _element(shape.item, shape.element, each, parts)
    else:
        parts.append(_text(shape, value))
    parts.append(f"</{tag}>")


def _text(shape: Shape, value: Any) -> str:
    if shape.kind == "string":
        if not isinstance(value, str):
            raise TypeError(f"{shape.name} is a string, not {type(value).__name__}")
        return escaped(value)
    if shape.kind == "boolean":
        return "true" if value else "false"
    if shape.kind == "blob":
        return base64.b64encode(value).decode()
    if shape.kind == "timestamp":
        return told_time(value)
    return repr(value)


def told_time(value: datetime | str) -> str:
    """``2026-01-02T03:04:05.000Z``, of a time or of what views write."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
