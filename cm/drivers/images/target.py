"""The file that an import writes: bounded, checked against free space, gone again after any error."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from cm.rpc.errors import DownloadFailed, StorageFull, TooLarge

HEAD_BYTES: Final = 512  # that a file is judged by before the rest has come
RESERVE_BYTES: Final = 64 * 2**20  # left free on the file system, always
_CHECK_EVERY_BYTES: Final = 64 * 2**20


@dataclass(frozen=True)
class Fetched:
    """A finished import."""

    size_bytes: int
    sha256: str
    url: str = ""  # the last one, after redirects
    sha512: str = ""  # if it was asked for


class Digests:
    """SHA-256, which images are known by, and SHA-512, where somebody published that."""

    def __init__(self, sha512: bool = False) -> None:
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512() if sha512 else None

    def update(self, chunk: bytes) -> None:
        self._sha256.update(chunk)
        if self._sha512 is not None:
            self._sha512.update(chunk)

    def told(self) -> tuple[str, str]:
        return self._sha256.hexdigest(), "" if self._sha512 is None else self._sha512.hexdigest()


class Target:
    """
    A new file, as a context: on the way out without ``keep`` it is deleted.

    :param path: must not exist; it is made with mode 0600.
    :param what: the thing that is imported, for ``TooLarge``.
    """

    def __init__(self, path: str, *, max_bytes: int, cancelled: Callable[[], bool], what: str) -> None:
        self.size_bytes = 0
        self._path = path
        self._max_bytes = max_bytes
        self._cancelled = cancelled
        self._what = what
        self._kept = False
        self._checked_at = 0
        self._fd = -1
        self._head: bytes | None = b""
        self.judge: Callable[[bytes], None] | None = None  # gets the first bytes, as soon as they are here

    def __enter__(self) -> Target:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return self

    def expect(self, size_bytes: int) -> None:
        """
        Check an announced size before anything is written.
        :raises TooLarge: it is over the bound.
        :raises StorageFull: there is no room for it.
        """
        if size_bytes > self._max_bytes:
            raise TooLarge(self._what, self._max_bytes)
        self._require(size_bytes)

    def write(self, chunk: bytes) -> None:
        """
        :raises TooLarge: more came than may come.
        :raises StorageFull: the file system is (almost) full.
        :raises DownloadFailed: it was called off.
        :raises ImageRefused: ``judge`` did.
        """
        if self._cancelled():
            raise DownloadFailed("it was called off")
        if self.size_bytes + len(chunk) > self._max_bytes:
            raise TooLarge(self._what, self._max_bytes)
        if self.size_bytes + len(chunk) >= self._checked_at:
            self._require(len(chunk))
            self._checked_at = self.size_bytes + _CHECK_EVERY_BYTES
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StorageFull(0, 0, len(view)) from error
            raise
        self.size_bytes += len(chunk)
        if self._head is not None:
            self._head += chunk[:HEAD_BYTES]
            if len(self._head) >= HEAD_BYTES:
                self._judge()

    def _judge(self) -> None:
        head, self._head = self._head, None
        if self.judge is not None and head is not None:
            self.judge(head[:HEAD_BYTES])

    def _require(self, needed_bytes: int) -> None:
        figures = os.fstatvfs(self._fd)
        free_bytes = figures.f_bavail * figures.f_frsize
        if needed_bytes + RESERVE_BYTES > free_bytes:
            raise StorageFull(0, free_bytes, needed_bytes)

    def keep(self, digests: Digests, url: str = "") -> Fetched:
        """
        The file is complete: write it to disk and let it stay.
        :raises ImageRefused: ``judge`` did.
        """
        self._judge()
        os.fsync(self._fd)
        self._kept = True
        sha256, sha512 = digests.told()
        return Fetched(self.size_bytes, sha256, url, sha512)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._fd)
        if not self._kept or error is not None:
            os.unlink(self._path)
