"""Bodies that travel compressed (RFC 9110, 8.4 and 12.5.3): gzip, which every client has."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from cm.rpc.errors import TooLarge, UnparsableRequest

WORTH_BYTES: Final = 1024  # below a packet nothing is gained
_PART: Final = 128 * 1024  # bytes that are compressed at once, in about a millisecond
_LEVEL: Final = 1  # lists of VMs shrink to a tenth already; the next levels take twice the time for a tenth of that
_GZIP: Final = 16 + zlib.MAX_WBITS
_NAMES: Final = frozenset({"gzip", "x-gzip"})
VARY: Final = (b"Vary", b"accept-encoding")


class UnknownEncoding(Exception):
    """A body is in an encoding other than gzip."""


def decoded(body: bytes, encoding: str | None, limit: int) -> bytes:
    """
    A request's body as it was before it was compressed.

    :param encoding: the ``Content-Encoding``, if there is one.
    :param limit: bytes that it may have; no more are ever made of it.
    :raises UnknownEncoding: neither gzip nor none.
    :raises UnparsableRequest: it is not gzip, or not whole.
    :raises TooLarge: it is longer than the limit.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in _NAMES:
        raise UnknownEncoding(name)
    reader = zlib.decompressobj(_GZIP)
    try:
        plain = reader.decompress(body, limit + 1)
    except zlib.error:
        raise UnparsableRequest("it is not gzip, though its Content-Encoding says so") from None
    if len(plain) > limit:
        raise TooLarge("The body", limit)
    if not reader.eof or reader.unused_data:
        raise UnparsableRequest("its gzip is not whole")
    return plain


def accepts_gzip(accepted: str | None) -> bool:
    """Whether an ``Accept-Encoding`` asks for gzip; without one, or with ``*`` alone, nobody asked."""
    for part in (accepted or "").lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() in _NAMES:
            weight = parameters.replace(" ", "")
            return not (weight.startswith("q=0") and not weight.strip("q=0."))
    return False


async def encoded(
    body: bytes, headers: Any, pause: Callable[[], Awaitable[object]]
) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    """
    An answer's body as its reader takes it, and the headers that say so.

    :param headers: the request's.
    :param pause: as of ``compressed``.
    """
    if len(body) < WORTH_BYTES:
        return body, ()
    if not accepts_gzip(joined(headers, b"accept-encoding")):
        return body, (VARY,)
    return await compressed(body, pause), (VARY, (b"Content-Encoding", b"gzip"))


def joined(headers: Any, name: bytes) -> str | None:
    """A header's lines in one, as RFC 9110, 5.3 joins them."""
    values = headers.getRawHeaders(name)
    return b",".join(values).decode("latin-1") if values else None


async def compressed(body: bytes, pause: Callable[[], Awaitable[object]]) -> bytes:
    """
    The body as gzip.

    :param pause: gives the reactor back, between parts of a large one.
    """
    writer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    parts = []
    for start in range(0, len(body), _PART):
        if start:
            await pause()
        parts.append(writer.compress(memoryview(body)[start : start + _PART]))
    parts.append(writer.flush())
    return b"".join(parts)
