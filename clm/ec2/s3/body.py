"""
Bodies as clients of S3 send them: as they are, or in chunks, signed or not, with a trailer or without. What they say
that a body is has to be true before it ends for whoever takes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from clm.ec2.s3.crc import CRC32, CRC32C, CRC64NVME
from clm.ec2.s3.errors import S3Error, not_implemented

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING: Final = frozenset({SIGNED_CHUNKS, SIGNED_TRAILER, UNSIGNED_TRAILER})
LINE_MAX: Final = 4096  # bytes of a chunk's head, and of the trailer
CHUNK_MAX: Final = 2**30
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")
_EMPTY: Final = hashlib.sha256(b"").hexdigest()
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?\Z")
Take = Callable[[], Awaitable[list[bytes]]]


class Digest(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def digest(self) -> bytes: ...


_CHECKSUMS: Final[Mapping[str, Callable[[], Digest]]] = {
    "crc32": CRC32,
    "crc32c": CRC32C.copy,
    "crc64nvme": CRC64NVME.copy,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


@dataclass(frozen=True)
class Chain:
    """
    How chunks are signed, each over the signature before it.

    :ivar seed: the request's own signature. :ivar sign: with the key of the request's scope.
    """

    stamp: str
    scope: str
    seed: str
    sign: Callable[[bytes], str]


class Payload:
    """
    A body, as what it stands for.

    :param take: what comes of it; empty: that was all.
    :param told: ``x-amz-content-sha256``.
    :param length: bytes that are to come of what it stands for.
    :param headers: in lower case.
    :param chain: where chunks are signed.
    :raises S3Error: it cannot be read so.
    """

    def __init__(self, take: Take, told: str, length: int, headers: Mapping[str, str], chain: Chain | None) -> None:
        self._take = take
        self._left = length
        self._length = length
        self._chain = chain
        self._ended = False
        self._checks: list[tuple[Digest, Callable[[], bytes], str]] = []
        trailer = headers.get("x-amz-trailer", "").strip().lower()
        self._trailer: dict[str, str] = {}
        self._wants: set[str] = set()
        for name in _CHECKSUMS:
            header = f"x-amz-checksum-{name}"
            if header in headers:
                self._expect(_CHECKSUMS[name](), _base64(headers[header]))
            elif trailer == header:
                self._wants = {header}
                told_last = partial(self._told_last, header)
                self._checks.append((_CHECKSUMS[name](), told_last, "BadDigest"))
        if trailer and not self._wants:
            raise not_implemented("This trailer")
        if "content-md5" in headers:
            self._expect(hashlib.md5(usedforsecurity=False), _base64(headers["content-md5"]))
        self._chunks: _Chunks | None = None
        if told in STREAMING:
            if (told == SIGNED_CHUNKS) == bool(trailer):
                raise S3Error("InvalidRequest", "Trailers are told of by X-Amz-Content-Sha256 and X-Amz-Trailer.")
            if told != UNSIGNED_TRAILER and chain is None:
                raise S3Error("InvalidRequest", "The chunks of a signed URL are not signed.")
            self._chunks = _Chunks(None if told == UNSIGNED_TRAILER else chain, self._trailer, bool(trailer))
        elif trailer:
            raise S3Error("InvalidRequest", "A trailer comes with chunks.")
        elif _HEX.match(told):
            self._expect(hashlib.sha256(), bytes.fromhex(told), "XAmzContentSHA256Mismatch")
        elif told != UNSIGNED:
            raise S3Error("InvalidArgument", "X-Amz-Content-Sha256 is none.")

    def _told_last(self, header: str) -> bytes:
        return _base64(self._trailer[header])

    def _expect(self, digest: Digest, wanted: bytes, code: str = "BadDigest") -> None:
        self._checks.append((digest, lambda: wanted, code))

    async def take(self) -> list[bytes]:
        """
        What comes next of what it stands for; empty: that was all, and it is what it should be.

        :raises S3Error: it is not.
        """
        while not self._ended:
            pieces = await self._take()
            if not pieces:
                self._ended = True
                self._check_end()
                break
            found = pieces if self._chunks is None else self._chunks.read(b"".join(pieces))
            size = sum(map(len, found))
            self._left -= size
            if self._left < 0:
                raise S3Error("IncompleteBody", "More comes than was told.")
            if size:
                for digest, _, _ in self._checks:
                    for piece in found:
                        digest.update(piece)
                return found
        return []

    def _check_end(self) -> None:
        if self._chunks is not None:
            self._chunks.check_end()
        if self._left:
            raise S3Error("IncompleteBody", f"{self._length - self._left} bytes came of {self._length}.")
        if self._wants - self._trailer.keys():
            raise S3Error("InvalidRequest", "The trailer that was told of did not come.")
        for digest, wanted, code in self._checks:
            if not hmac.compare_digest(digest.digest(), wanted()):
                raise S3Error(code, "What came is not what was said to come.")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise S3Error("InvalidDigest", "A checksum is no base64.") from None


class _Chunks:
    """``aws-chunked``: each with its length before it; the empty one is the last, and then the trailer."""

    def __init__(self, chain: Chain | None, trailer: dict[str, str], with_trailer: bool) -> None:
        self._chain = chain
        self._before = "" if chain is None else chain.seed
        self._trailer = trailer
        self._with_trailer = with_trailer
        self._buffer = b""
        self._state = "head"
        self._left = 0  # of the chunk's bytes
        self._hash: Any = None
        self._told = b""
        self._lines: list[bytes] = []

    def read(self, data: bytes) -> list[bytes]:
        """:raises S3Error: it is none, or a signature is wrong."""
        self._buffer += data
        found: list[bytes] = []
        while self._step(found):
            pass
        return found

    def _step(self, found: list[bytes]) -> bool:
        """:return: whether there may be more to be read."""
        if self._state == "payload":
            piece, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
            self._left -= len(piece)
            if piece:
                found.append(piece)
                if self._hash is not None:
                    self._hash.update(piece)
            if not self._left:
                self._state = "after"
            return bool(self._buffer)
        if self._state == "after":
            if len(self._buffer) < 2:
                return False
            if self._buffer[:2] != b"\r\n":
                raise _broken()
            self._buffer, self._state = self._buffer[2:], "head"
            self._verify_chunk()
            return True
        if self._state == "over":
            if self._buffer:
                raise _broken()
            return False
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            if len(self._buffer) > LINE_MAX:
                raise _broken()
            return False
        if len(line) > LINE_MAX:
            raise _broken()
        self._buffer = rest
        if self._state == "head":
            self._begin(line)
        else:
            self._read_trailer(line)
        return True

    def _begin(self, line: bytes) -> None:
        read = _CHUNK.match(line)
        if read is None or (self._chain is not None) != (read[2] is not None):
            raise _broken()
        self._left, self._told = int(read[1], 16), read[2] or b""
        if self._left > CHUNK_MAX:
            raise _broken()
        if self._chain is not None:
            self._hash = hashlib.sha256()
        if self._left:
            self._state = "payload"
        else:
            self._verify_chunk()
            self._state = "trailer"

    def _verify_chunk(self) -> None:
        if self._chain is None:
            return
        chain = self._chain
        to_sign = "\n".join((
            "AWS4-HMAC-SHA256-PAYLOAD", chain.stamp, chain.scope, self._before, _EMPTY, self._hash.hexdigest()
        ))  # fmt: skip
        self._before = self._verified(to_sign, self._told)

    def _verified(self, to_sign: str, told: bytes) -> str:
        assert self._chain is not None
        made = self._chain.sign(to_sign.encode())
        if not hmac.compare_digest(made.encode(), told):
            raise S3Error("SignatureDoesNotMatch", "A chunk is signed otherwise.")
        return made

    def _read_trailer(self, line: bytes) -> None:
        if line:
            self._lines.append(line)
            if len(self._lines) > 8:
                raise _broken()
            return
        self._state = "over"
        signature = b""
        signed = []
        for each in self._lines:
            name, colon, value = each.partition(b":")
            if not colon:
                raise _broken()
            key = name.strip().lower().decode("latin-1")
            if key == "x-amz-trailer-signature":
                signature = value.strip()
            elif key in self._trailer:
                raise _broken()
            else:
                self._trailer[key] = value.strip().decode("latin-1")
                signed.append(key.encode() + b":" + value.strip() + b"\n")
        if self._trailer and not self._with_trailer:
            raise _broken()
        if self._chain is not None and self._with_trailer:
            chain, digest = self._chain, hashlib.sha256(b"".join(signed)).hexdigest()
            told = ("AWS4-HMAC-SHA256-TRAILER", chain.stamp, chain.scope, self._before, digest)
            self._verified("\n".join(told), signature)

    def check_end(self) -> None:
        """:raises S3Error: the last chunk has not come."""
        if self._state == "trailer" and not self._lines and not self._with_trailer and not self._buffer:
            return  # some leave out the last empty line
        if self._state != "over":
            raise S3Error("IncompleteBody", "The last chunk has not come.")


def _broken() -> S3Error:
    return S3Error("InvalidRequest", "The chunks of the body cannot be read.")
