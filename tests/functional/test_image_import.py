"""Imports on a real host: what comes packed or in other formats is the disk it was, and hostile files open nothing."""

from __future__ import annotations

import lzma
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.cloud import Cloud
from lab.processes import wait_until
from support.image_files import HOSTILE, PACKED, UNPACKED

MIB = 2**20
CONTENT = bytes(510) + b"\x55\xaa" + os.urandom(MIB) + bytes(7 * MIB - 512)
NAMES = (
    "qcow2 backed by /etc/passwd", "qcow2 backed by json:", "qcow2 with a data file's name", "VMDK descriptor",
    "VMDK with an extent elsewhere", "VMDK with a parent beyond its descriptor", "VHD with a parent's name",
    "VHDX with a parent's locator", "zip with a link", "qcow2 with a backing file in gzip", "VMDK descriptor in xz",
)  # fmt: skip
# What the children that work on images may open: themselves, and what programs are made of.
_PROGRAMS = re.compile(r"\A/(usr|lib|lib64|bin|proc|sys|dev)(/|\Z)|/etc/ld\.so|/etc/localtime|pyvenv\.cfg\Z|/\.venv/")


def imported(cloud: Cloud, name: str, content: bytes, **values: Any) -> Any:
    """The operation of an import, ended, with the image's id."""
    path = cloud.import_dir / name
    path.write_bytes(content)
    told = {"name": name, "description": "", "path": str(path), "storage_id": cloud.storage_id, "kind": "storage"}
    made = cloud.admin.call("admin.system_image.import_file", {**told, **values})
    op: dict[str, Any] = {}

    def over() -> bool:
        op.update(cloud.admin.call("admin.operation.get", {"operation_id": made["operation_id"]}))
        return op["state"] in ("done", "failed")

    wait_until(over, f"the end of the import of {name}", 120, pause=0.1)
    path.unlink()
    return {**op, "image_id": made["image_id"]}


@contextmanager
def traced(cloud: Cloud, directory: Path) -> Iterator[Path]:
    """What the manager and its children open, execute and connect to meanwhile, a file for each of them."""
    assert cloud.cm.pid is not None
    calls = "open,openat,openat2,execve,connect,link,linkat,symlink,symlinkat,rename,renameat2"
    command = ["strace", "-ff", "-qq", "-s", "400", "-e", f"trace={calls}", "-o", str(directory / "trace")]
    strace = subprocess.Popen([*command, "-p", str(cloud.cm.pid)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not re.search(r"TracerPid:\s+[1-9]", Path(f"/proc/{cloud.cm.pid}/status").read_text()):
            assert strace.poll() is None and time.monotonic() < deadline, "strace does not attach"
            time.sleep(0.05)
        yield directory
    finally:
        strace.terminate()
        strace.wait(timeout=20)


def opened(trace: str) -> list[str]:
    """Paths that were opened, of those calls that succeeded."""
    found = re.findall(r'^open(?:at|at2)?\((?:AT_FDCWD, |\d+, )?"([^"]*)".* = \d+', trace, re.M)
    return [path for path in found if path.startswith("/")]


@pytest.mark.parametrize(
    ("ending", "name", "options"),
    [("vmdk", "vmdk", "subformat=streamOptimized"), ("vhdx", "vhdx", "subformat=dynamic"),
     ("qcow2", "qcow2", "compat=1.1")],
)  # fmt: skip
def test_formats(shared_cloud: Cloud, tmp_path: Path, ending: str, name: str, options: str) -> None:
    """What comes in another format lies on the storage as qcow2 of the same content."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", name, "-o", options, source, target], check=True)
    op = imported(shared_cloud, f"disk.{ending}", target.read_bytes())
    assert op["state"] == "done", op
    image = shared_cloud.admin.call("admin.system_image.get_by_id", {"image_id": op["image_id"]})
    volume = shared_cloud.storage_dir / f"image-{image['uuid']}.qcow2"
    subprocess.run(["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", volume, source], check=True)
    shared_cloud.admin.call("admin.system_image.delete", {"image_id": op["image_id"]})


def test_packed(shared_cloud: Cloud, tmp_path: Path) -> None:
    """A raw disk in xz lies on the storage as the disk that it was, in qcow2, as guests write to it."""
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    op = imported(shared_cloud, "disk.raw.xz", lzma.compress(CONTENT, preset=0))
    assert op["state"] == "done", op
    image = shared_cloud.admin.call("admin.system_image.get_by_id", {"image_id": op["image_id"]})
    volume = shared_cloud.storage_dir / f"image-{image['uuid']}.qcow2"
    subprocess.run(["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", volume, source], check=True)
    shared_cloud.admin.call("admin.system_image.delete", {"image_id": op["image_id"]})


def test_hostile_open_nothing(shared_cloud: Cloud, tmp_path: Path) -> None:
    """
    No hostile file leads to another: of all files, the children that work on images open the staged one, and nobody
    opens what was named.
    """
    corpus = {**HOSTILE, **PACKED, **UNPACKED}
    good, source = tmp_path / "good.vmdk", tmp_path / "source"
    source.write_bytes(CONTENT)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", source, good], check=True)
    with traced(shared_cloud, tmp_path):
        for name in NAMES:
            op = imported(shared_cloud, "disk", corpus[name][0])
            assert (op["state"], op["error"]) == ("failed", "image_refused"), name
        op = imported(shared_cloud, "good.vmdk", good.read_bytes())
        assert op["state"] == "done", op
    shared_cloud.admin.call("admin.system_image.delete", {"image_id": op["image_id"]})
    staging = str(shared_cloud.base / "cm" / "staging")
    children = 0
    for path in tmp_path.glob("trace.*"):
        trace = path.read_text(errors="replace")
        named = [each for each in opened(trace) if re.search("passwd|shadow|cron|169.254", each)]
        assert named == [], path
        if "jail.py" not in trace:
            continue
        children += 1
        own = trace[trace.index("jail.py") :]
        strange = [each for each in opened(own) if not _PROGRAMS.search(each) and not each.endswith(".py")]
        assert all(each.startswith(staging) for each in strange), strange
        assert "connect(" not in own
    assert children >= 3  # an unpacking of each, a conversion, and a check
