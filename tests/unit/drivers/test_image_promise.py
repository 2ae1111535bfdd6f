"""What names promise of images, and what a raw file must show to be taken for a disk."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from cm.drivers.images.inspect import ImageFormat
from cm.drivers.images.packing import Packing
from cm.drivers.images.promise import check_disk, check_name
from cm.rpc.errors import ImageRefused

QCOW2, RAW, ISO = ImageFormat.QCOW2, ImageFormat.RAW, ImageFormat.ISO


@pytest.mark.parametrize(
    ("name", "found"),
    [("debian.qcow2", QCOW2), ("/a/b.QCOW2", QCOW2), ("disk.raw", RAW), ("disk.dd", RAW), ("cd.iso", ISO),
     ("hybrid.raw", ISO), ("noble.img", QCOW2), ("noble.img", RAW), ("Debian 12.5", RAW), ("", RAW), ("qcow2", RAW)],
)  # fmt: skip
def test_kept(name: str, found: ImageFormat) -> None:
    """A promise that is kept, and names that promise nothing."""
    check_name(name, found)


@pytest.mark.parametrize(
    ("name", "found", "packing"),
    [("disk.vmdk", ImageFormat.VMDK, None), ("disk.qcow2.xz", QCOW2, Packing.XZ), ("disk.gz", RAW, Packing.GZIP),
     ("disk.img.zst", RAW, Packing.ZSTD), ("noble.img", QCOW2, Packing.ZIP)],
)  # fmt: skip
def test_packed_promise_kept(name: str, found: ImageFormat, packing: Packing | None) -> None:
    """The ending of what it was packed in, and that of what was in it."""
    check_name(name, found, packing)


def test_packed_promise_broken() -> None:
    """Packed otherwise than the name says, or another format than the ending before that says."""
    for name, found, packing in (("a.raw.gz", RAW, Packing.XZ), ("a.qcow2.gz", RAW, Packing.GZIP)):
        with pytest.raises(ImageRefused, match="promises"):
            check_name(name, found, packing)


@pytest.mark.parametrize(
    ("name", "found"),
    [("debian.qcow2", RAW), ("debian.qcow2", ISO), ("cd.iso", RAW), ("disk.raw", QCOW2), ("disk.vmdk", RAW),
     ("disk.vmdk", QCOW2), ("disk.vhdx", RAW), ("disk.qcow2.xz", QCOW2), ("disk.img.gz", RAW), ("index.html", RAW)],
)  # fmt: skip
def test_broken(name: str, found: ImageFormat) -> None:
    """A name that says what the content is not: the fault is named, and how to have it all the same."""
    ending = name.rpartition(".")[2]
    with pytest.raises(ImageRefused, match=f"promises {ending}, and it is {found}; .*give its format"):
        check_name(name, found)


@pytest.mark.parametrize("content", [bytes(2**20), b"x" * 2**20, bytes(512), os.urandom(509) + bytes(2**20)])
def test_no_disk(content: bytes) -> None:
    """Zeros, noise and what is shorter than any file system."""
    with pytest.raises(ImageRefused, match="give format raw"):
        check_disk(io.BytesIO(content))


def _made(path: Path, *command: str) -> Path:
    path.write_bytes(bytes(16 * 2**20))
    done = subprocess.run([*command, str(path)], capture_output=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize(
    "command", [("mkfs.ext4", "-q", "-F"), ("mkswap",), ("mkfs.vfat",)], ids=["ext4", "swap", "vfat"]
)
def test_disk_as_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    """What the usual programs make is taken."""
    try:
        path = _made(tmp_path / "disk", *command)
    except FileNotFoundError:
        pytest.skip(f"there is no {command[0]} here")
    with path.open("rb") as file:
        check_disk(file)


@pytest.mark.parametrize(
    ("offset", "magic"),
    [(510, b"\x55\xaa"), (512, b"EFI PART"), (4096, b"EFI PART"), (0, b"XFSB"), (512, b"LABELONE"), (65_600,
    b"_BHRfS_M"), (32_769, b"CD001"), (0, b"hsqs")],
)  # fmt: skip
def test_disk_by_its_magic(offset: int, magic: bytes) -> None:
    """Partition tables, volume managers and file systems that are not at hand, by their descriptions."""
    content = bytearray(100_000)
    content[offset : offset + len(magic)] = magic
    check_disk(io.BytesIO(bytes(content)))
