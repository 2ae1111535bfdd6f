"""
qemu-img on a short leash: explicit formats, bounded CPU, memory and output, a deadline, no environment.

It is run on images that ``inspect`` has let pass. Paths are absolute, so none reads as an option or as a protocol
(``nbd:``, ``json:``).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from cm.rpc.errors import DeadlineExceeded, ImageRefused, InvalidParameter, StorageFull
from cm.rpc.vocabulary import DiskFormat, ImageFault

# prlimit(1) sets the limits between fork and exec; Python code there would be unsafe beside other threads.
_PRLIMIT: Final = "/usr/bin/prlimit"
_QEMU_IMG: Final = "/usr/bin/qemu-img"
_OUTPUT_MAX: Final = 2**20  # characters of its report
_CHECK_LEAKS: Final = 3  # exit status of "check": leaked clusters, no corruption
_CHECK_UNSUPPORTED: Final = 63  # raw has nothing to check


@dataclass(frozen=True)
class Leash:
    """
    :param deadline_s: then the whole process group is killed.
    :param file_bytes: the largest file it may write.
    """

    deadline_s: float = 60.0
    cpu_s: int = 60
    memory_bytes: int = 2 * 2**30  # address space; qemu-img alone maps some 500 MiB
    file_bytes: int = 2 * 2**40


@dataclass(frozen=True)
class ImageInfo:
    """What ``qemu-img info`` says; ``backing`` is None unless the image names another."""

    virtual_size_bytes: int
    actual_size_bytes: int
    backing: str | None


def info(path: str, format: DiskFormat, leash: Leash = Leash()) -> ImageInfo:
    """
    :raises ImageRefused: qemu-img does not take it for ``format``.
    :raises DeadlineExceeded: it was killed.
    """
    status, output, errors = _run(["info", "--output=json", "-f", str(format), _path(path)], leash)
    if status != 0:
        raise ImageRefused(f"qemu-img: {errors}")
    found = _json(output)
    backing = found.get("backing-filename")
    return ImageInfo(int(found["virtual-size"]), int(found.get("actual-size", 0)), backing)


def check(path: str, format: DiskFormat, leash: Leash = Leash()) -> None:
    """
    Leaked clusters pass: they cost room and harm nobody.
    :raises ImageRefused: it is corrupt.
    :raises DeadlineExceeded: it was killed.
    """
    status, _, errors = _run(["check", "--output=json", "-f", str(format), _path(path)], leash)
    if status not in (0, _CHECK_LEAKS, _CHECK_UNSUPPORTED):
        raise ImageRefused(
            f"qemu-img finds it corrupt: {errors}" if errors else "qemu-img finds it corrupt", ImageFault.DAMAGED
        )


def convert(
    source: str, source_format: DiskFormat, target: str, target_format: DiskFormat, leash: Leash = Leash()
) -> None:
    """
    Write ``source`` as a new file. After any error ``target`` is gone.

    :raises ImageRefused: qemu-img cannot read it.
    :raises StorageFull: no room.
    :raises DeadlineExceeded: it was killed.
    """
    arguments = ["convert", "-f", str(source_format), "-O", str(target_format), _path(source), _path(target)]
    done = False
    try:
        status, _, errors = _run(arguments, leash)
        done = status == 0
    finally:
        if not done and os.path.exists(target):
            os.unlink(target)
    if not done:
        if "No space left" in errors or "File too large" in errors:
            raise StorageFull(0, 0, 0)
        raise ImageRefused(f"qemu-img: {errors}")


def _path(path: str) -> str:
    if not os.path.isabs(path) or "\0" in path:
        raise InvalidParameter("path", "must be absolute")
    return path


def _run(arguments: list[str], leash: Leash) -> tuple[int, str, str]:
    """Exit status, report, and the end of what it says on stderr."""
    limits = [
        f"--cpu={leash.cpu_s}",
        f"--as={leash.memory_bytes}",
        f"--fsize={leash.file_bytes}",
        "--core=0",
    ]
    child = subprocess.Popen(
        [_PRLIMIT, *limits, _QEMU_IMG, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=leash.deadline_s)
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"qemu-img {arguments[0]}", leash.deadline_s) from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    text = " ".join(errors.decode(errors="replace").split())[-500:]
    if child.returncode < 0:
        text = f"it was ended by {signal.Signals(-child.returncode).name} {text}".strip()
    return child.returncode, output[:_OUTPUT_MAX].decode(errors="replace"), text


def _json(output: str) -> dict[str, Any]:
    try:
        found = json.loads(output)
    except ValueError:
        raise ImageRefused("qemu-img gives no report") from None
    if not isinstance(found, dict) or "virtual-size" not in found:
        raise ImageRefused("qemu-img gives no report")
    return found
