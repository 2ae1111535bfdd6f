"""
What images come packed in: gzip, bzip2, xz, zstd, and zip archives of one file. Told by their first bytes; of a zip
archive the directory at its end is read too, since it is what says how many files there are. Nothing is unpacked here.
"""

from __future__ import annotations

import os
import struct
from enum import StrEnum
from typing import BinaryIO, Final

from cm.drivers.images.reading import SECTOR, read_at
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault


class Packing(StrEnum):
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"
    ZIP = "zip"


# Endings of files, as those have them who pack images.
ENDINGS: Final[dict[str, Packing]] = {
    ".gz": Packing.GZIP,
    ".bz2": Packing.BZIP2,
    ".xz": Packing.XZ,
    ".zst": Packing.ZSTD,
    ".zstd": Packing.ZSTD,
    ".zip": Packing.ZIP,
}
_MAGIC: Final = (
    (b"\x1f\x8b\x08", Packing.GZIP),
    (b"BZh", Packing.BZIP2),
    (b"\xfd7zXZ\0", Packing.XZ),
    (b"\x28\xb5\x2f\xfd", Packing.ZSTD),
    (b"PK\x03\x04", Packing.ZIP),
)
_END: Final = struct.Struct("<4sHHHHIIH")  # of a zip archive's directory: APPNOTE.TXT, 4.3.16
_END_MAGIC: Final = b"PK\x05\x06"
_COMMENT_MAX: Final = 65_535
_END64_LOCATOR: Final = struct.Struct("<4sIQI")
_END64: Final = struct.Struct("<4sQHHIIQQQQ")
_ENTRY: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_ENTRY_MAGIC: Final = b"PK\x01\x02"
_MANY16, _MANY32 = 0xFFFF, 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_UNIX: Final = 3
_S_IFMT, _S_IFREG = 0xF000, 0x8000
_NAME_MAX: Final = 1024
_ZSTD_WINDOW_MAX: Final = 128 * 2**20


def packing_of(head: bytes) -> Packing | None:
    """
    :param head: the first sector.
    """
    for magic, packing in _MAGIC:
        if head.startswith(magic):
            return packing
    return None


def check_packed(file: BinaryIO, packing: Packing) -> None:
    """
    What can be told without unpacking.

    :raises ImageRefused: an archive of several files, a file that has a path, encrypted, or needs too much memory.
    """
    if packing is Packing.ZIP:
        _check_zip(file)
    elif packing is Packing.ZSTD:
        _check_zstd(read_at(file, 0, SECTOR))


def _check_zip(file: BinaryIO) -> None:
    size_bytes = file.seek(0, os.SEEK_END)
    tail_at = max(0, size_bytes - _COMMENT_MAX - _END.size)
    tail = read_at(file, tail_at, _COMMENT_MAX + _END.size)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or at + _END.size > len(tail):
        raise ImageRefused("its zip directory is missing: it is cut off", ImageFault.DAMAGED)
    _, disk, first_disk, here, entries, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise ImageRefused("something follows its zip directory", ImageFault.ARCHIVE)
    if _MANY16 in (here, entries) or _MANY32 in (length, offset):
        here, entries, length, offset = _zip64(file, tail_at + at)
    if disk or first_disk:
        raise ImageRefused("it is one part of a zip archive", ImageFault.ARCHIVE)
    if entries != 1 or here != 1:
        raise ImageRefused(f"it is a zip archive of {entries} files, and may be of one alone", ImageFault.ARCHIVE)
    raw = read_at(file, offset, _ENTRY.size + _NAME_MAX)
    if len(raw) < _ENTRY.size or not raw.startswith(_ENTRY_MAGIC) or offset + length > size_bytes:
        raise ImageRefused("its zip directory is damaged", ImageFault.DAMAGED)
    (_, made_by, _, flags, method, _, _, _, _, _, name_bytes, _, _, _, _, attributes, _) = _ENTRY.unpack_from(raw)
    if flags & _ENCRYPTED:
        raise ImageRefused("the file in it is encrypted", ImageFault.ENCRYPTED)
    if method not in (_STORED, _DEFLATED):
        raise ImageRefused(f"the file in it is compressed by method {method}, which is not taken", ImageFault.FEATURES)
    name = raw[_ENTRY.size : _ENTRY.size + name_bytes]
    if name_bytes > _NAME_MAX or len(name) < name_bytes or b"\0" in name:
        raise ImageRefused("the file in it has an absurd name", ImageFault.ARCHIVE)
    parts = name.replace(b"\\", b"/").split(b"/")
    if b".." in parts or b"" in parts or b":" in parts[0]:
        raise ImageRefused("the file in it has a path that leads elsewhere, or is a directory", ImageFault.ARCHIVE)
    kind = attributes >> 16 & _S_IFMT
    if made_by >> 8 == _UNIX and kind not in (0, _S_IFREG):
        raise ImageRefused("what is in it is no regular file", ImageFault.ARCHIVE)


def _zip64(file: BinaryIO, end_at: int) -> tuple[int, int, int, int]:
    raw = read_at(file, max(0, end_at - _END64_LOCATOR.size), _END64_LOCATOR.size)
    if len(raw) == _END64_LOCATOR.size and raw.startswith(b"PK\x06\x07"):
        at = _END64_LOCATOR.unpack(raw)[2]
        found = read_at(file, at, _END64.size) if at < end_at else b""
        if len(found) == _END64.size and found.startswith(b"PK\x06\x06"):
            here, entries, length, offset = _END64.unpack(found)[6:]
            return here, entries, length, offset
    raise ImageRefused("its zip directory is damaged", ImageFault.DAMAGED)


def _check_zstd(head: bytes) -> None:
    """RFC 8878, 3.1.1: the window is what unpacking needs of memory."""
    if len(head) < 6:
        raise ImageRefused("its zstd header is cut off", ImageFault.DAMAGED)
    descriptor = head[4]
    if descriptor & 0x8:
        raise ImageRefused("it uses unknown zstd features", ImageFault.FEATURES)
    dictionary, single = descriptor & 3, descriptor & 0x20
    at = 5
    window = 0
    if not single:
        exponent, mantissa = head[at] >> 3, head[at] & 7
        window = (1 << 10 + exponent) // 8 * (8 + mantissa)
        at += 1
    bytes_of_dictionary = (0, 1, 2, 4)[dictionary]
    if any(head[at : at + bytes_of_dictionary]):
        raise ImageRefused("it needs a zstd dictionary", ImageFault.FEATURES)
    at += bytes_of_dictionary
    if single:
        count = (1, 2, 4, 8)[descriptor >> 6]
        window = int.from_bytes(head[at : at + count], "little") + (256 if count == 2 else 0)
    if window > _ZSTD_WINDOW_MAX:
        raise ImageRefused("unpacking it would take too much memory", ImageFault.TOO_LARGE)
