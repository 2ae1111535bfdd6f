"""
qemu-img on a short leash: explicit formats, in a child that sees the files it is given alone (``child.py``).

It is run on images that ``inspect`` has let pass. Paths are absolute, so none reads as an option or as a protocol
(``nbd:``, ``json:``).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cm.drivers.images import child
from cm.drivers.images.child import Ended, Leash
from cm.rpc.errors import ImageRefused, InvalidParameter, StorageFull
from cm.rpc.vocabulary import DiskFormat, ImageFault, SourceFormat

_QEMU_IMG: Final = "/usr/bin/qemu-img"
_CHECK_LEAKS: Final = 3  # exit status of "check": leaked clusters, no corruption
_CHECK_UNSUPPORTED: Final = 63  # raw has nothing to check
_NAMES: Final = {SourceFormat.VHD: "vpc"}  # where QEMU's name of a format is not ours
_PERCENT: Final = re.compile(rb"\(([0-9]{1,3})\.[0-9]{2}/100%\)\s*\Z")
_LEASH: Final = Leash()
_OPTIONS: Final = {DiskFormat.QCOW2: ["-o", "compat=1.1,preallocation=off"], DiskFormat.RAW: []}


@dataclass(frozen=True)
class ImageInfo:
    """What ``qemu-img info`` says; ``backing`` is None unless the image names another."""

    virtual_size_bytes: int
    actual_size_bytes: int
    backing: str | None


def info(path: str, format: SourceFormat | DiskFormat, leash: Leash = _LEASH) -> ImageInfo:
    """
    :raises ImageRefused: qemu-img does not take it for ``format``.
    :raises DeadlineExceeded: it was killed.
    """
    ended = _run(["info", "--output=json", "-f", _name(format), _path(path)], leash, readable=[path])
    if ended.status != 0:
        raise ImageRefused(f"qemu-img: {ended.errors}", ImageFault.DAMAGED)
    found = _json(ended.output)
    backing = found.get("backing-filename")
    return ImageInfo(int(found["virtual-size"]), int(found.get("actual-size", 0)), backing)


def check(path: str, format: DiskFormat, leash: Leash = _LEASH) -> None:
    """
    Leaked clusters pass: they cost room and harm nobody.
    :raises ImageRefused: it is corrupt.
    :raises DeadlineExceeded: it was killed.
    """
    ended = _run(["check", "--output=json", "-f", _name(format), _path(path)], leash, readable=[path])
    if ended.status not in (0, _CHECK_LEAKS, _CHECK_UNSUPPORTED):
        told = f"qemu-img finds it corrupt: {ended.errors}" if ended.errors else "qemu-img finds it corrupt"
        raise ImageRefused(told, ImageFault.DAMAGED)


def convert(
    source: str,
    source_format: SourceFormat | DiskFormat,
    target: str,
    target_format: DiskFormat,
    leash: Leash = _LEASH,
    *,
    moved: Callable[[int], None] = lambda percent: None,
) -> None:
    """
    Write ``source`` as a new, sparse file. After any error ``target`` is gone.

    :param moved: called several times a second with the percentage done; what it raises ends the conversion.
    :raises FileExistsError: there is something at ``target``.
    :raises ImageRefused: qemu-img cannot read it.
    :raises StorageFull: no room.
    :raises DeadlineExceeded: it was killed.
    """
    # Made here: the child may write to this file, and make none.
    os.close(os.open(_path(target), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    arguments = ["convert", "-p", "-f", _name(source_format), "-O", _name(target_format), *_OPTIONS[target_format]]
    done = False
    try:
        ended = _run([*arguments, _path(source), target], leash, [source], [target], lambda said: _tell(said, moved))
        done = ended.status == 0
    finally:
        if not done and os.path.exists(target):
            os.unlink(target)
    if not done:
        if "No space left" in ended.errors or "File too large" in ended.errors:
            raise StorageFull(0, 0, 0)
        raise ImageRefused(f"qemu-img: {ended.errors}", ImageFault.DAMAGED)


def _tell(said: bytes, moved: Callable[[int], None]) -> None:
    found = _PERCENT.search(said)
    moved(int(found[1]) if found else 0)


def _name(format: SourceFormat | DiskFormat) -> str:
    return _NAMES.get(SourceFormat(format), str(format))


def _path(path: str) -> str:
    if not os.path.isabs(path) or "\0" in path:
        raise InvalidParameter("path", "must be absolute")
    return path


def _run(
    arguments: list[str],
    leash: Leash,
    readable: list[str],
    writable: list[str] | None = None,
    watch: Callable[[bytes], None] = lambda said: None,
) -> Ended:
    program = [_QEMU_IMG, *arguments]
    what = f"qemu-img {arguments[0]}"
    return child.run(program, leash, what=what, readable=readable, writable=writable or (), watch=watch)


def _json(output: str) -> dict[str, Any]:
    try:
        found = json.loads(output)
    except ValueError:
        raise ImageRefused("qemu-img gives no report", ImageFault.DAMAGED) from None
    if not isinstance(found, dict) or "virtual-size" not in found:
        raise ImageRefused("qemu-img gives no report", ImageFault.DAMAGED)
    return found
