"""
``IVolumes`` by libvirt pools.

**How a copy or an upload is made repeatable.** libvirt renames no volumes, and after a ``kill -9`` of libvirtd a
half-made file is listed like a finished one. So a marker goes first: an empty volume ``<volume>.part``. While the
marker is there the volume is half-made: ``find`` does not show it, and the next attempt deletes it and starts over. The
marker is deleted last. A crash at any point leaves either the marker or the finished volume; one between the two only
repeats the copy. Deleting takes the volume first and the marker last, likewise. A power cut of the node itself may
still lose what its kernel had not written: libvirt has no call that would make it write.

Overlays and empty volumes are made by ``qemu-img create`` in 10 ms, without a marker; a qcow2 file that is still
without its header has capacity 0 and is made anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.pool import LibvirtPools, optional, refresh
from cm.drivers.libvirt.pool_xml import PoolPlace, volume_xml
from cm.drivers.libvirt.transfer import (
    copy_raw,
    download_tail,
    fill_with_zeros,
    grow_raw,
    physical_size,
    upload_file,
)
from cm.drivers.libvirt.xml_text import Element, parsed
from cm.interfaces.source import BlockSource, DiskSource, FileSource
from cm.interfaces.volume import VolumeSeen
from cm.rpc.errors import InvalidParameter, NodeBusy, NotSupported, VolumeNotFound
from cm.rpc.vocabulary import DiskFormat

PART: Final = ".part"
REFRESH_WAIT_S: Final = 0.5  # for volumes that are being made: overlays take 10 ms, copies minutes


class LibvirtVolumes:
    def __init__(self, connections: Connections, pools: LibvirtPools) -> None:
        self._connections = connections
        self._pools = pools
        self._test = connections.driver == "test"

    # ------------------------------------------------------------------ looking

    def list_all(self, storage_name: str) -> Sequence[VolumeSeen]:
        """Markers (``.part``) and half-made volumes are listed too: they take room."""
        with self._connections.slow(storage_name, storage_name) as connection:
            pool = connection.storagePoolLookupByName(storage_name)
            self._refreshed(pool)
            found, place = [], self._pools.place_of(pool)
            for volume in pool.listAllVolumes():
                # One deleted by somebody else in this moment is no error.
                seen = optional(partial(_listed, volume, place), libvirt.VIR_ERR_NO_STORAGE_VOL)
                if seen is not None:
                    found.append(seen)
            return found

    def find(self, storage_name: str, volume: str) -> VolumeSeen | None:
        """None for a half-made one, too."""
        with self._connections.fast(volume, storage_name) as connection:
            pool = connection.storagePoolLookupByName(storage_name)
            found = self._lookup(pool, volume)
            if found is None or _known(pool, volume + PART) is not None:
                return None
            return _seen(found, self._pools.place_of(pool))

    def source(self, storage_name: str, volume: str) -> DiskSource:
        """libvirt is asked once of each pool."""
        return self._pools.place(storage_name).source(volume)

    def _lookup(self, pool: Any, volume: str) -> Any | None:
        """A volume, or None after one refresh: files come without libvirt, from other nodes and as console logs."""
        found = _known(pool, volume)
        if found is None:
            self._refreshed(pool)
            found = _known(pool, volume)
        return found

    def _refreshed(self, pool: Any) -> None:
        deadline = time.monotonic() + REFRESH_WAIT_S
        while not refresh(pool):
            if time.monotonic() > deadline:
                raise NodeBusy(
                    self._connections.node, "a volume is being made, so the storage cannot be looked through"
                )
            time.sleep(0.02)

    def _existing(self, pool: Any, volume: str) -> Any | None:
        """
        What is there before something is made. libvirt knows every volume of a local directory; on shared storage
        another node may have made it, and qemu-img would overwrite it in silence, so there a miss costs a refresh.
        """
        return self._lookup(pool, volume) if self._pools.kind_of(pool).appear else _known(pool, volume)

    # ------------------------------------------------------------------ making

    def create_overlay(
        self, storage_name: str, volume: str, base: str, base_format: DiskFormat, size_bytes: int
    ) -> VolumeSeen:
        """
        On the test driver a plain record of that capacity.
        :raises InvalidParameter: the size is less than the base's: the guest's file systems would be cut off.
        :raises NotSupported: there are no overlays on storages of that kind.
        """

        def make(_connection: Any, pool: Any) -> Any:
            if not self._pools.kind_of(pool).can.overlays:
                raise NotSupported("make overlays on a storage of this kind")
            base_volume = self._lookup(pool, base)
            if base_volume is None:
                raise VolumeNotFound(storage_name, base)
            base_seen = _seen(base_volume, self._pools.place_of(pool))
            raw = base_format == DiskFormat.RAW and not self._test
            least = physical_size(base_volume) if raw else base_seen.capacity_bytes
            if size_bytes < least:
                raise InvalidParameter("size_bytes", f"is less than the base's {least}")
            backing = None if self._test else (base_seen.path, base_format)
            kind = self._pools.kind_of(pool)
            return self._create(pool, volume, volume_xml(volume, DiskFormat.QCOW2, size_bytes, base=backing, kind=kind))

        return self._ensure(storage_name, volume, self._whole, make)

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
        """On the test driver a plain record of that capacity."""

        def make(connection: Any, pool: Any) -> Any:
            place = self._pools.kind_of(pool)
            source_pool = connection.storagePoolLookupByName(source_storage) if source_storage else pool
            source_volume = self._lookup(source_pool, source)
            if source_volume is None:
                raise VolumeNotFound(source_storage or storage_name, source)
            self._begin(pool, volume)
            capacity = source_volume.info()[1]
            size = max(capacity, size_bytes)
            xml = volume_xml(volume, place.format(format), size, kind=place)
            if self._test:
                made = pool.createXML(xml, 0)
            else:
                if _kind_of(source_volume) != str(source_format):
                    # libvirt would have qemu-img take a raw disk for what its guest wrote into it, and open what that
                    # names. Its bytes are only bytes.
                    if not source_format == place.format(format) == DiskFormat.RAW:
                        found = _kind_of(source_volume)
                        raise InvalidParameter("source_format", f"{source} is {found}, not {source_format}")
                    made = copy_raw(connection, pool, volume, source_volume, size_bytes, place)
                    self._end(pool, volume)
                    return made
                made = pool.createXMLFrom(xml, source_volume, 0)
                if _kind_of(source_volume) != str(source_format):  # found out while it was copied, as we know not what
                    made.delete(0)
                    raise NodeBusy(self._connections.node, f"{source} was looked through while it was copied")
                if place.block:
                    fill_with_zeros(connection, made, capacity, made.info()[1])
                elif size > capacity:  # qemu-img makes it of the source's size, whatever the XML says
                    made.resize(size)
            self._end(pool, volume)
            return made

        return self._ensure(storage_name, volume, self._finished, make)

    def create_empty(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        """A device holds what its place held before, so it is written with zeros, which takes as long as a copy."""

        def make(connection: Any, pool: Any) -> Any:
            kind = self._pools.kind_of(pool)
            xml = volume_xml(volume, format, size_bytes, kind=kind)
            if not kind.block:
                return self._create(pool, volume, xml)
            self._begin(pool, volume)
            made = pool.createXML(xml, 0)
            if not self._test:
                fill_with_zeros(connection, made, 0, made.info()[1])
            self._end(pool, volume)
            return made

        return self._ensure(storage_name, volume, self._whole, make)

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
        The test driver takes no bytes: there the volume is a record of ``size_bytes``, and ``progress`` gets that
        figure.
        """

        def make(connection: Any, pool: Any) -> Any:
            kind = self._pools.kind_of(pool)
            if format not in kind.can.formats:
                raise NotSupported(f"put {format} volumes on a storage of this kind")
            self._begin(pool, volume)
            if self._test:
                made = pool.createXML(volume_xml(volume, format, size_bytes, kind=kind), 0)
                progress(size_bytes)
            else:
                made = upload_file(connection, pool, volume, path, progress, kind)
            self._end(pool, volume)
            if not self._test and format != DiskFormat.RAW:
                # libvirt still takes it for the raw file that it was made as; a refresh reads the header.
                self._refreshed(pool)
                made = pool.storageVolLookupByName(volume)
            return made

        return self._ensure(storage_name, volume, self._finished, make)

    def resize(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        """
        libvirt's ``resize`` has qemu-img look what a file is, and takes a raw disk for whatever its guest wrote into
        it. So a raw file grows by a hole behind its end, which is a stream's affair and reads nothing.
        """
        with self._connections.slow(volume, storage_name) as connection:
            pool = connection.storagePoolLookupByName(storage_name)
            place = self._pools.place_of(pool)
            if not isinstance(place.source(volume), FileSource):  # "storage pool does not support changing of volume"
                raise NotSupported("let volumes of this storage grow")
            found = self._lookup(pool, volume)
            if found is None:
                raise VolumeNotFound(storage_name, volume)
            streamed = format == DiskFormat.RAW and not self._test
            # libvirt's capacity is what it saw last, and of a raw file what a header of its guest's says.
            size = physical_size(found) if streamed else found.info()[1]
            if size_bytes < size:
                raise InvalidParameter("size_bytes", f"is less than its {size}")
            if size_bytes > size and streamed:
                grow_raw(connection, found, size, size_bytes)
                self._refreshed(pool)
                found = pool.storageVolLookupByName(volume)
            elif size_bytes > size:
                found.resize(size_bytes)
            return _seen(found, place)

    def _ensure(
        self,
        storage_name: str,
        volume: str,
        find: Callable[[Any, str], Any | None],
        make: Callable[[Any, Any], Any],
    ) -> VolumeSeen:
        """
        The volume as it is, or as it is made now.

        :param find: of a pool and a volume: what is taken as done.
        :param make: of a connection and a pool: the new volume.
        """
        with self._connections.slow(volume, storage_name) as connection:
            pool = connection.storagePoolLookupByName(storage_name)
            found = find(pool, volume)
            if found is None:
                found = make(connection, pool)
            return _seen(found, self._pools.place_of(pool))

    def _create(self, pool: Any, volume: str, xml: str) -> Any:
        try:
            return pool.createXML(xml, 0)
        except libvirt.libvirtError as error:
            # The second: the file is there and libvirt does not know it yet, as it came from another node.
            if error.get_error_code() not in (libvirt.VIR_ERR_STORAGE_VOL_EXIST, libvirt.VIR_ERR_OPERATION_INVALID):
                raise
            existing = self._lookup(pool, volume)
            if existing is None:
                raise
            return existing

    def _whole(self, pool: Any, volume: str) -> Any | None:
        """The volume if it is there with a header; one without is deleted. A device is whole without a marker."""
        if self._pools.kind_of(pool).block:
            return self._finished(pool, volume)
        existing = self._existing(pool, volume)
        if existing is not None and existing.info()[1] == 0:
            existing.delete(0)
            return None
        return existing

    def _finished(self, pool: Any, volume: str) -> Any | None:
        """The volume if it is there without a marker."""
        existing = self._existing(pool, volume)
        return existing if existing is not None and _known(pool, volume + PART) is None else None

    def _begin(self, pool: Any, volume: str) -> None:
        """Set the marker and throw away what an earlier attempt left."""
        if _known(pool, volume + PART) is None:
            xml = volume_xml(volume + PART, DiskFormat.RAW, 0, kind=self._pools.kind_of(pool))
            optional(lambda: pool.createXML(xml, 0), libvirt.VIR_ERR_STORAGE_VOL_EXIST)
        half_made = _known(pool, volume)
        if half_made is not None:
            half_made.delete(0)

    def _end(self, pool: Any, volume: str) -> None:
        marker = _known(pool, volume + PART)
        if marker is not None:
            marker.delete(0)

    # ------------------------------------------------------------------ reading and deleting

    def read_tail(self, storage_name: str, volume: str, limit_bytes: int) -> bytes:
        if self._test:
            raise NotSupported("download volumes")
        with self._connections.slow(volume, storage_name) as connection:
            pool = connection.storagePoolLookupByName(storage_name)
            found = self._lookup(pool, volume)
            if found is None:
                raise VolumeNotFound(storage_name, volume)
            return download_tail(connection, found, limit_bytes)

    def wipe(self, storage_name: str, volume: str, format: DiskFormat, size_bytes: int, overwrite: bool) -> VolumeSeen:
        """
        A file is deleted and made anew: whatever a file system gives to a file reads as zeros. A device is always
        written over, since the next one of its group would get its blocks as they are. libvirt truncates a sparse file
        instead of writing over it: where it had holes, blocks that the file system had taken are left to that.
        """
        with self._connections.slow(volume, storage_name) as connection:
            pool = connection.storagePoolLookupByName(storage_name)
            place = self._pools.place_of(pool)
            found = self._lookup(pool, volume)
            device = isinstance(place.source(volume), BlockSource)
            if found is not None and (overwrite or device) and not self._test:
                found.wipe(0)
            if found is not None and not device:
                for each in (found, _known(pool, volume + PART)):
                    if each is not None:
                        optional(partial(each.delete, 0), libvirt.VIR_ERR_NO_STORAGE_VOL)
                found = None
            if found is None:
                found = self._create(pool, volume, volume_xml(volume, format, size_bytes))
            return _seen(found, place)

    def delete(self, storage_name: str, volume: str) -> None:
        with self._connections.slow(volume, storage_name) as connection:
            pool = connection.storagePoolLookupByName(storage_name)
            found = self._lookup(pool, volume)
            for each in (found, _known(pool, volume + PART)):
                if each is not None:
                    optional(partial(each.delete, 0), libvirt.VIR_ERR_NO_STORAGE_VOL)


def _kind_of(volume: Any) -> str:
    """What libvirt takes a volume for: its own finding, when it first saw the file or at a refresh since."""
    found = parsed(volume.XMLDesc()).find("target/format")
    return "raw" if found is None or found.get("type") == "iso" else str(found.get("type"))


def _known(pool: Any, volume: str) -> Any | None:
    return optional(lambda: pool.storageVolLookupByName(volume), libvirt.VIR_ERR_NO_STORAGE_VOL)


def _listed(volume: Any, place: PoolPlace) -> VolumeSeen | None:
    """``_seen``; None of a directory, which is no volume of ours (``rules/machine.py``'s ``NVRAM_DIRECTORY``)."""
    told = parsed(volume.XMLDesc())
    return None if told.get("type") == "dir" else _read(told, place)


def _seen(volume: Any, place: PoolPlace) -> VolumeSeen:
    return _read(parsed(volume.XMLDesc()), place)


def _read(told: Element, place: PoolPlace) -> VolumeSeen:
    """
    From the description alone, which has all that three calls would tell, and what it stands on. A raw one, by its
    name, is as large as its file and stands on nothing: libvirt believes what a guest wrote at its beginning.
    """
    name = told.findtext("name") or ""
    capacity = int(told.findtext("capacity") or 0)
    physical = int(told.findtext("physical") or capacity)
    raw = name.endswith(f".{DiskFormat.RAW}")
    return VolumeSeen(
        name,
        place.source(name),
        physical if raw else capacity,
        int(told.findtext("allocation") or 0),
        "" if raw else told.findtext("backingStore/path") or "",
        physical,
    )
