"""The storages of a node in memory. Network storages of one source are one storage for every node of the process."""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from cm.interfaces.hypervisor import DomainSpec
from cm.interfaces.source import BlockSource, DiskSource, FileSource
from cm.interfaces.volume import StorageSpec, StorageUsage, VolumeSeen
from cm.rpc.errors import HypervisorError, InvalidParameter, NotSupported, ObjectNotFound, StorageFull, VolumeNotFound
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.rules.storage import Capabilities, capabilities

CAPACITY_BYTES: Final = 2**40
INTERNAL_ERROR: Final = 1  # virErrorNumber
HEADER_BYTES: Final = 196_608  # what an empty qcow2 file takes on disk
MAGIC: Final = b"QFI\xfb"
HEADER: Final = struct.Struct(">4sIQIIQ")  # of a qcow2 file, up to its size
CONTENT_MAX: Final = 2**20  # bytes kept of the end of an upload


@dataclass(eq=False)
class Volume:
    name: str
    format: DiskFormat
    capacity_bytes: int
    allocation_bytes: int
    base: str | None = None
    content: bytes = b""  # its end
    half_made: bool = False
    writer: str | None = None  # uuid of the domain that has it open for writing
    missing: bool = False
    saved: DomainSpec | None = None  # of the domain whose memory this is

    @property
    def length(self) -> int:
        """Of its file; one of qcow2 has its header before what is kept, unless that is the whole file."""
        if self.format == DiskFormat.RAW:
            return self.capacity_bytes
        header_bytes = 0 if self.content.startswith(MAGIC) else HEADER.size
        return max(self.allocation_bytes, len(self.content) + header_bytes)

    def read(self, offset: int, length: int) -> bytes:
        """What was not kept reads as zeros, behind a header that tells the size."""
        begins = self.length - len(self.content)
        end = min(self.length, offset + length)
        found = bytes(max(0, min(end, begins) - offset)) + self.content[max(0, offset - begins) : max(0, end - begins)]
        if self.format == DiskFormat.QCOW2 and begins >= HEADER.size and offset < HEADER.size:
            found = self._header()[offset:end] + found[HEADER.size - offset :]
        return found

    def _header(self) -> bytes:
        return HEADER.pack(MAGIC, 3, 0, 0, 16, self.capacity_bytes)

    def refresh(self) -> None:
        """As libvirt, which takes what was written into a volume for what it looks like."""
        if self.format == DiskFormat.RAW and self.content[:4] == MAGIC and len(self.content) == self.length:
            self.format, self.allocation_bytes = DiskFormat.QCOW2, self.length
            self.capacity_bytes = HEADER.unpack_from(self.content)[-1]
            # Read of another such volume: guests find no header, and whoever reads the file finds the same again.
            if self.content.startswith(self._header()):
                self.content = self.content[HEADER.size :].lstrip(b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Into a volume that is kept whole."""
        whole = bytearray(self.read(0, self.length))
        whole[offset : offset + len(data)] = data
        self.content = bytes(whole)
        self.allocation_bytes = max(self.allocation_bytes, offset + len(data))

    def append(self, data: bytes) -> None:
        """As a guest writes: behind what is there, for which a file that is kept whole grows."""
        self.content += data
        if self.format == DiskFormat.QCOW2:
            self.allocation_bytes = max(self.allocation_bytes, len(self.content))


@dataclass(eq=False)
class Share:
    """The files of one directory or export."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    capacity_bytes: int = CAPACITY_BYTES
    files_max: int = 2**31  # its inodes
    directories: set[str] = field(default_factory=set)  # in it, that no pool looks into; by their paths in it
    variables: dict[str, bytes] = field(default_factory=dict)  # likewise, files in such, that UEFI keeps variables in

    def usage(self) -> StorageUsage:
        used = sum(volume.allocation_bytes for volume in self.volumes.values())
        return StorageUsage(self.capacity_bytes, max(0, self.capacity_bytes - used))

    def require(self, needed_bytes: int) -> None:
        free_bytes = self.usage().available_bytes
        if needed_bytes > free_bytes or len(self.volumes) >= self.files_max:
            raise StorageFull(0, free_bytes, needed_bytes)


_exports: dict[tuple[str, str], Share] = {}
_exports_lock = threading.Lock()


def forget_exports() -> None:
    """Empty all network storages, between tests."""
    with _exports_lock:
        _exports.clear()


class Storages:
    """The pools of one node; its methods are called under the world's lock."""

    def __init__(self) -> None:
        self._directories: dict[str, Share] = {}  # by path; files outlive their pool
        self._pools: dict[str, tuple[StorageSpec, Share]] = {}

    def attach(self, spec: StorageSpec) -> StorageUsage:
        if spec.kind == StorageKind.NETFS:
            with _exports_lock:
                share = _exports.setdefault((spec.address, spec.source), Share())
        else:
            share = self._directories.setdefault(spec.path, Share())
        self._pools[spec.name] = (spec, share)
        return share.usage()

    def can(self, name: str) -> Capabilities:
        self.share(name)  # which raises where there is no such storage
        return capabilities(self._pools[name][0].kind)

    def takes(self, name: str, format: DiskFormat) -> None:
        if format not in self.can(name).formats:
            raise NotSupported(f"put {format} volumes on a storage of this kind")

    def detach(self, name: str) -> None:
        self._pools.pop(name, None)

    def specs(self) -> list[StorageSpec]:
        return [spec for spec, _ in self._pools.values()]

    def has(self, name: str) -> bool:
        return name in self._pools

    def share(self, name: str) -> Share:
        pool = self._pools.get(name)
        if pool is None:
            raise ObjectNotFound("storage", name)
        return pool[1]

    def behind(self, path: str) -> Volume | None:
        """The volume that a path means; a stand-in marked ``missing`` in a storage; None for paths outside of all."""
        pure = PurePosixPath(path)
        for spec, share in self._pools.values():
            if PurePosixPath(spec.path) == pure.parent:
                return share.volumes.get(pure.name) or Volume(pure.name, DiskFormat.RAW, 0, 0, missing=True)
        return None

    def below(self, path: str) -> tuple[Share | None, str]:
        """What the pool has in whose directory a path is, and the path from there on."""
        pure = PurePosixPath(path)
        for spec, share in self._pools.values():
            if pure.is_relative_to(spec.path) and pure != PurePosixPath(spec.path):
                return share, str(pure.relative_to(spec.path))
        return None, ""

    def above(self, path: str) -> list[Volume]:
        """The volumes that stand on a path's, right above it."""
        pure = PurePosixPath(path)
        for spec, share in self._pools.values():
            if PurePosixPath(spec.path) == pure.parent:
                return [volume for volume in share.volumes.values() if volume.base == pure.name]
        return []

    def resize(self, name: str, volume: str, size_bytes: int) -> Volume:
        if not self.can(name).resizes:
            raise NotSupported("let volumes of this storage grow")
        found = self.openable(name, self.source(name, volume))
        if found.writer is not None:
            raise HypervisorError('Failed to get "write" lock. Is another process using the image?', INTERNAL_ERROR)
        self.lengthen(found, size_bytes)
        return found

    def lengthen(self, volume: Volume, size_bytes: int) -> None:
        if size_bytes < volume.capacity_bytes:
            raise InvalidParameter("size_bytes", f"is less than its {volume.capacity_bytes}")
        if volume.format == DiskFormat.RAW and volume.content:
            # What is kept is the end of a raw file, behind which the new zeros go.
            volume.content = (volume.content + bytes(size_bytes - volume.capacity_bytes))[-CONTENT_MAX:]
        volume.capacity_bytes = size_bytes

    def touch(self, path: str) -> None:
        """A console log appears where its domain is started."""
        pure = PurePosixPath(path)
        for spec, share in self._pools.values():
            if PurePosixPath(spec.path) == pure.parent:
                share.volumes.setdefault(pure.name, Volume(pure.name, DiskFormat.RAW, 0, 0))

    def append(self, path: str, content: bytes) -> None:
        self.touch(path)
        volume = self.behind(path)
        if volume is not None and not volume.missing:
            volume.content = (volume.content + content)[-CONTENT_MAX:]
            volume.allocation_bytes += len(content)
            volume.capacity_bytes += len(content)

    def place(self, name: str, volume: str) -> DiskSource:
        source = FileSource if self.can(name).files else BlockSource
        return source(str(PurePosixPath(self._pools[name][0].path) / volume))

    def seen(self, name: str, volume: Volume) -> VolumeSeen:
        directory = PurePosixPath(self._pools[name][0].path)
        base = str(directory / volume.base) if volume.base else ""
        source = self.place(name, volume.name)
        return VolumeSeen(
            volume.name, source, volume.capacity_bytes, volume.allocation_bytes, base, volume.length
        )

    def chain(self, path: str) -> tuple[str, ...]:
        """The paths of all that a path's volume stands on."""
        found: list[str] = []
        pure = PurePosixPath(path)
        while (volume := self.behind(str(pure))) is not None and volume.base:
            pure = pure.parent / volume.base
            found.append(str(pure))
        return tuple(found)

    def openable(self, name: str, volume: Volume) -> Volume:
        """
        :raises VolumeNotFound: something that it stands on is missing, so that nobody can read it: as qemu-img, which
            makes nothing of such a file and nothing on it.
        """
        below = volume
        while below.base:
            below = self.source(name, below.base)
        return volume

    def find(self, name: str, volume: str) -> Volume | None:
        found = self.share(name).volumes.get(volume)
        return None if found is None or found.half_made else found

    def source(self, name: str, volume: str) -> Volume:
        found = self.find(name, volume)
        if found is None:
            raise VolumeNotFound(name, volume)
        return found

    def put(self, name: str, volume: Volume) -> Volume:
        share, can = self.share(name), self.can(name)
        volume.capacity_bytes = can.whole(volume.capacity_bytes)
        if not can.sparse:
            volume.allocation_bytes = volume.capacity_bytes
        share.volumes.pop(volume.name, None)
        share.require(volume.allocation_bytes)
        share.volumes[volume.name] = volume
        return volume

    def overlay(self, name: str, volume: str, base: str, size_bytes: int) -> Volume:
        found = self.find(name, volume)
        if found is not None:
            return found
        if not self.can(name).overlays:
            raise NotSupported("make overlays on a storage of this kind")
        below = self.openable(name, self.source(name, base))
        if size_bytes < below.capacity_bytes:
            raise InvalidParameter("size_bytes", f"is less than the base's {below.capacity_bytes}")
        return self.put(name, Volume(volume, DiskFormat.QCOW2, size_bytes, HEADER_BYTES, base=base))

    def copy(
        self,
        name: str,
        volume: str,
        source_name: str,
        source: str,
        source_format: DiskFormat,
        size_bytes: int,
        format: DiskFormat,
    ) -> Volume:
        found = self.find(name, volume)
        if found is not None:
            return found
        first = self.source(source_name, source)
        if first.format != source_format:
            raise InvalidParameter("source_format", f"{source} is {first.format}, not {source_format}")
        self.openable(source_name, first)
        original: Volume | None = first
        allocation_bytes = 0
        while original is not None:  # a copy folds in every base
            allocation_bytes += original.allocation_bytes
            original = self.share(source_name).volumes.get(original.base) if original.base else None
        content = self.whole(source_name, first)
        size_bytes = max(size_bytes, first.capacity_bytes)
        format = self.can(name).kept(format)
        return self.put(name, Volume(volume, format, size_bytes, allocation_bytes, content=content))

    def whole(self, name: str, volume: Volume) -> bytes:
        """What is read of a volume: what it stands on, and then what was written to it."""
        below = self.share(name).volumes.get(volume.base) if volume.base else None
        return (b"" if below is None else self.whole(name, below)) + volume.content

    def empty(self, name: str, volume: str, format: DiskFormat, size_bytes: int) -> Volume:
        found = self.find(name, volume)
        if found is not None:
            return found
        self.takes(name, format)
        allocation_bytes = HEADER_BYTES if format == DiskFormat.QCOW2 else 0
        return self.put(name, Volume(volume, format, size_bytes, allocation_bytes))
