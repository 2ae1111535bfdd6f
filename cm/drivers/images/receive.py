"""
The file that an upload is written to, by one writer at a time, from where the last has surely come to. Blocking.

What was written is in the system's hands at once, so that it outlives this process; ``sync`` makes it outlive the
machine. Only then may anybody be told of it: where a machine loses its power, a file may be longer than what was ever
written to it, with zeros at the end that no header shows.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from cm.drivers.images.target import HEAD_BYTES, Digests, Fetched
from cm.rpc.errors import DownloadFailed, NoStagingRoom, UploadBusy, UploadGone
from cm.runtime.files import free_bytes

_READ_BYTES: Final = 2**20
_VECTOR: Final = 512  # pieces of one call; IOV_MAX is 1024


class Lost(Exception):
    """The file is shorter than what was told to have come: it is another, or its disk has failed."""


class Intake:
    """
    An upload's file while it is being written; who has it has it alone, of all processes on the machine.

    :ivar offset: where the next bytes go.
    :raises UploadBusy: somebody else has it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()  # a call that overran its deadline may still be at it
        self._directory = path.parent
        self._digest: Any = None
        self.offset = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException as error:
            os.close(self._fd)
            if isinstance(error, BlockingIOError):
                raise UploadBusy() from None
            raise

    def start(self, offset: int) -> None:
        """
        Go on where it has come to.

        :param offset: what has surely come; what is behind that is cut off.
        :raises Lost: there is less.
        """
        size = os.fstat(self._fd).st_size
        if size < offset:
            raise Lost()
        if size > offset:
            os.ftruncate(self._fd, offset)
        if not offset:
            _sync_directory(self._directory)
        self.offset = offset

    def digest(self, name: str) -> None:
        """Have the digest of all that is written from now on."""
        self._digest = hashlib.new(name)

    def digested(self) -> bytes:
        return bytes(self._digest.digest())

    def write(self, pieces: Sequence[bytes]) -> None:
        """:raises NoStagingRoom: the disk is full; what is there of these pieces counts for nothing."""
        with self._lock:
            at = self.offset
            views = [memoryview(piece) for piece in pieces]
            try:
                while views:
                    done = os.pwritev(self._fd, views[:_VECTOR], at)
                    at += done
                    views = _behind(views, done)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise NoStagingRoom(free_bytes(self._fd), sum(map(len, views))) from error
                raise
            if self._digest is not None:
                for piece in pieces:
                    self._digest.update(piece)
            self.offset = at

    def sync(self) -> None:
        """What is written now stays; meanwhile more may be."""
        with self._lock:
            fd = os.dup(self._fd)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def cut(self, offset: int) -> None:
        """Forget what came behind there."""
        with self._lock:
            os.ftruncate(self._fd, offset)
            self.offset = offset

    def close(self) -> None:
        with self._lock:
            os.close(self._fd)


def is_held(path: Path) -> bool:
    """Whether somebody writes to a file, in whichever process of this machine; nobody does where there is none."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _behind(views: list[memoryview], done: int) -> list[memoryview]:
    for index, view in enumerate(views):
        if done < len(view):
            return [view[done:], *views[index + 1 :]]
        done -= len(view)
    return []


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def take_received(
    source: Path,
    target: Path,
    *,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    judge: Callable[[bytes], None] | None = None,
) -> Fetched:
    """
    An upload that is complete as what an import has fetched: the same file under another name, read for its digest.

    :param progress: gets the bytes done and the bytes in all.
    :param cancelled: asked before each piece; true ends it with ``DownloadFailed``.
    :param judge: called with the first bytes; what it raises ends it.
    :raises UploadGone: the file is not there.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise UploadGone() from None
    try:
        digests = Digests()
        done = 0
        with target.open("rb", buffering=0) as file:
            total = os.fstat(file.fileno()).st_size
            while chunk := file.read(_READ_BYTES):
                if cancelled():
                    raise DownloadFailed("it was called off")
                if not done and judge is not None:
                    judge(chunk[:HEAD_BYTES])
                digests.update(chunk)
                done += len(chunk)
                progress(done, total)
        sha256, sha512 = digests.told()
        return Fetched(done, sha256, sha512=sha512)
    except BaseException:
        target.unlink()
        raise
