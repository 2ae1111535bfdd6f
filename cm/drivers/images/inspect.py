"""
What an image file is, by our own reading of its header, and whether it may come near QEMU at all.

Pure over a seekable binary file. Whatever the bytes, the answer is ``ImageFacts`` or ``ImageRefused``; at most some 100
KiB are read. The format is what was claimed *and* found: a raw disk that begins like a qcow2 file would otherwise lead
QEMU, or the next tool that guesses, to files of the host.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Final

from cm.rpc.errors import ImageRefused

VIRTUAL_SIZE_MAX: Final = 2 * 2**40  # bytes
SECTOR: Final = 512
_ISO_AT: Final = 32_769  # "CD001" of the first volume descriptor, ECMA-119, 8.1.1


class ImageFormat(StrEnum):
    """What ``inspect`` tells apart and accepts. An ISO is written to a disk's record as raw."""

    RAW = "raw"
    QCOW2 = "qcow2"
    ISO = "iso"


@dataclass(frozen=True)
class ImageFacts:
    format: ImageFormat
    virtual_size_bytes: int  # what a guest will see
    file_size_bytes: int


_COMPRESSED: Final = "compressed ({}); unpack first"
# Magic at the file's beginning; from QEMU's block drivers and the formats' own descriptions.
_REFUSED: Final = (
    (b"QED\0", "a QED image"),
    (b"KDMV", "a VMDK image"),
    (b"COWD", "a VMDK image"),
    (b"# Disk DescriptorFile", "a VMDK descriptor, which names other files"),
    (b"conectix", "a VHD image"),
    (b"vhdxfile", "a VHDX image"),
    (b"LUKS\xba\xbe", "encrypted (LUKS)"),
    (b"OOOM", "a cow image"),
    (b"WithoutFreeSpace", "a Parallels image"),
    (b"WithouFreSpacExt", "a Parallels image"),
    (b"Bochs Virtual HD Image", "a Bochs image"),
    (b"\x1f\x8b", _COMPRESSED.format("gzip")),
    (b"\xfd7zXZ\0", _COMPRESSED.format("xz")),
    (b"PK\x03\x04", _COMPRESSED.format("zip")),
    (b"PK\x05\x06", _COMPRESSED.format("zip")),
    (b"\x28\xb5\x2f\xfd", _COMPRESSED.format("zstd")),
    (b"BZh", _COMPRESSED.format("bzip2")),
    (b"7z\xbc\xaf\x27\x1c", _COMPRESSED.format("7z")),
    (b"\x04\x22\x4d\x18", _COMPRESSED.format("lz4")),
)
_VDI_AT: Final = 64
_VDI: Final = b"\x7f\x10\xda\xbe"
_DMG_TRAILER: Final = b"koly"
_TAR_AT: Final = 257
_QCOW: Final = b"QFI\xfb"
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


def inspect(
    file: BinaryIO, claimed: ImageFormat | None = None, *, virtual_size_max: int = VIRTUAL_SIZE_MAX
) -> ImageFacts:
    """
    :param claimed: the format that the importer named; None takes what is found.
    :param virtual_size_max: bytes a guest may see.
    :raises ImageRefused: with the fault in words.
    """
    try:
        facts = _inspect(file, virtual_size_max)
    except OSError as error:
        raise ImageRefused(f"it cannot be read: {error.strerror or error}") from error
    if claimed is not None and facts.format != claimed:
        raise ImageRefused(f"it is {facts.format}, not {claimed} as claimed")
    return facts


def _inspect(file: BinaryIO, virtual_size_max: int) -> ImageFacts:
    # Imported late: qcow2.py needs this module's types.
    from cm.drivers.images.qcow2 import virtual_size_of

    size_bytes = file.seek(0, os.SEEK_END)
    if size_bytes == 0:
        raise ImageRefused("it is empty")
    head = read_at(file, 0, SECTOR)
    refuse_head(head)
    if head.startswith(_QCOW):
        virtual_size_bytes = virtual_size_of(file, size_bytes)
        image_format = ImageFormat.QCOW2
    else:
        if size_bytes < SECTOR:
            raise ImageRefused(f"it has {size_bytes} bytes, and a disk has {SECTOR} at the least")
        _refuse_tail(file, size_bytes)
        image_format = ImageFormat.ISO if read_at(file, _ISO_AT, 5) == b"CD001" else ImageFormat.RAW
        virtual_size_bytes = -(-size_bytes // SECTOR) * SECTOR  # QEMU rounds a raw file up to whole sectors
    if virtual_size_bytes > virtual_size_max:
        raise ImageRefused(f"its virtual size of {virtual_size_bytes} bytes is over the limit of {virtual_size_max}")
    return ImageFacts(image_format, virtual_size_bytes, size_bytes)


def refuse_head(head: bytes) -> None:
    """
    What the first sector shows already: a foreign or compressed format, text.

    :raises ImageRefused: with what it is.
    """
    if head.startswith(_QCOW):
        return
    for magic, what in _REFUSED:
        if head.startswith(magic):
            raise ImageRefused(f"it is {what}")
    if head[_VDI_AT : _VDI_AT + 4] == _VDI:
        raise ImageRefused("it is a VDI image")
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        raise ImageRefused("it is a tar archive (an OVA?); unpack first")
    text = text_in(head)
    if text is not None:
        raise ImageRefused(f"it is {text}, no disk")


def text_in(head: bytes) -> str | None:
    """What kind of text begins like this; None: it is none. Boot code and file systems have control characters."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        plain = head[2:].replace(b"\0", b"")  # UTF-16, of which ASCII is enough to tell
    else:
        plain = head.removeprefix(b"\xef\xbb\xbf")
    begins = plain.lstrip().lower()
    if begins.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if not plain or _CONTROL.search(plain):
        return None
    if begins.startswith((b"<?xml", b"<!", b"<")):
        return "markup (XML or HTML)"
    if begins.startswith((b"{", b"[")):
        return "JSON or text like it"
    try:
        plain.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # else it is a character that the sector's end has cut
            return None
    return "text"


def _refuse_tail(file: BinaryIO, size_bytes: int) -> None:
    # A fixed VHD and a DMG are told by their last sector alone.
    tail = read_at(file, max(0, size_bytes - SECTOR), SECTOR)
    if tail.startswith(b"conectix"):
        raise ImageRefused("it is a VHD image")
    if tail.startswith(_DMG_TRAILER):
        raise ImageRefused("it is a DMG image")


def read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Up to ``count`` bytes; fewer only at the end of the file, also from a file that gives them in pieces."""
    file.seek(offset)
    parts: list[bytes] = []
    while count > 0:
        part = file.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
