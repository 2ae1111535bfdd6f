"""Where a disk's content is, as a node's driver tells it; nobody else makes a path of a storage and a volume."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileSource:
    path: str  # on the node


@dataclass(frozen=True)
class BlockSource:
    path: str  # of the device on the node


@dataclass(frozen=True)
class NetworkSource:
    """What QEMU reads over the network by itself."""

    protocol: str  # libvirt's word: "rbd"
    name: str  # of the volume there, its pool before it
    hosts: tuple[tuple[str, int | None], ...] = ()  # name or address, and port where it is not the usual one


DiskSource = FileSource | BlockSource | NetworkSource


def path_of(source: DiskSource | None) -> str:
    """A file's or device's path on the node; "" of what is in no place there."""
    return "" if source is None or isinstance(source, NetworkSource) else source.path
