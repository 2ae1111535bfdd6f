"""The hook as libvirt runs it: a process with arguments and XML on stdin."""

import fcntl
import hashlib
import json
import os
import resource
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_endpoint import UUID, XML, install, run_hook, write_records

from node_hooks import qemu_hook
from node_hooks.spool import Spool, parse_record


@pytest.fixture
def hook(spool: Spool) -> Path:
    return install(spool.directory)


def test_record(hook: Path, spool: Spool) -> None:
    """One call leaves one record that says all it was told."""
    before = time.time()
    done = run_hook(hook, "vm-1", "release", "end", "destroyed")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (record,), problems = spool.read(10)
    assert problems == []
    assert record.sequence == 1
    assert record.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert (record.domain_uuid, record.domain_name) == (UUID, "vm-1")
    assert (record.operation, record.sub_operation, record.extra) == ("release", "end", "destroyed")
    assert before - 1 <= record.time <= time.time() + 1
    assert record.xml_sha256 == hashlib.sha256(XML).hexdigest()


@pytest.mark.parametrize(
    "operation", ["prepare", "start", "started", "stopped", "release", "reconnect", "migrate", "restore", "attach"]
)
def test_operations(operation: str, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operation that libvirt knows is recorded."""
    monkeypatch.setattr(qemu_hook, "SPOOL", str(spool.directory))
    monkeypatch.setattr(qemu_hook, "read_bounded", lambda *_: (XML, True))
    qemu_hook.main(["qemu", "vm-1", operation, "begin", "-"])
    assert [record.operation for record in spool.read(10)[0]] == [operation]


def test_boot_id_override(hook: Path, spool: Spool) -> None:
    """A file in the spool stands for the kernel's boot id."""
    (spool.directory / "boot_id").write_text("simulated-1\n")
    run_hook(hook, "vm-1", "start", "begin", "-")
    assert spool.read(1)[0][0].boot_id == "simulated-1"


def test_concurrent_numbers(hook: Path, spool: Spool) -> None:
    """Eight hooks at once, twenty records each: no gap, no repeat, and names agree with numbers."""
    def calls(worker: int) -> None:
        for turn in range(20):
            assert run_hook(hook, f"vm-{worker}-{turn}", "start", "begin", "-").returncode == 0

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(calls, range(8)))
    records, problems = spool.read(1000)
    assert problems == []
    assert [record.sequence for record in records] == list(range(1, 161))
    assert len({record.domain_name for record in records}) == 160


def test_bad_calls(hook: Path, spool: Spool, tmp_path: Path) -> None:
    """No call fails: not without arguments, with garbage, without stdin, nor without a spool."""
    assert run_hook(hook).returncode == 0
    assert run_hook(hook, "x").returncode == 0
    assert spool.numbers() == []
    assert run_hook(hook, b"\xff\xfe\"\\\n", "start", xml=b"").returncode == 0
    done = subprocess.run(["sh", "-c", f"exec {hook} vm-1 start begin - <&- 2>&-"], timeout=20)
    assert done.returncode == 0
    spool.directory.rename(tmp_path / "elsewhere")
    done = run_hook(hook, "vm-1", "start", "begin", "-")
    assert done.returncode == 0 and b"no record written" in done.stderr


def test_full_disk(hook: Path, spool: Spool) -> None:
    """When nothing can be written, the hook says so and exits 0; no half record stays."""
    done = subprocess.run(
        [hook, "vm-1", "start", "begin", "-"], input=XML, capture_output=True, timeout=20,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
    )
    assert done.returncode == 0 and b"no record written" in done.stderr
    assert spool.numbers() == []
    assert [name for name in os.listdir(spool.directory) if "tmp" in name] == []


def test_large_xml(hook: Path, spool: Spool) -> None:
    """Beyond the limit the XML is read to its end, but has no digest."""
    run_hook(hook, "vm-1", "start", "begin", "-", xml=XML + b" " * qemu_hook.XML_LIMIT)
    record = spool.read(1)[0][0]
    assert (record.xml_sha256, record.domain_uuid) == ("", UUID)


def test_stuck_stdin(spool: Spool) -> None:
    """A stdin that never ends costs the patience and the digest, not the record."""
    hook = install(spool.directory, 0.4)
    reader, writer = os.pipe()
    os.write(writer, XML)
    began = time.monotonic()
    done = subprocess.run([hook, "vm-1", "start", "begin", "-"], stdin=reader, capture_output=True, timeout=20)
    assert done.returncode == 0 and 0.4 < time.monotonic() - began < 4
    os.close(reader)
    os.close(writer)
    assert spool.read(1)[0][0].xml_sha256 == ""


def test_held_lock(spool: Spool) -> None:
    """When the lock is not to be had, the record waits for the agent to number it."""
    hook = install(spool.directory, 0.4)
    write_records(spool.directory, 1)
    with open(spool.directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        assert run_hook(hook, "vm-2", "release", "end", "-").returncode == 0
        assert 0.4 < time.monotonic() - began < 4
    assert spool.numbers() == [1] and spool.state().unsequenced == 1
    assert spool.adopt() == 1
    assert [(record.sequence, record.domain_name) for record in spool.read(10)[0]] == [(1, "vm-1"), (2, "vm-2")]


def test_counter_survives(spool: Spool) -> None:
    """An emptied spool, a leftover of a killed hook, a lost and a broken counter: no number comes again."""
    directory = str(spool.directory)
    write_records(spool.directory, 3)
    spool.acknowledge(spool.read(10)[0], 3)
    os.symlink("9", directory + "/sequence.tmp")
    assert qemu_hook.allocate(directory) == 4
    write_records(spool.directory, 1)
    os.unlink(directory + "/sequence")
    assert qemu_hook.allocate(directory) == 6
    os.unlink(directory + "/sequence")
    Path(directory, "sequence").write_text("?")
    assert qemu_hook.allocate(directory) > 1_000_000_000


@settings(deadline=None)
@given(st.text())
def test_quote(text: str) -> None:
    """Whatever the text, the record is ASCII and JSON reads it back, lone surrogates excepted."""
    quoted = qemu_hook.quote(text)
    assert quoted.isascii() and "\n" not in quoted
    expected = "".join("�" if 0xD800 <= ord(c) < 0xE000 else c for c in text[: qemu_hook.TEXT_LIMIT])
    assert json.loads(quoted) == expected


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (b"", ""),
        (f"<uuid>{UUID.upper()}</uuid><uuid>other</uuid>".encode(), UUID),
        (b"<uuid>2b6d9a0e11114222833301234567890123ab</uuid>", ""),
        (f"<uuid>{UUID}0</uuid>".encode(), ""),
        (b"<uuid>../../../../../../../../../../../../</uuid>", ""),
    ],
)
def test_uuid(xml: bytes, expected: str) -> None:
    """Only the first uuid counts, and only if it is one."""
    assert qemu_hook.find_uuid(xml) == expected


def test_longest_record(spool: Spool) -> None:
    """The longest record that the hook can write is one that the agent reads."""
    texts = [qemu_hook.quote("\N{SNOWMAN}" * 5000)] * 5
    content = (
        f'{{"sequence": 1, "boot_id": {texts[0]}, "domain_uuid": "{UUID}", "domain_name": {texts[1]}, "operation": "x",'
        f' "sub_operation": {texts[2]}, "extra": {texts[3]}, "time": 1.0, "xml_sha256": ""}}'
    )
    assert parse_record(content.encode(), 1).domain_name == "\N{SNOWMAN}" * qemu_hook.TEXT_LIMIT
