"""
The footer and header of a VHD file, fixed or dynamic (Microsoft, "Virtual Hard Disk Image Format Specification" 1.0;
QEMU, block/vpc.c). QEMU calls it vpc.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from cm.drivers.images.reading import SECTOR, read_at
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

MAGIC: Final = b"conectix"
_FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQHBBII16sB")
_CHECKSUM_AT: Final = 64
_HEADER: Final = struct.Struct(">8sQQIIII16sII512s192s")
_HEADER_CHECKSUM_AT: Final = 36
_HEADER_BYTES: Final = 1024
_FIXED, _DYNAMIC, _DIFFERENCE = 2, 3, 4
_VERSION: Final = 0x0001_0000
# Programs whose size is what they say, not what their geometry comes to; QEMU's list.
_TRUE_SIZE: Final = (b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS")
_GEOMETRY_MAX: Final = 65_535 * 16 * 255  # sectors; beyond it the size counts anyhow
_BLOCK_MAX: Final = 256 * 2**20
_TABLE_BYTES_MAX: Final = 64 * 2**20


def virtual_size_of(file: BinaryIO, file_size_bytes: int, *, fixed: bool) -> int:
    """
    What a guest would see, once all checks have passed.

    :param fixed: the magic stands at the file's end alone.
    :raises ImageRefused: footer or header are hostile, damaged or use what we do not take.
    """
    footer = read_at(file, max(0, file_size_bytes - SECTOR) if fixed else 0, SECTOR)
    if len(footer) < SECTOR or _sum(footer, _CHECKSUM_AT) != int.from_bytes(footer[_CHECKSUM_AT:][:4]):
        raise ImageRefused("its VHD footer is damaged", ImageFault.DAMAGED)
    (_, _, version, header_at, _, creator, _, _, _, size, cylinders, heads, sectors, kind, _, _,
     saved) = _FOOTER.unpack_from(footer)  # fmt: skip
    if version != _VERSION:
        raise ImageRefused("it is a VHD image of unknown version", ImageFault.FEATURES)
    if kind == _DIFFERENCE:
        raise ImageRefused("it is a difference to another image", ImageFault.NAMES_FILES)
    if kind != (_FIXED if fixed else _DYNAMIC):
        raise ImageRefused(f"it is a VHD image of unknown kind {kind}", ImageFault.FEATURES)
    if saved:
        raise ImageRefused("it belongs to a machine's saved state", ImageFault.FEATURES)
    geometry = cylinders * heads * sectors
    if creator in _TRUE_SIZE or geometry == _GEOMETRY_MAX:
        virtual_size_bytes = -(-int(size) // SECTOR) * SECTOR
    else:
        virtual_size_bytes = geometry * SECTOR
    if virtual_size_bytes == 0:
        raise ImageRefused("its virtual size is 0", ImageFault.DAMAGED)
    if fixed:
        if virtual_size_bytes > file_size_bytes - SECTOR:
            raise ImageRefused("its disk is longer than the file: it is cut off", ImageFault.DAMAGED)
    else:
        _check_dynamic(file, file_size_bytes, header_at, max(virtual_size_bytes, size))
    return virtual_size_bytes


def _check_dynamic(file: BinaryIO, file_size_bytes: int, header_at: int, size: int) -> None:
    if header_at > file_size_bytes - _HEADER_BYTES:
        raise ImageRefused("its VHD header lies beyond the end of the file: it is cut off", ImageFault.DAMAGED)
    header = read_at(file, header_at, _HEADER_BYTES)
    if not header.startswith(b"cxsparse") or len(header) < _HEADER_BYTES:
        raise ImageRefused("its VHD header is damaged", ImageFault.DAMAGED)
    if _sum(header, _HEADER_CHECKSUM_AT) != int.from_bytes(header[_HEADER_CHECKSUM_AT:][:4]):
        raise ImageRefused("its VHD header is damaged", ImageFault.DAMAGED)
    _, _, table_at, _, entries, block, _, parent, _, _, name, locators = _HEADER.unpack_from(header)
    if any(parent) or any(name) or any(locators):
        raise ImageRefused("it names a parent", ImageFault.NAMES_FILES)
    if block & (block - 1) or not SECTOR <= block <= _BLOCK_MAX:
        raise ImageRefused(f"its blocks of {block} bytes are out of range", ImageFault.DAMAGED)
    if 4 * entries > _TABLE_BYTES_MAX:
        raise ImageRefused("its virtual size is absurdly large", ImageFault.TOO_LARGE)
    if entries * block < size:
        raise ImageRefused("its block table is too small for its virtual size", ImageFault.DAMAGED)
    if table_at < SECTOR or table_at + 4 * entries > file_size_bytes:
        raise ImageRefused("its block table lies beyond the end of the file: it is cut off", ImageFault.DAMAGED)


def _sum(raw: bytes, checksum_at: int) -> int:
    """The one's complement of the sum of all bytes but the checksum's own."""
    return ~(sum(raw) - sum(raw[checksum_at : checksum_at + 4])) & 0xFFFFFFFF
