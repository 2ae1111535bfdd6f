"""
Values and errors to and from the wire, for both dialects.

JSON is written by msgspec. Times go as ISO 8601 in UTC with a ``Z``, enumerations as their values, addresses and UUIDs
as text, bytes as base64. XML-RPC carries exactly the values that JSON does: what differs is only how they are written.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Final, Generic, TypeVar
from xml.sax.saxutils import escape

import msgspec

from cm.rpc.errors import (
    CloudError,
    Conflict,
    HypervisorError,
    Incident,
    InternalError,
    InvalidRequest,
    LimitReached,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Unavailable,
)
from cm.rpc.parameters import ILLEGAL
from cm.rpc.types import Secret

Item = TypeVar("Item")
ERROR_HEADER_MAX: Final = 4096  # bytes; servers and proxies take 8 kB for all headers together
_ADDRESSES: Final = (IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface)
# A time that msgspec wrote with an offset, or with none: only UTC's are as we want them. A text of a caller's that
# looks the same costs a second look and stays as it is.
_NOT_UTC: Final = re.compile(rb'"\d{4}-\d\d-\d\dT[0-9:.]+(?:[+-]\d\d:\d\d)?"')


class RawJSON:
    """A result that is JSON text already, UTF-8: JSON-RPC answers carry it as it is, everyone else decodes it."""

    __slots__ = ("data",)

    def __init__(self, text: str | bytes) -> None:
        self.data: bytes = text.encode() if isinstance(text, str) else text

    def decode(self) -> Any:
        return msgspec.json.decode(self.data)

    def __repr__(self) -> str:
        return f"<RawJSON of {len(self.data)} bytes>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawJSON) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)


class RawObject(RawJSON, Generic[Item]):
    """The text of a JSON object of the type that it is annotated with: ``-> RawObject[VM]``."""

    __slots__ = ()


class RawList(RawJSON, Generic[Item]):
    """The text of a JSON array of objects of the type that it is annotated with."""

    __slots__ = ()


class Rendered(RawJSON):
    """A result that is the same for everybody and always: kept as text in both dialects."""

    __slots__ = ("_xml",)

    def __init__(self, text: str | bytes) -> None:
        super().__init__(text)
        self._xml = ""

    @property
    def xml(self) -> str:
        if not self._xml:
            self._xml = encode_xml(self.decode())
        return self._xml


class Written:
    """A result that its dialect has written already, within one that it has not."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Several(list[Any]):
    """The results of several calls in one: ``[Written]`` for each, or an error's struct of plain values."""


def _encode_hook(value: Any) -> Any:
    if isinstance(value, (RawJSON, Written)):
        return msgspec.Raw(value.data)
    if isinstance(value, _ADDRESSES):
        return str(value)
    if isinstance(value, Secret):
        return repr(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")


_encoder = msgspec.json.Encoder(enc_hook=_encode_hook)


def encode_json(value: Any) -> bytes:
    """
    JSON text of a view's result.

    :raises TypeError: it holds what has no place on the wire; a fault of ours.
    """
    if isinstance(value, RawJSON):
        return value.data
    if type(value) is Several:
        return _encoder.encode(value)
    try:
        data = _encoder.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, such as Python's reading of a file name that is not UTF-8
        return _encoder.encode(_mended(value))
    return _encoder.encode(_mended(value)) if _NOT_UTC.search(data) else data


def plain(value: Any) -> Any:
    """The result as whoever receives it sees it: dict, list, str, int, float, bool, None."""
    if value is None or type(value) in (str, int, bool):
        return value
    return msgspec.json.decode(encode_json(value))


def _mended(value: Any) -> Any:
    """With times in UTC (a time without offset is UTC already) and without lone surrogates."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if _lone(value) else value
    if isinstance(value, Mapping):
        return {_mended(k): _mended(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_mended(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _mended(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, msgspec.Struct):
        return {name: _mended(getattr(value, name)) for name in value.__struct_fields__}
    return value


def _lone(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


# ------------------------------------------------------------------ XML-RPC values

_XML_BEFORE: Final = b'<?xml version="1.0" encoding="utf-8"?>\n<methodResponse><params><param><value>'
_XML_AFTER: Final = b"</value></param></params></methodResponse>\n"


def encode_xml(value: Any) -> str:
    """The inside of ``<value>`` for a plain value. Characters that XML cannot carry become U+FFFD."""
    parts: list[str] = []
    _write_xml(value, parts)
    return "".join(parts)


def _write_xml(value: Any, parts: list[str]) -> None:
    kind = type(value)
    if kind is str:
        parts.append(f"<string>{_xml_text(value)}</string>")
    elif kind is bool:
        parts.append(f"<boolean>{value:d}</boolean>")
    elif kind is int:
        parts.append(_xml_int(value))
    elif value is None:
        parts.append("<nil/>")
    elif kind is dict:
        parts.append("<struct>")
        for name, item in value.items():
            parts.append(f"<member><name>{_xml_text(str(name))}</name><value>")
            _write_xml(item, parts)
            parts.append("</value></member>")
        parts.append("</struct>")
    elif kind is list or kind is Several:
        parts.append("<array><data>")
        for item in value:
            parts.append("<value>")
            _write_xml(item, parts)
            parts.append("</value>")
        parts.append("</data></array>")
    elif kind is float:
        # XML-RPC knows no exponents.
        text = repr(value)
        parts.append(f"<double>{format(Decimal(text), 'f') if 'e' in text else text}</double>")
    elif kind is bytes:
        parts.append(f"<base64>{base64.b64encode(value).decode()}</base64>")
    elif isinstance(value, Rendered):
        parts.append(value.xml)
    elif kind is Written:
        parts.append(value.data.decode())
    else:
        _write_xml(plain(value), parts)


def _xml_text(text: str) -> str:
    return escape(ILLEGAL.sub("\ufffd", text)).replace("\r", "&#13;")


def _xml_int(value: int) -> str:
    if -(2**31) <= value < 2**31:
        return f"<int>{value}</int>"
    return f"<i8>{value}</i8>" if -(2**63) <= value < 2**63 else f"<string>{value}</string>"


def encode_xml_result(value: Any) -> bytes:
    """The inside of ``<value>`` for a view's result."""
    return encode_xml(value if isinstance(value, (Several, Rendered)) else plain(value)).encode()


def encode_xml_answer(value: Any) -> bytes:
    return xml_answer(encode_xml_result(value))


def xml_answer(data: bytes) -> bytes:
    """The answer around a result that is written already."""
    return b"".join((_XML_BEFORE, data, _XML_AFTER))


def encode_xml_fault(error: CloudError) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<methodResponse><fault><value>'
        f"{encode_xml(fault_of(error))}</value></fault></methodResponse>\n"
    ).encode()


# ------------------------------------------------------------------ errors


def encode_error(error: CloudError) -> dict[str, Any]:
    """An error as JSON-RPC's ``error`` member; its message is for people, ``data`` for programs."""
    details = error.details()
    data: dict[str, Any] = {"slug": error.code, "fields": details, "retry": error.retry}
    if isinstance(error, Incident):
        data["incident"] = error.incident
    return {"code": error.number, "message": str(error), "data": data}


def retry_after(error: CloudError) -> int | None:
    """Seconds before a repeat can help, where the error tells them."""
    seconds = getattr(error, "retry_after_s", None)
    return seconds if isinstance(seconds, int) else None


def fault_of(error: CloudError) -> dict[str, Any]:
    """
    An error as XML-RPC's fault struct. Nothing else may stand in one ("a struct fault may not contain other members"),
    and clients break over what does: its fields go by a header, and within a multicall's results beside these two.
    """
    return {"faultCode": error.number, "faultString": f"{error.code}: {error}"}


def fault_details(error: CloudError) -> dict[str, Any]:
    """What a program needs of an error beside its number and text."""
    told = plain(encode_error(error)["data"])
    return {"faultSlug": told["slug"], "faultFields": told["fields"], "faultRetry": told["retry"]}


def error_header(error: CloudError) -> bytes | None:
    """An error's ``data`` for a header: JSON in ASCII; none where it would be longer than headers should be."""
    text = json.dumps(plain(encode_error(error)["data"]), separators=(",", ":")).encode("ascii")
    return text if len(text) <= ERROR_HEADER_MAX else None


def decode_error(error: Mapping[str, Any]) -> CloudError:
    """The error that a JSON-RPC answer tells: of its own class where we know it, else of its family's."""
    data = error.get("data")
    data = data if isinstance(data, Mapping) else {}
    told = data.get("fields")
    number = error.get("code")
    return _rebuilt(
        data.get("slug"),
        number if isinstance(number, int) else CloudError.number,
        str(error.get("message", "")),
        told if isinstance(told, Mapping) else {},
        bool(data.get("retry")),
    )


def decode_fault(number: int, text: str) -> CloudError:
    """The error that an XML-RPC fault tells; without its fields, its text is what the server wrote."""
    slug, found, message = text.partition(": ")
    return _rebuilt(slug if found else None, number, message if found else text, {}, None)


_FAMILIES: Final = (
    InvalidRequest,
    NotAuthenticated,
    NotPermitted,
    NotFound,
    Conflict,
    LimitReached,
    Unavailable,
    InternalError,
    HypervisorError,
)
_BY_NUMBER: Final[dict[int, type[CloudError]]] = {
    **{family.number: family for family in _FAMILIES},
    -32700: InvalidRequest,
    -32600: InvalidRequest,
    -32601: InvalidRequest,
}


def _rebuilt(slug: Any, number: int, text: str, told: Mapping[str, Any], retry: bool | None) -> CloudError:
    known = _known(slug) if isinstance(slug, str) else None
    if known is not None:
        names: list[str] = [f.name for f in fields(known)] if is_dataclass(known) else []
        if all(name in told for name in names):
            return known(**{name: told[name] for name in names})
    base = known or _BY_NUMBER.get(number, CloudError)
    code = slug if isinstance(slug, str) and slug else base.code
    remote_class: Any = _remote_class  # to mypy, classes are not hashable
    error: _Remote = remote_class(base, code, number, base.retry if retry is None else retry)(text)
    error.sent = dict(told)
    return error


class _Remote(CloudError):
    """An error of which only its text and what travelled is known."""

    sent: dict[str, Any]

    def __init__(self, text: str) -> None:
        Exception.__init__(self, text)

    def __str__(self) -> str:
        return str(self.args[0])

    def details(self) -> dict[str, Any]:
        return self.sent


@lru_cache(maxsize=200)
def _remote_class(base: Any, code: str, number: int, retry: bool) -> type[_Remote]:
    return type(base.__name__, (_Remote, base), {"code": code, "number": number, "retry": retry})


def _known(slug: str) -> type[CloudError] | None:
    found = _CLASSES.get(slug)
    if found is None:
        _CLASSES.update({cls.code: cls for cls in _subclasses(CloudError) if not issubclass(cls, _Remote)})
        found = _CLASSES.get(slug)
    return found


def _subclasses(cls: type[CloudError]) -> list[type[CloudError]]:
    return [cls, *(below for direct in cls.__subclasses__() for below in _subclasses(direct))]


_CLASSES: Final[dict[str, type[CloudError]]] = {}
