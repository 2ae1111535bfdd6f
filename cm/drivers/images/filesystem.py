"""
Formatted disks: a sparse raw file with a GPT and one partition that holds a file system, by the tools that Debian makes
both with, each in a child that sees that file alone (``child.py``).

ext4 and FAT are made in place, at an offset. xfs and NTFS need a file of their own, whose data is moved to its place
afterwards; holes stay holes either way, so what is to be sent to a storage is small.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cm.drivers.images import child
from cm.drivers.images.child import Leash
from cm.rpc.errors import InvalidParameter, NotSupported, StorageFull
from cm.rpc.vocabulary import Filesystem
from cm.rules.filesystem import check_size
from cm.runtime.holes import segments

MIB: Final = 2**20
SECTOR: Final = 512
BEGIN_BYTES: Final = MIB  # of the partition; as partitioning tools align
END_BYTES: Final = MIB  # behind it: the second GPT, aligned likewise
CHUNK_BYTES: Final = 4 * MIB
_SFDISK: Final = "/usr/sbin/sfdisk"
# Types of partitions (https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html)
_LINUX: Final = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
_BASIC: Final = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
DEADLINE_S: Final = 600.0


@dataclass(frozen=True)
class _Maker:
    """
    :ivar offset: arguments by which it begins at ``BEGIN_BYTES`` of a disk; None: it takes a whole file alone.
    :ivar counts: what the length that is its last argument is counted in; 0: it is told none.
    """

    program: str
    arguments: Sequence[str]
    partition: str
    offset: Sequence[str] | None
    counts: int
    package: str


_MAKERS: Final[Mapping[Filesystem, _Maker]] = {
    Filesystem.EXT4: _Maker(
        "/usr/sbin/mkfs.ext4",
        # The file is all zeros, so tables and journal need not be written.
        ("-F", "-q"),
        _LINUX,
        ("-E", f"offset={BEGIN_BYTES},lazy_itable_init=1,lazy_journal_init=1,nodiscard"),
        1024,
        "e2fsprogs",
    ),
    Filesystem.VFAT: _Maker(
        "/usr/sbin/mkfs.vfat", (), _BASIC, (f"--offset={BEGIN_BYTES // SECTOR}",), 1024, "dosfstools"
    ),
    Filesystem.XFS: _Maker("/usr/sbin/mkfs.xfs", ("-q", "-f", "-K"), _LINUX, None, 0, "xfsprogs"),
    Filesystem.NTFS: _Maker(
        "/usr/sbin/mkntfs",
        ("-F", "-f", "-q", "-s", str(SECTOR), "-p", str(BEGIN_BYTES // SECTOR), "-H", "255", "-S", "63"),
        _BASIC,
        None,
        0,
        "ntfs-3g",
    ),
}


def make_formatted(path: str, size_bytes: int, filesystem: Filesystem) -> None:
    """
    Make a disk at ``path``, where there is nothing yet. After any error there is nothing again.

    :raises InvalidParameter: it is too small.
    :raises NotSupported: the program that makes it is not installed.
    :raises StorageFull: no room.
    :raises DeadlineExceeded: it took too long, and was killed.
    """
    maker = _MAKERS[filesystem]
    check_size(filesystem, size_bytes)
    for program, package in ((_SFDISK, "fdisk"), (maker.program, maker.package)):
        if not os.path.exists(program):
            raise NotSupported(f"make {filesystem}: the manager's machine lacks Debian's package {package}")
    room = size_bytes - BEGIN_BYTES - END_BYTES
    try:
        _new(path, size_bytes)
        _partition(path, size_bytes, room, maker.partition)
        if maker.offset is not None:
            _run(maker, [*maker.offset, path, str(room // maker.counts)], path, size_bytes)
        else:
            own = f"{path}.fs"
            try:
                _new(own, room)
                _run(maker, [own], own, size_bytes)
                _place(own, path)
            finally:
                _remove(own)
    except BaseException:
        _remove(path)
        raise


def _new(path: str, size_bytes: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(file, size_bytes)
    finally:
        os.close(file)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _partition(path: str, size_bytes: int, room: int, kind: str) -> None:
    wanted = f"label: gpt\nstart={BEGIN_BYTES // SECTOR}, size={room // SECTOR}, type={kind}\n"
    with tempfile.TemporaryFile() as script:
        script.write(wanted.encode())
        script.seek(0)
        program = [_SFDISK, "--quiet", "--no-reread", "--no-tell-kernel", "--lock=no", path]
        leash = Leash(deadline_s=60.0, file_bytes=size_bytes)
        ended = child.run(program, leash, what="sfdisk", writable=[path], stdin=script.fileno())
    _check("sfdisk", ended)


def _run(maker: _Maker, more: Sequence[str], path: str, size_bytes: int) -> None:
    leash = Leash(deadline_s=DEADLINE_S, cpu_s=int(DEADLINE_S), file_bytes=size_bytes)
    what = os.path.basename(maker.program)
    _check(what, child.run([maker.program, *maker.arguments, *more], leash, what=what, writable=[path]))


def _check(what: str, ended: child.Ended) -> None:
    if ended.status == 0:
        return
    if "No space left" in ended.errors:
        raise StorageFull(0, 0, 0)
    raise InvalidParameter("filesystem", f"{what} refuses: {ended.errors or 'without a word'}")


def _place(own: str, path: str) -> None:
    """Move the data of a file to where the partition is; holes stay holes."""
    with open(own, "rb", buffering=0) as source, open(path, "r+b", buffering=0) as target:
        for offset, length, is_data in segments(source.fileno(), os.fstat(source.fileno()).st_size):
            while is_data and length:
                moved = os.copy_file_range(
                    source.fileno(), target.fileno(), min(CHUNK_BYTES, length), offset, BEGIN_BYTES + offset
                )
                if not moved:
                    raise OSError(f"{own} ends at {offset}")
                offset, length = offset + moved, length - moved
