"""
The header of a VMDK file that holds its whole disk: monolithicSparse and streamOptimized (VMware, "Virtual Disk Format
5.0"; QEMU, block/vmdk.c).

A VMDK is told what it is by a text within it, which may name other files: extents, and the disk that it is a difference
to. Only a text that names nothing but the file itself is taken.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from cm.drivers.images.reading import SECTOR, read_at
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

MAGIC: Final = b"KDMV"
_HEADER: Final = struct.Struct("<4sIIQQQQIQQQB4sH")
_AT_END: Final = 2**64 - 1  # as the place of the grain directory: a second header at the file's end tells it
_FLAGS: Final = 0x1 | 0x2 | 0x4 | 0x10000 | 0x20000  # line ends, second directory, zeroed grains, compressed, markers
_COMPRESSED: Final = 0x10000
_NEWLINES: Final = b"\n \r\n"
_ENTRIES: Final = 512  # of a grain table, always
_GRAIN_MAX: Final = 2048  # sectors; 128 is usual
_DIRECTORY_BYTES_MAX: Final = 64 * 2**20
_DESCRIPTOR_SECTORS_MAX: Final = 128
_QEMU_READS: Final = 20 * SECTOR  # of the descriptor, from the second sector on, looking for a parent
_TYPES: Final = frozenset(("monolithicsparse", "streamoptimized"))
_PAIR: Final = re.compile(r'([A-Za-z][A-Za-z0-9_.]*)\s*=\s*"?([^"]*)"?\s*\Z')
_EXTENT: Final = re.compile(r'(RW|RDONLY|NOACCESS)\s+(\d{1,20})\s+([A-Z]+)\s*(?:"([^"]*)")?', re.ASCII)
_NO_PARENT: Final = "ffffffff"


@dataclass(frozen=True)
class _Header:
    version: int
    flags: int
    capacity: int  # sectors, as all that follows
    grain: int
    descriptor_at: int
    descriptor_size: int
    entries: int
    directory_at: int
    unclean: int
    newlines: bytes
    algorithm: int


def virtual_size_of(file: BinaryIO, file_size_bytes: int) -> int:
    """
    What a guest would see, once all checks have passed.
    :raises ImageRefused: the header is hostile, damaged or uses what we do not take.
    """
    header = _header(read_at(file, 0, SECTOR))
    _check(header)
    at = header.directory_at
    if at == _AT_END:
        at = _footer(file, file_size_bytes, header).directory_at
    directory_bytes = 4 * -(-header.capacity // (_ENTRIES * header.grain))
    if directory_bytes > _DIRECTORY_BYTES_MAX:
        raise ImageRefused("its virtual size is absurdly large", ImageFault.TOO_LARGE)
    if at == 0 or at * SECTOR + directory_bytes > file_size_bytes:
        raise ImageRefused("its grain directory lies beyond the end of the file: it is cut off", ImageFault.DAMAGED)
    _check_descriptor(file, header)
    return header.capacity * SECTOR


def _header(raw: bytes) -> _Header:
    if len(raw) < SECTOR:
        raise ImageRefused("its VMDK header is cut off", ImageFault.DAMAGED)
    (_, version, flags, capacity, grain, descriptor_at, descriptor_size, entries, _, directory_at, _, unclean, newlines,
     algorithm) = _HEADER.unpack_from(raw)  # fmt: skip
    return _Header(
        version, flags, capacity, grain, descriptor_at, descriptor_size, entries, directory_at, unclean, newlines,
        algorithm,
    )  # fmt: skip


def _check(header: _Header) -> None:
    if not 1 <= header.version <= 3:
        raise ImageRefused(f"it is a VMDK image of unknown version {header.version}", ImageFault.FEATURES)
    if header.flags & ~_FLAGS:
        raise ImageRefused(f"it uses unknown VMDK features ({header.flags & ~_FLAGS:#x})", ImageFault.FEATURES)
    if header.flags & 1 and header.newlines != _NEWLINES:
        raise ImageRefused("its line ends were converted: it was copied as if it were text", ImageFault.DAMAGED)
    if header.unclean:
        raise ImageRefused("it was not closed properly; repair it first", ImageFault.DAMAGED)
    if header.capacity == 0:
        # To QEMU this is a mere descriptor, which names files.
        raise ImageRefused("its virtual size is 0", ImageFault.NAMES_FILES)
    if header.capacity > 2**63 // SECTOR:
        raise ImageRefused("its virtual size is absurdly large", ImageFault.TOO_LARGE)
    if header.entries != _ENTRIES:
        raise ImageRefused(f"its grain tables of {header.entries} entries are out of range", ImageFault.DAMAGED)
    if header.grain & (header.grain - 1) or not 8 <= header.grain <= _GRAIN_MAX:
        raise ImageRefused(f"its grains of {header.grain} sectors are out of range", ImageFault.DAMAGED)
    if header.algorithm > 1 or bool(header.flags & _COMPRESSED) != bool(header.algorithm):
        raise ImageRefused("it is compressed in an unknown way", ImageFault.FEATURES)


def _footer(file: BinaryIO, file_size_bytes: int, header: _Header) -> _Header:
    """The second header, which QEMU goes by then: it has to say the same."""
    raw = read_at(file, max(0, file_size_bytes - 2 * SECTOR), SECTOR)
    if not raw.startswith(MAGIC):
        raise ImageRefused("its end is missing: it is cut off", ImageFault.DAMAGED)
    footer = _header(raw)
    _check(footer)
    same = ("version", "flags", "capacity", "grain", "algorithm")
    if footer.directory_at == _AT_END or any(getattr(footer, name) != getattr(header, name) for name in same):
        raise ImageRefused("its two headers contradict each other", ImageFault.DAMAGED)
    return footer


def _check_descriptor(file: BinaryIO, header: _Header) -> None:
    # QEMU looks for a parent from the second sector on, wherever the header says that the text is.
    if header.descriptor_at != 1 or not 1 <= header.descriptor_size <= _DESCRIPTOR_SECTORS_MAX:
        raise ImageRefused("its descriptor is misplaced", ImageFault.DAMAGED)
    raw = read_at(file, SECTOR, max(header.descriptor_size * SECTOR, _QEMU_READS))
    if b"parentfilenamehint" in raw.lower():
        raise ImageRefused("it names a parent", ImageFault.NAMES_FILES)
    text = raw[: header.descriptor_size * SECTOR].partition(b"\0")[0].decode("latin-1")
    values: dict[str, str] = {}
    extents: list[re.Match[str]] = []
    for line in text.splitlines():
        extent = _EXTENT.match(line.strip())
        pair = _PAIR.match(line.strip())
        if extent:
            extents.append(extent)
        elif pair:
            if pair[1].lower() in values:
                raise ImageRefused(f"its descriptor says {pair[1][:40]} twice", ImageFault.DAMAGED)
            values[pair[1].lower()] = pair[2].strip().lower()
    kind = values.get("createtype", "")
    if kind not in _TYPES:
        raise ImageRefused(
            f"it is a VMDK of the kind {kind[:40] or 'unknown'}, whose disk lies in other files or devices",
            ImageFault.NAMES_FILES,
        )
    if values.get("parentcid", _NO_PARENT) != _NO_PARENT:
        raise ImageRefused("it is a difference to another image", ImageFault.NAMES_FILES)
    if len(extents) != 1 or extents[0][3] != "SPARSE" or extents[0][1] != "RW":
        raise ImageRefused("its disk lies in other files or devices", ImageFault.NAMES_FILES)
    if any(sign in (extents[0][4] or "") for sign in ("/", "\\", ":")):
        raise ImageRefused("it names a file elsewhere", ImageFault.NAMES_FILES)
    if int(extents[0][2]) != header.capacity:
        raise ImageRefused("its header and its descriptor contradict each other", ImageFault.DAMAGED)
