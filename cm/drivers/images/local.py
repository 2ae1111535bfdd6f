"""
Import of a file of this machine, only from beneath configured directories.

Each component of the path is opened relative to the one before, without following symbolic links (``openat`` with
``O_NOFOLLOW``), so neither a link nor a directory swapped in the meantime leads outside.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Final

from cm.drivers.images.target import Digests, Fetched, Target
from cm.rpc.errors import InvalidParameter

CHUNK_BYTES: Final = 2**20


def open_beneath(path: str, allowed_dirs: Sequence[str], denied_dirs: Sequence[str] = ()) -> int:
    """
    A read-only descriptor of the regular file ``path``.
    :param allowed_dirs: absolute directories; they themselves may be reached over links, nothing below them may.
    :param denied_dirs: absolute directories from which nothing may come all the same.
    :raises InvalidParameter: it lies elsewhere, leads over a link, is absent or no regular file.
    """
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise InvalidParameter("path", "must be absolute, without '..'")
    for allowed in allowed_dirs:
        if pure.is_relative_to(allowed) and pure != PurePosixPath(allowed):
            real = PurePosixPath(os.path.realpath(allowed)) / pure.relative_to(allowed)
            for denied in denied_dirs:
                if pure.is_relative_to(denied) or real.is_relative_to(denied):
                    raise InvalidParameter("path", f"{denied} holds the disks of a storage")
            return _walk(allowed, pure.relative_to(allowed).parts)
    raise InvalidParameter("path", "is beneath none of the directories that imports may come from")


def _walk(directory: str, parts: tuple[str, ...]) -> int:
    try:
        at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                below = os.open(part, flags, dir_fd=at)
                os.close(at)
                at = below
            # O_NONBLOCK: the opening of a FIFO would wait for its other end.
            file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        finally:
            os.close(at)
    except FileNotFoundError:
        raise InvalidParameter("path", "there is no such file on the cluster manager's machine") from None
    except OSError as error:
        raise InvalidParameter("path", _words(error)) from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise InvalidParameter("path", "is no regular file")
    return file


def _words(error: OSError) -> str:
    # ENOTDIR: a directory on the way is a link (O_DIRECTORY with O_NOFOLLOW), or a file.
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "it leads over a symbolic link or a file, and neither is followed"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"the cluster manager, which runs as user {os.geteuid()}, may not read it"
    return f"it cannot be opened: {error.strerror}"


def copy_local(
    path: str,
    target: str,
    allowed_dirs: Sequence[str],
    denied_dirs: Sequence[str] = (),
    *,
    max_bytes: int,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    judge: Callable[[bytes], None] | None = None,
) -> Fetched:
    """
    Copy a file to ``target``, which must not exist yet. After any error ``target`` is gone.

    :param progress: gets the bytes done and the bytes in all.
    :param cancelled: asked before each MiB; true ends the copy with ``DownloadFailed``.
    :param judge: called with the first bytes; what it raises ends the copy.
    :raises InvalidParameter: see ``open_beneath``.
    :raises TooLarge: the file has more than ``max_bytes``.
    :raises StorageFull: no room for it.
    """
    source = open_beneath(path, allowed_dirs, denied_dirs)
    try:
        total = os.fstat(source).st_size
        with Target(target, max_bytes=max_bytes, cancelled=cancelled, what="the file") as out:
            out.judge = judge
            out.expect(total)
            digests = Digests()
            while chunk := os.read(source, CHUNK_BYTES):
                digests.update(chunk)
                progress(out.size_bytes + len(chunk), total)
                out.write(chunk)
            return out.keep(digests)
    finally:
        os.close(source)
