"""How small a disk may be for the file system in its one partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import Filesystem

MIB: Final = 2**20
# With a MiB before and one behind the partition, for the two GPTs. mkfs.xfs(8) makes none that is smaller than 300 MiB.
LEAST_BYTES: Final[Mapping[Filesystem, int]] = {
    Filesystem.EXT4: 8 * MIB,
    Filesystem.XFS: 304 * MIB,
    Filesystem.VFAT: 8 * MIB,
    Filesystem.NTFS: 8 * MIB,
}


def check_size(filesystem: Filesystem, size_bytes: int) -> None:
    """:raises InvalidParameter: the disk is too small for it."""
    least = LEAST_BYTES[filesystem]
    if size_bytes < least:
        raise InvalidParameter("size_mib", f"{filesystem} needs {least // MIB} MiB")
