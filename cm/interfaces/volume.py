"""Storages as nodes have them, and the volumes in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cm.interfaces.source import DiskSource, path_of
from cm.rpc.vocabulary import DiskFormat, StorageKind


@dataclass(frozen=True)
class StorageSpec:
    """A storage as the nodes see it: a libvirt pool."""

    name: str  # the pool's name on the nodes
    kind: StorageKind
    path: str  # absolute directory on the node (netfs: the mount point; logical: where its volumes' devices are)
    address: str = ""  # netfs: the server
    source: str = ""  # netfs: the exported path; logical: the volume group
    devices: tuple[str, ...] = ()  # logical: what the group is made of where there is none
    nfs_version: str = ""  # netfs: "4.2"; "": whatever server and node agree on
    mount_options: tuple[str, ...] = ()  # netfs


@dataclass(frozen=True)
class StorageUsage:
    capacity_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class VolumeSeen:
    name: str
    source: DiskSource
    capacity_bytes: int  # what a guest sees
    allocation_bytes: int  # what it takes now
    base: str = ""  # the path of the volume that it is an overlay on
    length_bytes: int = 0  # of its file or device, holes included: what a download of it gives

    @property
    def path(self) -> str:
        return path_of(self.source)


class IPools(Protocol):
    """One node's storages, which are pools there."""

    def attach(self, storage: StorageSpec) -> StorageUsage:
        """Make the pool be defined, started and marked for autostart on this node; repeatable."""

    def ensure(self, storage: StorageSpec) -> None:
        """The same where the node has no such pool, or has it stopped. One that is active is taken as it is."""

    def detach(self, storage_name: str) -> None:
        """Stop and forget the pool; its files stay. An absent one is not an error."""

    def usage(self, storage_name: str, fresh: bool = True) -> StorageUsage:
        """
        Figures of the pool.

        :param fresh: they are asked for now; else they are those of its last listing, which costs nothing.
        """


class IVolumes(Protocol):
    """The volumes of one node's storages. Names are made by us: lower-case letters, digits, ``-`` and ``.`` only."""

    def list_all(self, storage_name: str) -> Sequence[VolumeSeen]:
        """Every volume after a refresh: slow, for reconciliation."""

    def find(self, storage_name: str, volume: str) -> VolumeSeen | None:
        """One volume, or None."""

    def source(self, storage_name: str, volume: str) -> DiskSource:
        """Where a domain of this node finds a volume of that name, whether there is one or not."""

    def create_overlay(
        self, storage_name: str, volume: str, base: str, base_format: DiskFormat, size_bytes: int
    ) -> VolumeSeen:
        """
        A qcow2 overlay on volume ``base`` of the same storage. An existing volume of that name is taken as done.
        :raises VolumeNotFound: there is no base, or what it stands on is missing.
        :raises StorageFull: no room.
        :raises NotSupported: the storage has no overlays.
        """

    def create_copy(
        self,
        storage_name: str,
        volume: str,
        source: str,
        source_format: DiskFormat,
        size_bytes: int = 0,
        *,
        source_storage: str = "",
        format: DiskFormat = DiskFormat.QCOW2,
    ) -> VolumeSeen:
        """
        A flat, complete copy of volume ``source`` (an overlay's base is folded in), of the format that is asked for or
        what the storage has in its place, of its size or larger: what is beyond the source reads as zeros.
        ``source_storage`` is that of the source, where it is another. Repeatable: a half-made volume of an earlier
        attempt (a marker ``volume`` + ``.part`` stands beside it, and ``find`` does not show it) is thrown away, a
        finished one is taken as done.
        """

    def create_empty(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        """
        A new volume that reads as zeros; sparse where its storage has such. An existing one is taken as done.
        :raises NotSupported: the storage has no volumes of that format.
        """

    def upload(
        self,
        storage_name: str,
        volume: str,
        path: str,
        format: DiskFormat,
        size_bytes: int,
        progress: Callable[[int], None],
    ) -> VolumeSeen:
        """
        Stream the local file ``path`` into a new volume; ``progress`` gets bytes sent. Repeatable as ``create_copy``.
        ``size_bytes`` is what a guest will see; the file may be smaller (qcow2). What ``progress`` raises ends it.
        :raises NotSupported: this hypervisor takes no uploads.
        """

    def resize(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        """
        Make a volume that no domain has open larger, as a guest sees it: what is new reads as zeros. One of that size
        already is taken as done. The format is our record's: what a guest has written into a raw volume is not read.

        :return: the volume; its figures are of what was found in it, where its guest wrote what looks like another
            format.
        :raises VolumeNotFound: it is missing, or what it stands on. StorageFull:
        :raises InvalidParameter: it is larger; it is not cut off.
        :raises NotSupported: volumes of such a storage cannot grow.
        """

    def read_tail(self, storage_name: str, volume: str, limit_bytes: int) -> bytes:
        """
        The last bytes of a raw volume (a console log).
        :raises VolumeNotFound: there is none.
        :raises NotSupported: this hypervisor gives no downloads.
        """

    def delete(self, storage_name: str, volume: str) -> None:
        """Delete a volume; an absent one is not an error."""

    def wipe(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int, overwrite: bool) -> VolumeSeen:
        """
        Have a volume of that name, format and size be there that reads as zeros, whatever it held, and even where it is
        gone. Repeatable: one that was interrupted is begun again.

        :param overwrite: what lies on the device is written over first, as far as the node can tell where that is; else
            nobody who uses the storage can read it any more, which takes no time.
        """
