"""
What QEMU does to the bytes under a running domain's disk, while its guest goes on.

A job goes on by itself: without whoever asked for it, and over a restart of libvirtd. So a start may be repeated, and
``look`` is all that tells how far it is. A job that has failed, or was aborted, is gone like one that is done: what the
disk stands on now (``source``, ``bases``) tells which. Nothing is deleted here, neither a target nor what was merged:
files are volumes, and go with their records.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cm.interfaces.source import DiskSource, path_of
from cm.rpc.vocabulary import DiskFormat


class BlockJobKind(StrEnum):
    COPY = "copy"
    COMMIT = "commit"
    ACTIVE_COMMIT = "active-commit"  # of what the guest writes to: ends by ``finish``, as a copy does
    PULL = "pull"


class BlockJobState(StrEnum):
    NONE = "none"
    RUNNING = "running"
    READY = "ready"  # both sides are the same and stay so, until ``finish`` or ``abort``


@dataclass(frozen=True)
class BlockJobSeen:
    """
    A disk's job, and what the disk stands on.

    :ivar kind: None without a job.
    :ivar done_bytes: equal to ``total_bytes`` well before it is ready; for progress alone.
    :ivar target: of a copy, where it goes; of an active commit, what is merged into.
    :ivar source: what the guest writes to.
    :ivar bases: the files below it, nearest first.
    """

    state: BlockJobState
    source: DiskSource | None
    bases: tuple[str, ...] = ()
    kind: BlockJobKind | None = None
    done_bytes: int = 0
    total_bytes: int = 0
    target: DiskSource | None = None

    @property
    def path(self) -> str:
        return path_of(self.source)


class IBlockJobs(Protocol):
    """
    The jobs of one node's running domains, one at a time for each disk, which is named by its target device ("vda").

    Each raises ``DomainNotRunning`` where the domain is off or absent (its jobs ended with it), ``InvalidParameter``
    where it has no such disk, and ``NotSupported`` on a hypervisor without such jobs. While a disk has a job, QEMU
    refuses to save, migrate or snapshot its domain, and to resize or detach the disk.
    """

    def copy(self, uuid: str, device: str, target: DiskSource, format: DiskFormat, limit_bytes_s: int = 0) -> None:
        """
        Begin to copy a disk into a volume that was made for it, empty and at least as large. All of it is copied, what
        lies in the files below it too. Begun already: nothing happens.

        :param format: of the target, as it was made.
        :param limit_bytes_s: how much it may write in a second; 0: as much as it can.
        :raises DiskBusy: the disk has another job.
        """

    def commit(
        self, uuid: str, device: str, base: DiskSource, top: DiskSource | None = None, limit_bytes_s: int = 0
    ) -> None:
        """
        Begin to merge what lies above ``base`` into it. Without ``top`` that is all up to what the guest writes to, and
        ends by ``finish``, after which ``base`` is the disk. With ``top``, a file below that, it ends by itself.
        Begun already: nothing happens.

        :raises DiskBusy: the disk has another job.
        """

    def pull(self, uuid: str, device: str, base: DiskSource | None = None, limit_bytes_s: int = 0) -> None:
        """
        Begin to take into a disk all that lies in the files between it and ``base``, which it stands on then; without
        one all that lies below it, after which it stands on none. It ends by itself, at once where there is nothing to
        take. Begun already: nothing happens.

        :raises DiskBusy: the disk has another job.
        """

    def look(self, uuid: str, device: str) -> BlockJobSeen:
        """How far it is."""

    def grow(self, uuid: str, device: str, size_bytes: int) -> None:
        """
        Make a disk larger, which its guest sees at once. One of that size already is taken as done.

        :raises InvalidParameter: it is larger already; it is not cut off.
        :raises DiskBusy: it has a job.
        :raises StorageFull: no room.
        """

    def finish(self, uuid: str, device: str) -> None:
        """
        Have the domain write to the target from now on, its definition too. Without a job nothing happens: look.

        :raises DiskBusy: it is not ready, or ends by itself.
        """

    def abort(self, uuid: str, device: str) -> None:
        """End it without effect: the disk stands on what it did. Without a job nothing happens."""
