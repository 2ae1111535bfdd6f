"""
Files of checksums that stand beside images: as GNU's sha256sum writes them, as BSD's does, or one sum alone; as they
are or as signed clear text. A signature is not verified here (``signed.py``).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

SUMS_BYTES_MAX: Final = 2**20
_LINES_MAX: Final = 20_000
_GNU: Final = re.compile(r"\\?([0-9A-Fa-f]{32,128})[ \t]+\*?(.+)\Z")
_BSD: Final = re.compile(r"([A-Za-z0-9-]+)[ \t]*\((.+)\)[ \t]*=[ \t]*([0-9A-Fa-f]{32,128})\Z")
_ALONE: Final = re.compile(r"([0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})\Z")
_LENGTHS: Final = {64: "sha256", 128: "sha512"}
_SIGNED: Final = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE: Final = "-----BEGIN PGP SIGNATURE-----"


def sums_url(url: str, sums: str) -> str:
    """Where a file of checksums is: a name beside the image, or a URL."""
    return urljoin(url, sums)


def name_of(url: str) -> str:
    """What a file of checksums calls the file that ``url`` gives."""
    return unquote(urlsplit(url).path).rpartition("/")[2]


def find_sum(content: bytes, name: str) -> tuple[str, str]:
    """
    The checksum of a file, out of a file of checksums.

    :return: "sha256" or "sha512", the latter where both are told, and the digest in lower case.
    :raises ImageRefused: it tells none, or two that contradict each other.
    """
    found: dict[str, str] = {}
    lines = _clear(content.decode("utf-8", "replace")).splitlines()[:_LINES_MAX]
    for line in lines:
        pair = _read(line.strip())
        if pair is None or not _is(pair[1], name):
            continue
        kind = _LENGTHS.get(len(pair[0]))
        if kind is None:
            continue  # MD5, SHA-1
        if found.setdefault(kind, pair[0]) != pair[0]:
            raise ImageRefused(f"the file of checksums tells two of {name[:100]}", ImageFault.CHECKSUM)
    if not found:
        alone = [line.strip() for line in lines if line.strip()]
        if len(alone) == 1 and _ALONE.match(alone[0]):
            found[_LENGTHS[len(alone[0])]] = alone[0].lower()
    for kind in ("sha512", "sha256"):
        if kind in found:
            return kind, found[kind]
    raise ImageRefused(f"the file of checksums tells no SHA-256 or SHA-512 of {name[:100]}", ImageFault.CHECKSUM)


def _clear(text: str) -> str:
    """Of signed text what is signed, if it is signed at all."""
    before, begin, rest = text.partition(_SIGNED)
    if not begin or before.strip():
        return text
    signed, end, _ = rest.partition(_SIGNATURE)
    if not end:
        raise ImageRefused("the file of checksums is cut off", ImageFault.CHECKSUM)
    _, _, body = signed.replace("\r\n", "\n").partition("\n\n")  # behind the headers, which name the digest
    return "\n".join(line.removeprefix("- ") for line in body.split("\n"))  # RFC 4880, 7.1


def _read(line: str) -> tuple[str, str] | None:
    """Digest, in lower case, and name."""
    bsd = _BSD.match(line)
    if bsd:
        told = {"SHA256": 64, "SHA2-256": 64, "SHA512": 128, "SHA2-512": 128}.get(bsd[1].upper())
        return (bsd[3].lower(), bsd[2]) if told == len(bsd[3]) else None
    gnu = _GNU.match(line)
    return (gnu[1].lower(), gnu[2]) if gnu else None


def _is(told: str, name: str) -> bool:
    return told.removeprefix("./") == name
