"""The header of a VDI file, VirtualBox's (QEMU, block/vdi.c)."""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from cm.drivers.images.reading import SECTOR, read_at
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

MAGIC_AT: Final = 64
MAGIC: Final = b"\x7f\x10\xda\xbe"
_HEADER: Final = struct.Struct("<64s4sIIII256sIIIIIIIQIIII16s16s16s16s")
_DYNAMIC, _STATIC = 1, 2
_DIFFERENCES: Final = (3, 4)  # undo, diff
_VERSION: Final = 0x0001_0001
_BLOCK: Final = 2**20  # bytes; QEMU takes no other
_BLOCKS_MAX: Final = 0x1FFFFFFF


def virtual_size_of(file: BinaryIO, file_size_bytes: int) -> int:
    """
    What a guest would see, once all checks have passed.
    :raises ImageRefused: the header is hostile, damaged or uses what we do not take.
    """
    raw = read_at(file, 0, SECTOR)
    if len(raw) < SECTOR:
        raise ImageRefused("its VDI header is cut off", ImageFault.DAMAGED)
    _, _, version, _, kind, _, _, map_at, data_at, _, _, _, sector, _, size, *rest = _HEADER.unpack_from(raw)
    block, extra, blocks, allocated, _, _, link, parent = rest
    if version != _VERSION:
        raise ImageRefused(
            f"it is a VDI image of unknown version {version >> 16}.{version & 0xFFFF}", ImageFault.FEATURES
        )
    if kind in _DIFFERENCES or any(link) or any(parent):
        raise ImageRefused("it is a difference to another image", ImageFault.NAMES_FILES)
    if kind not in (_DYNAMIC, _STATIC):
        raise ImageRefused(f"it is a VDI image of unknown kind {kind}", ImageFault.FEATURES)
    if (sector, block, extra) != (SECTOR, _BLOCK, 0):
        raise ImageRefused("its sectors or blocks are of unusual size", ImageFault.FEATURES)
    if size == 0:
        raise ImageRefused("its virtual size is 0", ImageFault.DAMAGED)
    if blocks > _BLOCKS_MAX:
        raise ImageRefused("its virtual size is absurdly large", ImageFault.TOO_LARGE)
    if blocks < -(-size // _BLOCK):
        raise ImageRefused("its block map is too small for its virtual size", ImageFault.DAMAGED)
    if map_at < SECTOR or map_at % SECTOR or data_at % SECTOR or map_at + 4 * blocks > data_at:
        raise ImageRefused("its block map is misplaced", ImageFault.DAMAGED)
    if allocated > blocks or map_at + 4 * blocks > file_size_bytes or data_at + allocated * _BLOCK > file_size_bytes:
        raise ImageRefused("its blocks lie beyond the end of the file: it is cut off", ImageFault.DAMAGED)
    return -(-int(size) // SECTOR) * SECTOR
