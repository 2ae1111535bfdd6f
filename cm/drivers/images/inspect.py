"""
What an image file is, by our own reading of its header, and whether it may come near QEMU at all.

Pure over a seekable binary file. Whatever the bytes, the answer is ``ImageFacts`` or ``ImageRefused``; some 250 KiB are
read at most, of that file alone: no name in it is ever followed. The format is what was claimed *and* found: a raw
disk that begins like a qcow2 file would otherwise lead QEMU, or the next tool that guesses, to files of the host.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import BinaryIO, Final

from cm.drivers.images import qcow2, vdi, vhd, vhdx, vmdk
from cm.drivers.images.packing import packing_of
from cm.drivers.images.reading import SECTOR, read_at
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

VIRTUAL_SIZE_MAX: Final = 2 * 2**40  # bytes
_ISO_AT: Final = 32_769  # "CD001" of the first volume descriptor, ECMA-119, 8.1.1


class ImageFormat(StrEnum):
    """What ``inspect`` tells apart and accepts. An ISO is written to a disk's record as raw."""

    RAW = "raw"
    QCOW2 = "qcow2"
    ISO = "iso"
    VMDK = "vmdk"
    VDI = "vdi"
    VHD = "vhd"
    VHDX = "vhdx"


@dataclass(frozen=True)
class ImageFacts:
    format: ImageFormat
    virtual_size_bytes: int  # what a guest will see
    file_size_bytes: int


_COMPRESSED: Final = "compressed ({}), which is not taken"
# Magic at the file's beginning; from QEMU's block drivers and the formats' own descriptions.
_REFUSED: Final = (
    # libvirt looks at no more than three bytes of these, and opens the file that the header names.
    (b"QFI", "what libvirt takes for a qcow image"),
    (b"QED", "a QED image"),
    (b"COWD", "a VMDK image of an ESX server"),
    (b"# Disk DescriptorFile", "a VMDK descriptor, which names other files"),
    (b"LUKS\xba\xbe", "encrypted (LUKS)"),
    (b"OOOM", "a cow image"),
    (b"WithoutFreeSpace", "a Parallels image"),
    (b"WithouFreSpacExt", "a Parallels image"),
    (b"Bochs Virtual HD Image", "a Bochs image"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", _COMPRESSED.format("7z")),
    (b"\x04\x22\x4d\x18", _COMPRESSED.format("lz4")),
    (b"LZIP", _COMPRESSED.format("lzip")),
    (b"Rar!\x1a\x07", _COMPRESSED.format("rar")),
    (b"MSWIM\0\0\0", "a WIM image"),
)
_FAULTS: Final[Mapping[bytes, ImageFault]] = {
    b"# Disk DescriptorFile": ImageFault.NAMES_FILES,
    b"LUKS\xba\xbe": ImageFault.ENCRYPTED,
    b"PK\x05\x06": ImageFault.ARCHIVE,
}
_DMG_TRAILER: Final = b"koly"
_TAR_AT: Final = 257
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_Reader = Callable[[BinaryIO, int], int]
# Magic, its place, the format, and who reads the virtual size out of its header.
_READ: Final[tuple[tuple[bytes, int, ImageFormat, _Reader], ...]] = (
    (b"QFI\xfb", 0, ImageFormat.QCOW2, qcow2.virtual_size_of),
    (vmdk.MAGIC, 0, ImageFormat.VMDK, vmdk.virtual_size_of),
    (vhd.MAGIC, 0, ImageFormat.VHD, partial(vhd.virtual_size_of, fixed=False)),
    (vhdx.MAGIC, 0, ImageFormat.VHDX, vhdx.virtual_size_of),
    (vdi.MAGIC, vdi.MAGIC_AT, ImageFormat.VDI, vdi.virtual_size_of),
)


def inspect(
    file: BinaryIO, claimed: ImageFormat | None = None, *, virtual_size_max: int = VIRTUAL_SIZE_MAX
) -> ImageFacts:
    """
    :param file: unpacked.
    :param claimed: the format that the importer named; None takes what is found.
    :param virtual_size_max: bytes a guest may see.
    :raises ImageRefused: with the fault in words, and its kind.
    """
    try:
        facts = _inspect(file, virtual_size_max)
    except OSError as error:
        raise ImageRefused(f"it cannot be read: {error.strerror or error}") from error
    if claimed is not None and facts.format != claimed:
        raise ImageRefused(f"it is {facts.format}, not {claimed} as claimed", ImageFault.CLAIM)
    return facts


def _inspect(file: BinaryIO, virtual_size_max: int) -> ImageFacts:
    size_bytes = file.seek(0, os.SEEK_END)
    if size_bytes == 0:
        raise ImageRefused("it is empty", ImageFault.FORMAT)
    head = read_at(file, 0, SECTOR)
    packing = packing_of(head)
    if packing is not None:
        raise ImageRefused(f"it is compressed ({packing}); unpack first", ImageFault.ARCHIVE)
    refuse_head(head)
    image_format, reader = _by_magic(head)
    if reader is None:
        if size_bytes < SECTOR:
            raise ImageRefused(f"it has {size_bytes} bytes, and a disk has {SECTOR} at the least", ImageFault.FORMAT)
        image_format, reader = _by_end(file, size_bytes)
    virtual_size_bytes = reader(file, size_bytes)
    if virtual_size_bytes > virtual_size_max:
        raise ImageRefused(
            f"its virtual size of {virtual_size_bytes} bytes is over the limit of {virtual_size_max}",
            ImageFault.TOO_LARGE,
        )
    return ImageFacts(image_format, virtual_size_bytes, size_bytes)


def _by_magic(head: bytes) -> tuple[ImageFormat, _Reader | None]:
    for magic, at, image_format, reader in _READ:
        if head[at : at + len(magic)] == magic:
            return image_format, reader
    return ImageFormat.RAW, None


def _by_end(file: BinaryIO, size_bytes: int) -> tuple[ImageFormat, _Reader]:
    # A fixed VHD and a DMG are told by their last sector alone.
    tail = read_at(file, size_bytes - SECTOR, SECTOR)
    if tail.startswith(vhd.MAGIC):
        return ImageFormat.VHD, partial(vhd.virtual_size_of, fixed=True)
    if tail.startswith(_DMG_TRAILER):
        raise ImageRefused("it is a DMG image", ImageFault.FORMAT)
    return (ImageFormat.ISO if read_at(file, _ISO_AT, 5) == b"CD001" else ImageFormat.RAW), _whole


def _whole(_: BinaryIO, size_bytes: int) -> int:
    return -(-size_bytes // SECTOR) * SECTOR  # QEMU rounds a raw file up to whole sectors


def refuse_head(head: bytes) -> None:
    """
    What the first sector shows already: a foreign format, text. What is packed may be anything.

    :raises ImageRefused: with what it is.
    """
    if packing_of(head) is not None or _by_magic(head)[1] is not None:
        return
    for magic, what in _REFUSED:
        if head.startswith(magic):
            raise ImageRefused(f"it is {what}", _FAULTS.get(magic, ImageFault.FORMAT))
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        raise ImageRefused("it is a tar archive (an OVA?); unpack first", ImageFault.ARCHIVE)
    text = text_in(head)
    if text is not None:
        raise ImageRefused(f"it is {text}, no disk", ImageFault.FORMAT)


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
