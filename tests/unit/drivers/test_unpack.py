"""Unpacking in a child that is locked up: what comes out, what is refused, and that nothing is left or seen."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cm.drivers.images import child
from cm.drivers.images.child import Leash
from cm.drivers.images.inspect import inspect
from cm.drivers.images.packing import Packing, packing_of
from cm.drivers.images.unpack import unpack
from cm.rpc.errors import DeadlineExceeded, ImageRefused
from cm.rpc.vocabulary import ImageFault
from support import image_files
from support.image_files import MIB, zipped

LEASH = Leash()
CONTENT = os.urandom(100_000) + bytes(8 * MIB) + b"end" + bytes(300_000)


def zstd(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout


PACKERS: dict[Packing, Callable[[bytes], bytes]] = {
    Packing.GZIP: gzip.compress,
    Packing.BZIP2: bz2.compress,
    Packing.XZ: lzma.compress,
    Packing.ZSTD: zstd,
    Packing.ZIP: lambda content: zipped(("disk.raw", content)),
}


def unpacked(tmp_path: Path, packed: bytes, max_bytes: int = 64 * MIB) -> Path:
    source, target = tmp_path / "packed", tmp_path / "disk"
    source.write_bytes(packed)
    packing = packing_of(packed[:512])
    assert packing is not None
    unpack(str(source), packing, str(target), max_bytes=max_bytes, deadline_s=30)
    return target


@pytest.mark.parametrize("packing", PACKERS)
def test_unpacked(tmp_path: Path, packing: Packing) -> None:
    """What was packed comes out, its zeros as holes, and its progress is told."""
    target = unpacked(tmp_path, PACKERS[packing](CONTENT))
    assert target.read_bytes() == CONTENT
    assert target.stat().st_blocks * 512 < MIB


@pytest.mark.parametrize("packing", [Packing.GZIP, Packing.BZIP2, Packing.XZ, Packing.ZSTD])
def test_streams(tmp_path: Path, packing: Packing) -> None:
    """Several streams in one file, as parallel packers write them, are one file."""
    pack = PACKERS[packing]
    assert unpacked(tmp_path, pack(b"a" * 1000) + pack(b"b" * MIB)).read_bytes() == b"a" * 1000 + b"b" * MIB


@pytest.mark.parametrize("name", image_files.UNPACKED)
def test_hostile(tmp_path: Path, name: str) -> None:
    """Bombs, damage and archives in archives are refused, by the unpacking or by what comes out of it."""
    content, fault = image_files.UNPACKED[name]
    with pytest.raises(ImageRefused) as caught:
        with unpacked(tmp_path, content, 16 * MIB).open("rb") as file:
            inspect(file)
        (tmp_path / "disk").unlink()
    assert caught.value.fault is fault, caught.value.reason
    if fault in (ImageFault.TOO_LARGE, ImageFault.DAMAGED):
        assert os.listdir(tmp_path) == ["packed"]


def test_exactly_as_large(tmp_path: Path) -> None:
    """A file may have all the bytes that it may have."""
    assert unpacked(tmp_path, gzip.compress(b"x" * MIB), MIB).stat().st_size == MIB


def test_watched(tmp_path: Path) -> None:
    """Whoever watches hears of bytes, and ends it."""
    source = tmp_path / "packed"
    source.write_bytes(gzip.compress(os.urandom(8 * MIB)))
    told: list[tuple[int, int, int]] = []
    target = str(tmp_path / "disk")
    unpack(
        str(source), Packing.GZIP, target, max_bytes=MIB * 9, deadline_s=30, moved=lambda *now: told.append(now)
    )  # fmt: skip
    assert told[-1] == (source.stat().st_size, source.stat().st_size, 8 * MIB)

    class Enough(Exception):
        pass

    def enough(*_: int) -> None:
        raise Enough()

    os.unlink(target)
    with pytest.raises(Enough):
        unpack(str(source), Packing.GZIP, target, max_bytes=MIB * 9, deadline_s=30, moved=enough)
    assert os.listdir(tmp_path) == ["packed"]


# ------------------------------------------------------------------ the child


def python(code: str, *arguments: str, leash: Leash = LEASH, **options: object) -> child.Ended:
    return child.run([sys.executable, "-I", "-S", "-c", code, *arguments], leash, what="it", **options)  # type: ignore[arg-type]


def test_sees_its_files_alone(tmp_path: Path) -> None:
    """Of files, the named ones; of those the readable ones are not written; no socket, no other program's memory."""
    seen, made, secret = tmp_path / "seen", tmp_path / "made", tmp_path / "secret"
    for path in (seen, made, secret):
        path.write_text(path.name)
    code = """if True:
        import socket, sys
        def tried(what):
            try:
                what()
                return "yes"
            except OSError as error:
                return type(error).__name__
        seen, made, secret = sys.argv[1:]
        print(tried(lambda: open(seen).read()), tried(lambda: open(seen, "a")), tried(lambda: open(made, "w").close()),
              tried(lambda: open(secret)), tried(lambda: open("/etc/passwd")), tried(lambda: open(made + "2", "w")),
              tried(lambda: socket.socket()), tried(lambda: socket.socketpair()))
    """
    paths = [str(seen), str(made), str(secret)]
    ended = python(code, *paths, readable=paths[:1], writable=paths[1:2])
    assert ended.status == 0, ended.errors
    no = "PermissionError"
    assert ended.output.split() == ["yes", no, "yes", no, no, no, no, no]


def test_limits() -> None:
    """Memory and time of the processor are bounded."""
    assert "MemoryError" in python("bytes(2**30)", leash=Leash(memory_bytes=2**28)).errors
    assert python("while True: pass", leash=Leash(cpu_s=1)).status < 0


def ends(pid: int) -> bool:
    """Whether a process is gone before long: one that is killed ends when its turn comes."""
    for _ in range(100):
        try:
            told = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if told.rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_deadline(tmp_path: Path) -> None:
    """What hangs is killed, with all that it started."""
    pid = tmp_path / "pid"
    pid.touch()
    program = ["/bin/sh", "-c", f"sleep 60 & echo $! > {pid}; wait"]
    with pytest.raises(DeadlineExceeded):
        child.run(program, Leash(deadline_s=0.6), what="it", writable=[str(pid)])
    assert ends(int(pid.read_text()))


def test_ends_with_its_parent(tmp_path: Path) -> None:
    """A child does not outlive who started it, even if that is killed."""
    pid = tmp_path / "pid"
    pid.touch()
    code = (
        "from cm.drivers.images import child\n"
        f"child.run(['/bin/sh', '-c', 'echo $$ > {pid}; exec sleep 60'], child.Leash(), what='it', writable=['{pid}'])"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(child.__file__).parents[3])
    try:
        while not pid.read_text().strip():
            assert parent.poll() is None
    finally:
        parent.kill()
        parent.wait()
    assert ends(int(pid.read_text()))
