"""What buckets and keys may be called, how parts become an object, and how a list of keys is told in pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from cm.rpc.errors import InvalidParameter

KEY_BYTES: Final = 1024  # as S3 has it
# What no view takes (``ILLEGAL`` of the wire): a key with one of these could be put by its bytes' way, and not deleted.
_UNSENDABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
PART_BYTES_MAX: Final = 5 * 2**30
PART_BYTES_MIN: Final = 5 * 2**20  # of all parts but the last
PARTS_MAX: Final = 10_000
HEAD: Final = b"wawel object\n".ljust(4096, b"\0")
"""
Before an object's bytes in its volume. Whoever lists a storage looks at how its files begin: what somebody sent must
not be taken for a disk that stands on another one.
"""
_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]\Z", re.ASCII)
_ADDRESS: Final = re.compile(r"[0-9]+(\.[0-9]+){3}\Z", re.ASCII)


def check_bucket(name: str) -> str:
    """
    As S3's: a name that may stand in an address.

    :raises InvalidParameter: it is none.
    """
    if _BUCKET.match(name) is None or ".." in name or ".-" in name or "-." in name or _ADDRESS.match(name):
        raise InvalidParameter("name", "it must be 3 to 63 of a-z, 0-9, - and ., as in a host's name")
    return name


def check_key(key: str) -> str:
    """
    Any text; it is a name, and never a path of ours.

    :raises InvalidParameter: it is empty or too long, or cannot be kept.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidParameter("key", "it is no text") from None
    if not 0 < size <= KEY_BYTES:
        raise InvalidParameter("key", f"it must have 1 to {KEY_BYTES} bytes")
    if _UNSENDABLE.search(key):
        raise InvalidParameter("keys", "one holds a character that cannot be sent")
    return key


class Part(NamedTuple):
    id: int
    uuid: str
    number: int
    size_bytes: int
    etag: str


class PartRefused(Exception):
    """:ivar code: S3's word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def assembled(wanted: Sequence[tuple[int, str]], there: Sequence[Part]) -> list[Part]:
    """
    The parts that an object is to be made of, in order.

    :param wanted: numbers and ETags.
    :raises PartRefused: they are not in order, not there, or too small.
    """
    numbers = [number for number, _ in wanted]
    if numbers != sorted(set(numbers)):
        raise PartRefused("InvalidPartOrder")
    by_number = {each.number: each for each in there}
    found = []
    for number, etag in wanted:
        part = by_number.get(number)
        if part is None or part.etag != etag.strip('"'):
            raise PartRefused("InvalidPart")
        found.append(part)
    if not found:
        raise PartRefused("InvalidPart")
    if any(part.size_bytes < PART_BYTES_MIN for part in found[:-1]):
        raise PartRefused("EntityTooSmall")
    return found


def etag_of(parts: Sequence[Part]) -> str:
    """Of an object in parts, as S3 has it."""
    digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(parts)}"


# Of an object, in all; S3 has 2 KB of a user's own. With the longest key, and as base64, they are one header between
# managers, whose whole head has 16 KiB.
HEADERS_BYTES: Final = 4096
_MARKS: Final = 6  # that a name and its value have around them there
# Nothing that would say something else of an answer that it stands in.
_HEADER: Final = re.compile(
    r"(?:content-(?:type|disposition|encoding|language)|cache-control|expires"
    r"|x-amz-meta-[a-z0-9!#$%&'*+.^_`|~-]{1,256})\Z",
    re.ASCII,
)
_VALUE: Final = re.compile(r"[\x20-\x7e\xa0-\xff]*\Z")


def check_headers(headers: Mapping[str, str]) -> None:
    """
    What an object is told with; each a line of an answer's head.

    :raises InvalidParameter: something could be none, or it is too much.
    """
    for name, value in headers.items():
        if _HEADER.match(name) is None or _VALUE.match(value) is None:
            raise InvalidParameter("headers", "a name or a value may not stand in a header")
    if sum(len(name) + len(value.encode()) + _MARKS for name, value in headers.items()) > HEADERS_BYTES:
        raise InvalidParameter("headers", f"they have more than {HEADERS_BYTES} bytes")
