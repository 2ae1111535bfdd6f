"""
Whole files into volumes and ends of volumes out of them, as parts of one call: blocking, on the connection of that
call. What lasts as long as somebody else's reading or writing is in ``stream.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.flow import CHUNK_BYTES
from cm.drivers.libvirt.pool_kind import PoolKind
from cm.drivers.libvirt.pool_xml import volume_xml
from cm.rpc.vocabulary import DiskFormat
from cm.runtime.holes import segments

_AT_HOLE: Final = -3  # of ``recvFlags``


def upload_file(
    connection: Any, pool: Any, volume: str, path: str, progress: Callable[[int], None], kind: PoolKind | None = None
) -> Any:
    """
    Make ``volume`` be the file ``path``, byte by byte; holes stay holes. A device is written with zeros there, and
    beyond the file's end.

    :param kind: of the pool; None: a directory.

    The volume is made as a sparse raw one of the file's length: a volume made as qcow2 would already hold a header, and
    a shorter file would leave the end of it behind.
    """
    with open(path, "rb", buffering=0) as file:
        length = os.fstat(file.fileno()).st_size
        made = pool.createXML(volume_xml(volume, DiskFormat.RAW, length, kind=kind), 0)
        if kind is not None and kind.block:
            fill_with_zeros(connection, made, length, made.info()[1])
        if length == 0:
            return made
        stream = connection.newStream(0)
        try:
            made.upload(stream, 0, length, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
            for offset, count, is_data in segments(file.fileno(), length):
                if is_data:
                    _send(stream, file.fileno(), offset, count, progress)
                else:
                    stream.sendHole(count, 0)
                    progress(offset + count)
            stream.finish()
        except BaseException:
            _abort(stream)
            raise
        return made


def grow_raw(connection: Any, volume: Any, size: int, wanted: int) -> None:
    """
    Lengthen a raw file by a hole behind its end, without a look at what is in it.

    :param size: its length now, in bytes.
    """
    _send_hole(connection, volume, size, wanted)


def fill_with_zeros(connection: Any, volume: Any, begin: int, end: int) -> None:
    """Have a device read as zeros from a place on: libvirt writes a stream's holes there."""
    if end > begin:
        _send_hole(connection, volume, begin, end)


def _send_hole(connection: Any, volume: Any, begin: int, end: int) -> None:
    stream = connection.newStream(0)
    try:
        volume.upload(stream, begin, end - begin, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        stream.sendHole(end - begin, 0)
        stream.finish()
    except BaseException:
        _abort(stream)
        raise


WINDOW_BYTES: Final = 8 * 2**20  # libvirt holds no reader back: no more is asked for than may wait in this process


def copy_raw(connection: Any, pool: Any, volume: str, source: Any, size_bytes: int, kind: PoolKind) -> Any:
    """
    Make ``volume`` be the bytes of a raw volume, whatever they look like; holes stay holes.

    :param source: libvirt's handle of it.
    :param size_bytes: that it is to have; never less than the source.
    :param kind: of the pool.
    """
    length = physical_size(source)
    size = max(length, size_bytes)
    made = pool.createXML(volume_xml(volume, DiskFormat.RAW, size, kind=kind), 0)
    stream = connection.newStream(0)
    try:
        made.upload(stream, 0, length, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        for offset in range(0, length, WINDOW_BYTES):
            _pass_on(connection, source, offset, min(WINDOW_BYTES, length - offset), stream)
        stream.finish()
    except BaseException:
        _abort(stream)
        raise
    written = length if kind.block else physical_size(made)  # each hole has cut off what was behind it
    if kind.block:
        fill_with_zeros(connection, made, written, made.info()[1])
    elif written < size:
        grow_raw(connection, made, written, size)
    return made


def _pass_on(connection: Any, source: Any, offset: int, length: int, target: Any) -> None:
    stream = connection.newStream(0)
    try:
        source.download(stream, offset, length, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        while (data := stream.recvFlags(CHUNK_BYTES, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)) != b"":
            if data == _AT_HOLE:
                target.sendHole(stream.recvHole(0), 0)
                continue
            sent = 0
            while sent < len(data):
                sent += target.send(data[sent:])
        stream.finish()
    except BaseException:
        _abort(stream)
        raise


def physical_size(volume: Any) -> int:
    """The length of its file as it is now; libvirt's capacity is what it saw last, or what a header in it says."""
    return int(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])


def _send(stream: Any, fd: int, offset: int, count: int, progress: Callable[[int], None]) -> None:
    end = offset + count
    while offset < end:
        chunk = os.pread(fd, min(CHUNK_BYTES, end - offset), offset)
        if not chunk:
            raise OSError(f"the file ends at {offset}, {end - offset} bytes early")
        sent = 0
        while sent < len(chunk):
            sent += stream.send(chunk[sent:])
        offset += len(chunk)
        progress(offset)


def send_all(stream: Any, content: bytes) -> None:
    """All of a stream that was opened for as many bytes."""
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[stream.send(bytes(rest[:CHUNK_BYTES])) :]
        stream.finish()
    except BaseException:
        _abort(stream)
        raise


def download_tail(connection: Any, volume: Any, limit_bytes: int) -> bytes:
    """The last bytes of the file behind ``volume`` as it is now."""
    size = physical_size(volume)
    length = min(size, limit_bytes)
    if length <= 0:
        return b""
    stream = connection.newStream(0)
    parts: list[bytes] = []
    try:
        volume.download(stream, size - length, length, 0)
        while chunk := stream.recv(CHUNK_BYTES):
            parts.append(chunk)
        stream.finish()
    except BaseException:
        _abort(stream)
        raise
    return b"".join(parts)


def _abort(stream: Any) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        pass  # it has failed already, and that error is the one to tell
