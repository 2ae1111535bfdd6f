"""
A screen's picture as PNG (https://www.w3.org/TR/png-3), of what hypervisors give: that, or a portable pixmap, ``P6``
with 255 as its highest value (https://netpbm.sourceforge.net/doc/ppm.html), which is all that QEMU had before 7.1.

A guest chooses what stands in it and how large it is, so both are bounded.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Final

SIDE_MAX: Final = 8192  # pixels
PIXMAP_MAX: Final = 3 * 4096 * 4096 + 64  # bytes, with its header
PNG_MAX: Final = 8 * 2**20  # bytes
_HEADER: Final = re.compile(rb"P6[ \t\r\n]+(\d{1,5})[ \t\r\n]+(\d{1,5})[ \t\r\n]+255[ \t\r\n]")
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_BEGIN: Final = struct.Struct(">8sI4sII")  # the signature, and of the first chunk its length, name, width and height
_TRUE_COLOUR: Final = (8, 2, 0, 0, 0)  # bits a sample, colour type; compression, filter and interlace by the standard
_PLAIN: Final = b"\0"  # a row's filter: none
_LEVEL: Final = 6  # of zlib: 9 takes three times as long for a twentieth less


def png_of(picture: bytes) -> tuple[bytes, int, int]:
    """
    :param picture: a PNG, which is not read beyond its size, or a pixmap.
    :return: a PNG, its width and its height in pixels.
    :raises ValueError: it is neither, or too large.
    """
    if picture.startswith(_SIGNATURE):
        png, (width, height) = picture, _size(picture)
    else:
        png, (width, height) = _encoded(picture)
    if len(png) > PNG_MAX:
        raise ValueError(f"it has {len(png)} bytes")
    return png, width, height


def _size(png: bytes) -> tuple[int, int]:
    if len(png) < _BEGIN.size:
        raise ValueError("it ends before its size")
    _, length, name, width, height = _BEGIN.unpack_from(png)
    if (length, name) != (13, b"IHDR"):
        raise ValueError("it does not begin as a PNG does")
    return _bounded(width, height)


def _bounded(width: int, height: int) -> tuple[int, int]:
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
        raise ValueError(f"it has {width} by {height} pixels")
    return width, height


def _encoded(pixmap: bytes) -> tuple[bytes, tuple[int, int]]:
    header = _HEADER.match(pixmap)
    if header is None:
        raise ValueError("it begins neither as a PNG nor as a pixmap of 24 bits does")
    width, height = _bounded(int(header[1]), int(header[2]))
    at, line = header.end(), 3 * width
    if len(pixmap) != at + line * height or len(pixmap) > PIXMAP_MAX:
        raise ValueError(f"it has {len(pixmap)} bytes for {width} by {height} pixels")
    rows = b"".join(_PLAIN + pixmap[start : start + line] for start in range(at, len(pixmap), line))
    png = (
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">II5B", width, height, *_TRUE_COLOUR))
        + _chunk(b"IDAT", zlib.compress(rows, _LEVEL))
        + _chunk(b"IEND", b"")
    )
    return png, (width, height)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
