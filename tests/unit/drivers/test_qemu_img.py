"""qemu-img on its leash."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cm.drivers.images import child, qemu_img
from cm.drivers.images.qemu_img import Leash, check, convert, info
from cm.rpc.errors import ImageRefused, InvalidParameter, StorageFull
from cm.rpc.vocabulary import DiskFormat, SourceFormat

pytestmark = pytest.mark.skipif(not os.path.exists("/usr/bin/qemu-img"), reason="qemu-img is not installed")
MIB = 2**20


@pytest.fixture()
def raw(tmp_path: Path) -> str:
    path = tmp_path / "a.raw"
    path.write_bytes(os.urandom(4 * MIB))
    return str(path)


def test_convert(raw: str, tmp_path: Path) -> None:
    """A raw file becomes a sound qcow2 image of the same content."""
    made = str(tmp_path / "a.qcow2")
    convert(raw, DiskFormat.RAW, made, DiskFormat.QCOW2)
    check(made, DiskFormat.QCOW2)
    found = info(made, DiskFormat.QCOW2)
    assert found.virtual_size_bytes == 4 * MIB and found.backing is None
    subprocess.run(["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", made, raw], check=True)
    check(raw, DiskFormat.RAW)


def test_backing_seen(raw: str, tmp_path: Path) -> None:
    """A backing file is reported."""
    made = str(tmp_path / "o.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", raw, made], check=True)
    assert info(made, DiskFormat.QCOW2).backing == raw


def test_wrong_format(raw: str, tmp_path: Path) -> None:
    """The format is what the caller says; nothing is guessed, and nothing stays of a failed conversion."""
    with pytest.raises(ImageRefused):
        info(raw, DiskFormat.QCOW2)
    target = tmp_path / "b.qcow2"
    with pytest.raises(ImageRefused):
        convert(raw, DiskFormat.QCOW2, str(target), DiskFormat.QCOW2)
    assert not target.exists()


def test_corrupt(raw: str, tmp_path: Path) -> None:
    """An image with broken tables is refused."""
    made = tmp_path / "a.qcow2"
    convert(raw, DiskFormat.RAW, str(made), DiskFormat.QCOW2)
    with made.open("r+b") as file:
        file.seek(3 * 65_536)
        file.write(b"\x80" + b"\xff" * 6 + b"\x00")
    with pytest.raises(ImageRefused):
        check(str(made), DiskFormat.QCOW2)


def test_limits(raw: str, tmp_path: Path) -> None:
    """Output and time are bounded."""
    target = tmp_path / "b.qcow2"
    with pytest.raises((StorageFull, ImageRefused)):
        convert(raw, DiskFormat.RAW, str(target), DiskFormat.QCOW2, Leash(file_bytes=MIB))
    assert not target.exists()
    with pytest.raises(ImageRefused):
        info(raw, DiskFormat.RAW, Leash(memory_bytes=MIB))


@pytest.mark.parametrize("path", ["--help", "a.raw", "json:{}", "nbd:localhost:10809", "/a\0b"])
def test_paths(path: str) -> None:
    """Only absolute paths are taken: nothing reads as an option or a protocol."""
    with pytest.raises(InvalidParameter):
        info(path, DiskFormat.RAW)


def test_no_format_is_probed(raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of qemu-img says each format, and converting says what to make."""
    commands: list[list[str]] = []

    def recorded(program: list[str], *_: object, **__: object) -> child.Ended:
        commands.append(program)
        return child.Ended(0, '{"virtual-size": 1}', "")

    monkeypatch.setattr(child, "run", recorded)
    info(raw, DiskFormat.RAW)
    check(raw, DiskFormat.QCOW2)
    convert(raw, SourceFormat.VHD, str(tmp_path / "made"), DiskFormat.QCOW2)
    assert [command[command.index("-f") + 1] for command in commands] == ["raw", "qcow2", "vpc"]
    assert commands[2][commands[2].index("-O") + 1] == "qcow2"
    modules = Path(qemu_img.__file__).parents[2].rglob("*.py")
    assert [path.name for path in modules if '"/usr/bin/qemu-img"' in path.read_text()] == ["qemu_img.py"]
