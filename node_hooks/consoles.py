"""
Keeps the files that VMs' serial consoles are logged to within bounds: QEMU appends as long as a guest writes.

Only files with the names that the manager gives them are touched, in the directories that it tells, and never one that
a link leads to.
"""

import ctypes
import errno
import logging
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("wawel.node.consoles")

NAME = re.compile(r"vm-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-console\.log")
LOOK_S = 5.0  # what a guest can write meanwhile is beyond the bound
COMPLAIN_S = 3600.0
_COLLAPSE_RANGE = 0x08  # <linux/falloc.h>
_libc = ctypes.CDLL(None, use_errno=True)


class Consoles:
    """
    One thread calls it; a storage that hangs holds up nobody else then.

    :ivar trouble: why some are not kept within bounds, as of the last look; empty: all are.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._complained: dict[str, float] = {}
        self.trouble = ""

    def trim(self, directories: tuple[str, ...], max_bytes: int) -> int:
        """
        :param max_bytes: a file that is larger loses its older part, so that about half of this is left.
        :return: how many files were.
        """
        trimmed = 0
        self.trouble = ""
        for directory in directories:
            try:
                trimmed += _trim_directory(Path(directory), max_bytes)
            except FileNotFoundError:
                continue  # not mounted yet, or a storage without a disk on it
            except OSError as error:
                told = f"console logs in {directory} are not kept within bounds: {error}"
                self.trouble = self.trouble or told
                now = self._clock()
                if now >= self._complained.get(directory, now):
                    self._complained[directory] = now + COMPLAIN_S
                    log.warning("%s", told)
        return trimmed


def _trim_directory(directory: Path, max_bytes: int) -> int:
    trimmed = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if NAME.fullmatch(entry.name) is None:
                continue
            try:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and found.st_size > max_bytes:
                    _trim(directory / entry.name, max_bytes // 2)
                    trimmed += 1
            except FileNotFoundError:
                continue
    return trimmed


def _trim(path: Path, keep: int) -> None:
    """
    Take the older part of a file that others append to.

    Where the file system can take a piece out, nothing of what is written meanwhile is lost. Elsewhere the end is read,
    the file emptied and the end written again; QEMU's own lines may come before it then, or one be lost.
    """
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return
        cut = found.st_size - keep
        whole_blocks = cut - cut % found.st_blksize
        if whole_blocks > 0 and _collapse(file, whole_blocks):
            return
        tail = os.pread(file, keep, cut)
        os.ftruncate(file, 0)
        while tail:
            tail = tail[os.write(file, tail) :]
    finally:
        os.close(file)


def _collapse(file: int, count: int) -> bool:
    """Take the first bytes out of a file; False: this file system cannot."""
    if _libc.fallocate(file, _COLLAPSE_RANGE, ctypes.c_int64(0), ctypes.c_int64(count)) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM):
        return False
    raise OSError(number, os.strerror(number))
