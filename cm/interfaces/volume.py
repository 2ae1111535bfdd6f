"""Storages as nodes have them, and the volumes in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zope.interface import Interface

from cm.interfaces.pace import lasting, slow
from cm.rpc.vocabulary import DiskFormat, StorageKind


@dataclass(frozen=True)
class StorageSpec:
    """A storage as the nodes see it: a libvirt pool."""

    name: str  # the pool's name on the nodes
    kind: StorageKind
    path: str  # absolute directory on the node (the mount point for netfs)
    address: str = ""  # netfs: the server
    source: str = ""  # netfs: the exported path


@dataclass(frozen=True)
class StorageUsage:
    capacity_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class VolumeSeen:
    name: str
    path: str
    capacity_bytes: int  # what a guest sees
    allocation_bytes: int  # what it takes now
    base: str = ""  # the path of the volume that it is an overlay on


class IImageStore(Interface):
    """The volumes of one node's storages. Names are made by us: lower-case letters, digits, ``-`` and ``.`` only."""

    @slow
    def attach(storage: StorageSpec) -> StorageUsage:
        """Make the pool be defined, started and marked for autostart on this node; repeatable."""

    @slow
    def detach(storage_name: str) -> None:
        """Stop and forget the pool; its files stay. An absent one is not an error."""

    @slow
    def usage(storage_name: str) -> StorageUsage:
        """Fresh figures of the pool."""

    @slow
    def volumes(storage_name: str) -> Sequence[VolumeSeen]:
        """Every volume after a refresh: slow, for reconciliation."""

    def find(storage_name: str, volume: str) -> VolumeSeen | None:
        """One volume, or None."""

    @slow
    def create_overlay(
        storage_name: str, volume: str, base: str, base_format: DiskFormat, size_bytes: int
    ) -> VolumeSeen:
        """
        A qcow2 overlay on volume ``base`` of the same storage. An existing volume of that name is taken as done.
        :raises VolumeNotFound: there is no base.
        :raises StorageFull: no room.
        """

    @lasting
    def create_copy(storage_name: str, volume: str, source: str, source_format: DiskFormat) -> VolumeSeen:
        """
        A flat, complete qcow2 copy of volume ``source`` (an overlay's base is folded in). Repeatable: a half-made
        volume of an earlier attempt (a marker ``volume`` + ``.part`` stands beside it, and ``find`` does not show it)
        is thrown away, a finished one is taken as done.
        """

    @slow
    def create_empty(storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        """A new volume that reads as zeros (sparse). An existing one is taken as done."""

    @lasting
    def upload(
        storage_name: str, volume: str, path: str, format: DiskFormat, size_bytes: int, progress: Callable[[int], None]
    ) -> VolumeSeen:
        """
        Stream the local file ``path`` into a new volume; ``progress`` gets bytes sent. Repeatable as ``create_copy``.
        ``size_bytes`` is what a guest will see; the file may be smaller (qcow2). What ``progress`` raises ends it.
        :raises NotSupported: this hypervisor takes no uploads.
        """

    @slow
    def read_tail(storage_name: str, volume: str, limit_bytes: int) -> bytes:
        """
        The last bytes of a raw volume (a console log).
        :raises VolumeNotFound: there is none.
        :raises NotSupported: this hypervisor gives no downloads.
        """

    @slow
    def delete(storage_name: str, volume: str) -> None:
        """Delete a volume; an absent one is not an error."""
