"""Unpacking what images come packed in, by a child that is locked up (``jail.py``): one open file in, one out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cm.drivers.images import child
from cm.drivers.images.child import Leash
from cm.drivers.images.packing import Packing, check_packed
from cm.drivers.images.target import RESERVE_BYTES
from cm.rpc.errors import ImageRefused, StorageFull
from cm.rpc.vocabulary import ImageFault

_UNPACKING: Final = str(Path(__file__).with_name("unpacking.py"))
_ZSTD: Final = "/usr/bin/zstd"
_MEMORY_BYTES: Final = 512 * 2**20  # address space: some 30 MiB of Python, and what the dictionary of xz or zstd takes
_FAULTS: Final = {
    "damaged": ImageFault.DAMAGED,
    "too_large": ImageFault.TOO_LARGE,
    "archive": ImageFault.ARCHIVE,
}


def unpack(
    source: str,
    packing: Packing,
    target: str,
    *,
    max_bytes: int,
    deadline_s: float,
    moved: Callable[[int, int, int], None] = lambda read, total, written: None,
) -> None:
    """
    Write what is packed in ``source`` to the new file ``target``, with holes for its zeros. After any error it is gone.

    :param max_bytes: that it may have unpacked.
    :param moved: called several times a second with the bytes read, those to be read, and those that were written (of
        the file's length: holes count); what it raises ends the unpacking.
    :raises ImageRefused: it is damaged, larger than it may be, several files, or needs too much memory.
    :raises StorageFull: no room.
    :raises DeadlineExceeded: it took too long, and was killed.
    """
    with open(source, "rb") as packed:
        check_packed(packed, packing)
        os.lseek(packed.fileno(), 0, os.SEEK_SET)  # not the file object's place, which may be within its buffer
        total = os.fstat(packed.fileno()).st_size
        out = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        kept = False
        try:

            def watch(_: bytes) -> None:
                figures = os.fstatvfs(out)
                free_bytes = figures.f_bavail * figures.f_frsize
                if free_bytes < RESERVE_BYTES:
                    raise StorageFull(0, free_bytes, RESERVE_BYTES)
                # The child's place in its input is that of our descriptor, which it was given.
                read = os.lseek(packed.fileno(), 0, os.SEEK_CUR)
                moved(min(read, total), total, os.fstat(out).st_size)

            leash = Leash(deadline_s, int(deadline_s), _MEMORY_BYTES, max_bytes)
            ended = child.run(
                _program(packing),
                leash,
                what="unpacking",
                readable=[_UNPACKING, sys.base_prefix],
                stdin=packed.fileno(),
                stdout=out,
                watch=watch,
            )
            _judge(ended, packing)
            moved(total, total, os.fstat(out).st_size)
            os.fsync(out)
            kept = True
        finally:
            os.close(out)
            if not kept:
                os.unlink(target)


def _program(packing: Packing) -> list[str]:
    if packing is Packing.ZSTD:  # of which Python's library has nothing yet
        return [_ZSTD, "-d", "-q", "-c", "--sparse", "--no-progress", "--memory=160MB"]
    return [sys.executable, "-I", "-S", _UNPACKING, str(packing)]


def _judge(ended: child.Ended, packing: Packing) -> None:
    if ended.status == 0:
        return
    if packing is Packing.ZSTD:
        if "No space left" in ended.errors:
            raise StorageFull(0, 0, 0)
        if "File too large" in ended.errors:
            raise ImageRefused("unpacked it is larger than it may be", ImageFault.TOO_LARGE)
        if not os.path.exists(_ZSTD):
            raise ImageRefused("it is packed by zstd, which the cluster manager's machine has not", ImageFault.FORMAT)
        raise ImageRefused(f"it cannot be unpacked: {ended.errors[-200:]}", ImageFault.DAMAGED)
    kind, _, told = ended.errors.partition(" ")
    if kind == "full":
        raise StorageFull(0, 0, 0)
    if ended.status == 2 and kind in _FAULTS:
        raise ImageRefused(told, _FAULTS[kind])
    raise ImageRefused(f"it cannot be unpacked: {ended.errors[-200:]}", ImageFault.DAMAGED)
