"""
Disks with a file system on them: made on this machine, in a file that takes what its tables take, and sent to the
storage by a node. What was made is this worker's alone; one that takes over makes another, with ids of its own.
"""

from __future__ import annotations

from typing import Final

from cm.drivers.images import qemu_img
from cm.drivers.images.child import Leash
from cm.drivers.images.filesystem import make_formatted
from cm.operations import staging
from cm.operations.base import Work
from cm.operations.staging import Staged
from cm.rpc.vocabulary import DiskFormat, Filesystem
from cm.rules.names import pool_name
from cm.store.disk import DiskFacts

DEADLINE_S: Final = 1800.0  # of all that is done here


async def upload_formatted(work: Work, disk: DiskFacts, filesystem: Filesystem, node_id: int) -> None:
    """
    Have a disk's volume be there, formatted; one that is there is taken as done. The caller's step is guarded by
    ``staging.removed_if_lost``, and its operation's ends remove what is staged.

    :raises InvalidParameter: the file system does not take a disk of that size.
    :raises NotSupported: this machine lacks the program that makes it.
    :raises StorageFull: no room, here or there.
    """
    staged = staging.staged(work)
    await work.run_images(_make, staged, disk.size_bytes, disk.format, filesystem, deadline_s=DEADLINE_S)
    await work.node(node_id).volumes.upload(
        pool_name(disk.storage_id), disk.volume, str(staged.path), disk.format, disk.size_bytes, lambda sent: None
    )


def _make(staged: Staged, size_bytes: int, format: DiskFormat, filesystem: Filesystem) -> None:
    """On a thread of images."""
    if staged.converted:
        return
    raw, made = staging.partial(staged.path), staging.made(staged.path)
    for path in (raw, made, staged.path):
        path.unlink(missing_ok=True)
    make_formatted(str(raw.absolute()), size_bytes, filesystem)
    if format is DiskFormat.RAW:
        raw.rename(staged.path)
    else:
        leash = Leash(deadline_s=DEADLINE_S, cpu_s=int(DEADLINE_S))
        qemu_img.convert(str(raw.absolute()), DiskFormat.RAW, str(made.absolute()), format, leash)
        raw.unlink()
        made.rename(staged.path)
    staged.converted = True
