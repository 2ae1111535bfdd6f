"""
The headers of a VHDX file (Microsoft, [MS-VHDX]; QEMU, block/vhdx.c).

Read as QEMU does: of the two headers the valid one with the higher number, the first region table. One with a journal
that has still to be written down is refused, since what it would write is not seen here.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping
from typing import BinaryIO, Final

from cm.drivers.images.reading import read_at
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

MAGIC: Final = b"vhdxfile"
_KIB: Final = 1024
_HEADERS_AT: Final = (64 * _KIB, 128 * _KIB)
_HEADER_BYTES: Final = 4096
_HEADER: Final = struct.Struct("<4sIQ16s16s16sHHIQ")
_REGIONS_AT: Final = 192 * _KIB
_REGIONS_BYTES: Final = 64 * _KIB
_REGION: Final = struct.Struct("<16sQII")
_TABLE: Final = struct.Struct("<4sII")  # signature, checksum, number of regions
_REGIONS_MAX: Final = 2047
_METADATA: Final = struct.Struct("<8sHH")
_METADATA_AT: Final = 32  # of the first entry
_ITEM: Final = struct.Struct("<16sIII")
_ITEM_BYTES: Final = 32
_ITEMS_MAX: Final = 2047
_REQUIRED: Final = 1 << 2  # of a metadata item


def _guid(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


BAT: Final = _guid("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA: Final = _guid("8b7ca206-4790-4b9a-b8fe-575f050f886e")
FILE_PARAMETERS: Final = _guid("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
VIRTUAL_SIZE: Final = _guid("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
LOGICAL_SECTOR: Final = _guid("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PARENT_LOCATOR: Final = _guid("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
_OTHERS: Final = (_guid("cda348c7-445d-4471-9cc9-e9885251c556"), _guid("beca12ab-b2e6-4523-93ef-c309e000c746"))
_HAS_PARENT: Final = 1 << 1


def virtual_size_of(file: BinaryIO, file_size_bytes: int) -> int:
    """
    What a guest would see, once all checks have passed.
    :raises ImageRefused: the headers are hostile, damaged or use what we do not take.
    """
    _check_headers(file)
    regions = _regions(file, file_size_bytes)
    items = _items(file, *regions[METADATA])
    if PARENT_LOCATOR in items:
        raise ImageRefused("it is a difference to another image", ImageFault.NAMES_FILES)
    block, flags = struct.unpack("<II", items[FILE_PARAMETERS])
    [size] = struct.unpack("<Q", items[VIRTUAL_SIZE])
    [sector] = struct.unpack("<I", items[LOGICAL_SECTOR])
    if flags & _HAS_PARENT:
        raise ImageRefused("it is a difference to another image", ImageFault.NAMES_FILES)
    if block & (block - 1) or not 2**20 <= block <= 256 * 2**20:
        raise ImageRefused(f"its blocks of {block} bytes are out of range", ImageFault.DAMAGED)
    if sector != 512:
        raise ImageRefused(f"its sectors have {sector} bytes", ImageFault.FEATURES)
    if size == 0 or size % sector:
        raise ImageRefused(f"its virtual size of {size} bytes is no number of sectors", ImageFault.DAMAGED)
    blocks = -(-size // block)
    per_bitmap = 2**23 * sector // block
    if 8 * (blocks + (blocks - 1) // per_bitmap) > regions[BAT][1]:
        raise ImageRefused("its block table is too small for its virtual size", ImageFault.DAMAGED)
    return int(size)


def _check_headers(file: BinaryIO) -> None:
    newest = -1
    journal = b""
    for at in _HEADERS_AT:
        raw = read_at(file, at, _HEADER_BYTES)
        if len(raw) < _HEADER_BYTES or not raw.startswith(b"head") or not _sound(raw):
            continue
        _, _, number, _, _, log, log_version, version, _, _ = _HEADER.unpack_from(raw)
        if version != 1 or log_version != 0:
            continue
        if number > newest:
            newest, journal = number, log
    if newest < 0:
        raise ImageRefused("its VHDX headers are damaged or cut off", ImageFault.DAMAGED)
    if any(journal):
        raise ImageRefused("it was not closed properly; repair it first", ImageFault.DAMAGED)


def _regions(file: BinaryIO, file_size_bytes: int) -> Mapping[bytes, tuple[int, int]]:
    """Where each region lies, and its length: both in bytes."""
    raw = read_at(file, _REGIONS_AT, _REGIONS_BYTES)
    if len(raw) < _REGIONS_BYTES or not raw.startswith(b"regi") or not _sound(raw):
        raise ImageRefused("its VHDX region table is damaged or cut off", ImageFault.DAMAGED)
    _, _, count = _TABLE.unpack_from(raw)
    if count > _REGIONS_MAX:
        raise ImageRefused("it has too many regions", ImageFault.DAMAGED)
    found: dict[bytes, tuple[int, int]] = {}
    for number in range(count):
        name, at, length, required = _REGION.unpack_from(raw, 16 + number * _REGION.size)
        if name not in (BAT, METADATA):
            if required & 1:
                raise ImageRefused("it has an unknown region", ImageFault.FEATURES)
            continue
        if name in found:
            raise ImageRefused("it has a region twice", ImageFault.DAMAGED)
        if at < 2**20 or at + length > file_size_bytes:
            raise ImageRefused("a region lies beyond the end of the file: it is cut off", ImageFault.DAMAGED)
        found[name] = (at, length)
    if len(found) != 2:
        raise ImageRefused("it has no block table or no metadata", ImageFault.DAMAGED)
    return found


def _items(file: BinaryIO, at: int, length: int) -> Mapping[bytes, bytes]:
    """The metadata, of each item as much as the longest that we know has."""
    table = read_at(file, at, min(length, 64 * _KIB))
    if len(table) < _METADATA_AT or not table.startswith(b"metadata"):
        raise ImageRefused("its VHDX metadata are damaged or cut off", ImageFault.DAMAGED)
    _, _, count = _METADATA.unpack_from(table)
    if count > _ITEMS_MAX or _METADATA_AT + count * _ITEM_BYTES > len(table):
        raise ImageRefused("it has too many metadata", ImageFault.DAMAGED)
    sizes = {FILE_PARAMETERS: 8, VIRTUAL_SIZE: 8, LOGICAL_SECTOR: 4}
    found: dict[bytes, bytes] = {}
    for number in range(count):
        name, offset, _, flags = _ITEM.unpack_from(table, _METADATA_AT + number * _ITEM_BYTES)
        if name in found:
            raise ImageRefused("it has metadata twice", ImageFault.DAMAGED)
        if name not in sizes and name != PARENT_LOCATOR and name not in _OTHERS and flags & _REQUIRED:
            raise ImageRefused("it has unknown metadata", ImageFault.FEATURES)
        if offset + 8 > length:
            raise ImageRefused("its VHDX metadata are damaged or cut off", ImageFault.DAMAGED)
        found[name] = read_at(file, at + offset, sizes.get(name, 0))
    if any(len(found.get(name, b"")) != size for name, size in sizes.items()):
        raise ImageRefused("its VHDX metadata are not complete", ImageFault.DAMAGED)
    return found


# ------------------------------------------------------------------ CRC-32C, which zlib has not


def _table() -> tuple[int, ...]:
    made = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        made.append(value)
    return tuple(made)


_CRC: Final = _table()


def crc32c(raw: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in raw:
        value = value >> 8 ^ _CRC[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _sound(raw: bytes) -> bool:
    """Whether the checksum in bytes 4 to 8 is that of the rest."""
    return crc32c(raw[:4] + bytes(4) + raw[8:]) == int.from_bytes(raw[4:8], "little")
