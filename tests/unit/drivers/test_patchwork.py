"""Headers of files that lie elsewhere: read window by window they are what they are when all of a file is at hand."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, cast

import pytest

from cm.drivers.images import qcow2
from cm.drivers.images.inspect import ImageFacts, inspect
from cm.drivers.images.patchwork import WINDOW_BYTES, Lacking, Patchwork
from cm.rpc.errors import ImageRefused
from support import image_files
from support.image_files import CLUSTER, HOSTILE


def at_hand(data: bytes) -> ImageFacts | tuple[str, str]:
    try:
        return inspect(io.BytesIO(data))
    except ImageRefused as error:
        return error.reason, error.fault


def from_afar(data: bytes) -> ImageFacts | tuple[str, str]:
    held = Patchwork(len(data))
    while True:
        try:
            return inspect(cast(BinaryIO, held))
        except ImageRefused as error:
            return error.reason, error.fault
        except Lacking as lacking:
            assert not held.full and lacking.length <= WINDOW_BYTES
            held.put(lacking.offset, data[lacking.offset : lacking.offset + lacking.length])


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile(name: str) -> None:
    data = HOSTILE[name][0]
    assert from_afar(data) == at_hand(data)


@pytest.mark.parametrize("size", [512, 1024, WINDOW_BYTES - 512, WINDOW_BYTES, WINDOW_BYTES + 512, 5 * WINDOW_BYTES])
def test_sizes(size: int) -> None:
    data = image_files.DISK[:size].ljust(size, b"\1")
    assert from_afar(data) == at_hand(data)
    assert isinstance(from_afar(image_files.qcow2()), ImageFacts)


def test_shorter_than_told() -> None:
    """A file that became shorter while it was read ends where it ends now."""
    held = Patchwork(2 * WINDOW_BYTES)
    with pytest.raises(Lacking):
        held.read(10)
    held.put(0, b"short")
    assert held.read(10) == b"short"
    held.seek(5)
    assert held.read(1) == b""


# ------------------------------------------------------------------ overlays


def overlay(name: bytes, format: bytes, **more: int) -> bytes:
    """A file that names another, behind its extensions."""
    extension = struct.pack(">II", 0xE2792ACA, len(format)) + format.ljust(-(-len(format) // 8) * 8, b"\0")
    extensions = (extension if format else b"") + bytes(8)
    at = more.pop("at", 104 + len(extensions))
    data = bytearray(image_files.qcow2(backing=(at, more.pop("length", len(name))), extensions=extensions, **more))
    data[104 + len(extensions) : 104 + len(extensions) + len(name)] = name
    return bytes(data)


def test_overlay() -> None:
    """The name and the format are told as they are written; a file that stands alone has none."""
    data = overlay(b"/srv/main/image.qcow2", b"qcow2")
    found = qcow2.overlay_of(io.BytesIO(data), len(data))
    assert found == qcow2.Overlay(2**30, "/srv/main/image.qcow2", "qcow2")
    unformatted = overlay(b"image.raw", b"")
    assert qcow2.overlay_of(io.BytesIO(unformatted), len(unformatted)) == qcow2.Overlay(2**30, "image.raw", "")
    alone = image_files.qcow2()
    assert qcow2.overlay_of(io.BytesIO(alone), len(alone)) is None


@pytest.mark.parametrize(
    "data",
    [
        overlay(b"image.qcow2", b"qcow2", incompatible=4),
        overlay(b"image.qcow2", b"qcow2", snapshots=1),
        overlay(b"image.qcow2", b"qcow2", crypt=1),
        overlay(b"image.qcow2", b"qcow2", at=10 * CLUSTER),
        overlay(b"image.qcow2", b"qcow2", length=2**31),
        overlay(b"image.qcow2", b"qcow2", length=0),
        overlay(b"image.qcow2", b"qcow2", l1_offset=2**50),
    ],
)
def test_hostile_overlays(data: bytes) -> None:
    """What else is wrong with it is refused as ever."""
    with pytest.raises(ImageRefused):
        qcow2.overlay_of(io.BytesIO(data), len(data))
