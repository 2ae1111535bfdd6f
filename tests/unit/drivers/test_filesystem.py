"""Formatted disks, as the tools of others find them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cm.drivers.images import filesystem as driver
from cm.drivers.images.filesystem import BEGIN_BYTES, make_formatted
from cm.rpc.errors import InvalidParameter, NotSupported, StorageFull
from cm.rpc.vocabulary import Filesystem
from cm.rules.filesystem import LEAST_BYTES

MIB = 2**20
SIZE = 32 * MIB
CHECKS = {
    Filesystem.EXT4: ["e2fsck", "-fn"],
    Filesystem.XFS: ["xfs_repair", "-n", "-f"],
    Filesystem.VFAT: ["fsck.vfat", "-n"],
    Filesystem.NTFS: ["ntfsfix", "-n"],
}


def lacking(kind: Filesystem) -> list[str]:
    programs = (driver._SFDISK, driver._MAKERS[kind].program)
    return [program for program in programs if not os.path.exists(program)]


@pytest.mark.parametrize("kind", list(Filesystem))
def test_made(kind: Filesystem, tmp_path: Path) -> None:
    """A disk has a sound GPT with one partition, whose file system its own checker finds clean; it is sparse."""
    if lacking(kind):
        pytest.skip(f"needs {', '.join(lacking(kind))}")
    disk, size = tmp_path / "disk.raw", max(SIZE, LEAST_BYTES[kind])
    make_formatted(str(disk), size, kind)
    assert disk.stat().st_size == size and disk.stat().st_blocks * 512 < size // 3
    told = subprocess.run(["sfdisk", "--verify", str(disk)], capture_output=True, text=True)
    assert told.returncode == 0 and "No errors detected" in told.stdout, told.stdout + told.stderr
    table = subprocess.run(["sfdisk", "--dump", str(disk)], capture_output=True, text=True).stdout
    assert "label: gpt" in table and table.count("start=") == 1
    part = tmp_path / "part.raw"
    with disk.open("rb") as whole, part.open("wb") as out:
        whole.seek(BEGIN_BYTES)
        out.write(whole.read(size - 2 * MIB))
    checked = subprocess.run([*CHECKS[kind], str(part)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.raw", "part.raw"]


@pytest.mark.parametrize("kind", list(Filesystem))
def test_too_small(kind: Filesystem, tmp_path: Path) -> None:
    """A disk that is too small is refused by what it needs, and nothing is left; the smallest one works."""
    with pytest.raises(InvalidParameter):
        make_formatted(str(tmp_path / "disk.raw"), LEAST_BYTES[kind] - 1, kind)
    assert not list(tmp_path.iterdir())
    if not lacking(kind):
        make_formatted(str(tmp_path / "disk.raw"), LEAST_BYTES[kind], kind)


def test_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is not there is told by its package."""
    monkeypatch.setattr(driver, "_SFDISK", "/nonexistent/sfdisk")
    with pytest.raises(NotSupported, match="fdisk"):
        make_formatted(str(tmp_path / "disk.raw"), SIZE, Filesystem.EXT4)


def test_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails half-way leaves nothing, and what has no room says so."""
    if lacking(Filesystem.EXT4):
        pytest.skip("needs sfdisk and mkfs.ext4")

    def full(*args: object, **more: object) -> driver.child.Ended:
        return driver.child.Ended(1, "", "mkfs: No space left on device")

    monkeypatch.setattr(driver.child, "run", full)
    with pytest.raises(StorageFull):
        make_formatted(str(tmp_path / "disk.raw"), SIZE, Filesystem.EXT4)
    assert not list(tmp_path.iterdir())
