"""Pictures of screens."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rules.picture import PIXMAP_MAX, PNG_MAX, SIDE_MAX, png_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert png[:8] == SIGNATURE
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + data),)
        yield kind, data
        at += 12 + length


def pixels(png: bytes) -> list[list[bytes]]:
    """As a reader of the standard finds them."""
    parts = dict(chunks(png))
    assert list(parts) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *kind = struct.unpack(">II5B", parts[b"IHDR"])
    assert kind == [8, 2, 0, 0, 0]
    data, line = zlib.decompress(parts[b"IDAT"]), 1 + 3 * width
    assert len(data) == height * line and not any(data[::line])
    rows = (data[at + 1 : at + line] for at in range(0, len(data), line))
    return [[row[at : at + 3] for at in range(0, 3 * width, 3)] for row in rows]


@given(st.integers(1, 40), st.integers(1, 30), st.randoms(use_true_random=False))
def test_pixels(width: int, height: int, random: Random) -> None:
    """A pixmap's pixels are the picture's, and a PNG stays as it is."""
    body = random.randbytes(3 * width * height)
    png, *size = png_of(b"P6\n%d %d\n255\n" % (width, height) + body)
    wanted = [[body[3 * (y * width + x) :][:3] for x in range(width)] for y in range(height)]
    assert (pixels(png), size) == (wanted, [width, height])
    assert png_of(png) == (png, width, height)


@pytest.mark.parametrize(
    "pixmap",
    [
        b"", b"P6\n", b"P5\n1 1\n255\n\0\0\0", b"P6\n1 1\n65535\n" + bytes(6), b"P6\n0 1\n255\n", b"P6\n1 1\n255\n\0\0",
        b"P6\n1 1\n255\n" + bytes(4), b"P6\n%d 1\n255\n" % (SIDE_MAX + 1) + bytes(3 * (SIDE_MAX + 1)),
        b"P6\n8192 2049\n255\n" + bytes(3 * 8192 * 2049), b"P6\n99999999999 1\n255\n", b"P6\n-1 1\n255\n",
        SIGNATURE, SIGNATURE + b"\0\0\0\x0dIHDR\0\0", SIGNATURE + b"\0\0\0\x0dIDAT" + bytes(20),
        SIGNATURE + b"\0\0\0\x0dIHDR" + bytes(4) + b"\0\0\0\1", SIGNATURE + b"\0\0\0\x0dIHDR" + b"\xff" * 9,
        SIGNATURE + b"\0\0\0\x0dIHDR" + b"\0\0\0\1" * 2 + bytes(PNG_MAX),
    ],
    ids=lambda pixmap: str(pixmap[:20]),
)  # fmt: skip
def test_hostile(pixmap: bytes) -> None:
    """What a guest may make of its screen that is none, or too large."""
    assert len(pixmap) < 2 * PIXMAP_MAX
    with pytest.raises(ValueError):
        png_of(pixmap)
