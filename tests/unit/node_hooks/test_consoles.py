"""Console logs on a real file system, while somebody writes to them."""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node_hooks import consoles
from node_hooks.consoles import Consoles

BOUND = 1 << 17


def log_of(directory: Path, size: int = 0) -> Path:
    made = directory / f"vm-{uuid.uuid4()}-console.log"
    made.write_bytes(b"." * size)
    return made


@contextmanager
def writing(path: Path) -> Iterator[threading.Event]:
    """Somebody appends numbered lines, as QEMU does; the event: enough of them."""
    enough, end = threading.Event(), threading.Event()

    def write() -> None:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        for number in range(1_000_000):
            os.write(file, b"%07d\n" * 16 % tuple(range(number * 16, number * 16 + 16)))
            if number == 5000:
                enough.set()
            if end.is_set():
                break
            if number % 50 == 0:
                time.sleep(0.001)
        os.close(file)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield enough
    finally:
        end.set()
        writer.join()


def test_trim_under_writer(tmp_path: Path) -> None:
    """The newest part stays, whole and in order, though the file is written to all the while."""
    path = log_of(tmp_path)
    watch = Consoles()
    trimmed = 0
    with writing(path) as enough:
        while not enough.is_set():
            trimmed += watch.trim((str(tmp_path),), BOUND)
    watch.trim((str(tmp_path),), BOUND)
    content = path.read_bytes()
    assert trimmed > 2 and BOUND // 4 < len(content) <= BOUND
    numbers = [int(line) for line in content.split(b"\n")[1:-1]]
    with log_of(tmp_path, 1 << 16).open("r+b") as other:
        loses_nothing = consoles._collapse(other.fileno(), 4096)
    if loses_nothing:
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_other_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no piece can be taken out of a file, its end is written again."""
    monkeypatch.setattr(consoles, "_collapse", lambda file, count: False)
    path = log_of(tmp_path)
    path.write_bytes(b"old" * BOUND + b"new" * 1000)
    assert Consoles().trim((str(tmp_path),), BOUND) == 1
    assert path.stat().st_size == BOUND // 2 and path.read_bytes().endswith(b"new" * 1000)
    with path.open("ab") as file:
        file.write(b"more")
    assert path.read_bytes().endswith(b"newmore")
    assert Consoles().trim((str(tmp_path),), BOUND) == 0


def test_others(tmp_path: Path) -> None:
    """Disks, links, directories and files of other names stay as they are; absent directories are no trouble."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    disk = elsewhere / f"vm-{uuid.uuid4()}-root.qcow2"
    disk.write_bytes(b"d" * 2 * BOUND)
    (elsewhere / "vm-1-console.log").write_bytes(b"d" * 2 * BOUND)
    target = tmp_path / "target"
    target.write_bytes(b"d" * 2 * BOUND)
    (elsewhere / f"vm-{uuid.uuid4()}-console.log").symlink_to(target)
    (elsewhere / f"vm-{uuid.uuid4()}-console.log").mkdir()
    assert Consoles().trim((str(tmp_path / "absent"), str(elsewhere)), BOUND) == 0
    assert disk.stat().st_size == target.stat().st_size == 2 * BOUND


def test_trouble(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A storage that fails is told of for as long as it does, in the log once an hour; the others are looked after."""
    broken, path = tmp_path / "file", log_of(tmp_path, 2 * BOUND)
    broken.write_bytes(b"")
    now = [0.0]
    watch = Consoles(lambda: now[0])
    assert watch.trim((str(broken), str(tmp_path)), BOUND) == 1 and str(broken) in watch.trouble
    for now[0] in (5.0, 10.0, consoles.COMPLAIN_S + 1):
        assert watch.trim((str(broken),), BOUND) == 0 and str(broken) in watch.trouble
    assert caplog.text.count("not kept within bounds") == 2
    assert path.stat().st_size <= BOUND
    assert watch.trim((str(tmp_path),), BOUND) == 0 and watch.trouble == ""
