"""
The header of a qcow2 file, read by us (https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt).

Everything that makes QEMU open another file, or work without bounds, is refused: backing files, external data files,
unknown features, tables of absurd size or beyond the end of the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from cm.drivers.images.reading import read_at
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

_V2: Final = struct.Struct(">4sIQIIQIIQQIIQ")  # 72 bytes
_V3: Final = struct.Struct(">QQQII")  # the next 32
_EXTENSION: Final = struct.Struct(">II")

_DIRTY: Final = 1 << 0
_CORRUPT: Final = 1 << 1
_DATA_FILE: Final = 1 << 2
_COMPRESSION_TYPE: Final = 1 << 3
_EXTENDED_L2: Final = 1 << 4
_KNOWN: Final = _DIRTY | _CORRUPT | _DATA_FILE | _COMPRESSION_TYPE | _EXTENDED_L2

_END: Final = 0
_BACKING_FORMAT: Final = 0xE2792ACA
_DATA_FILE_NAME: Final = 0x44415441
_ENCRYPTION: Final = 0x0537BE77
_EXTENSIONS_MAX: Final = 64
_EXTENSION_BYTES_MAX: Final = 65_536
_BACKING_NAME_MAX: Final = 1023  # bytes; likewise QEMU's

_L1_BYTES_MAX: Final = 32 * 2**20  # QCOW_MAX_L1_SIZE, QEMU block/qcow2.h
_REFCOUNT_TABLE_BYTES_MAX: Final = 8 * 2**20  # QCOW_MAX_REFTABLE_SIZE, likewise
_ENTRY: Final = 8  # bytes of one entry of either table


@dataclass(frozen=True)
class _Header:
    version: int
    backing_offset: int
    backing_size: int
    cluster_bits: int
    virtual_size: int
    crypt_method: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    incompatible: int
    refcount_order: int
    length: int


def virtual_size_of(file: BinaryIO, file_size_bytes: int) -> int:
    """
    What a guest would see, once all checks have passed.
    :raises ImageRefused: the header is hostile, damaged or uses what we do not take.
    """
    header = _header(file)
    _check_features(header)
    _check_extensions(file, header, file_size_bytes)
    _check_tables(header, file_size_bytes)
    return header.virtual_size


@dataclass(frozen=True)
class Overlay:
    """
    A file that stands on another.

    :ivar backing: the name of that as it is written, which leads nowhere by itself.
    :ivar backing_format: as it is written; "": it is not, so QEMU would look for itself.
    """

    virtual_size: int
    backing: str
    backing_format: str


def overlay_of(file: BinaryIO, file_size_bytes: int) -> Overlay | None:
    """
    What stands on another file, for whoever knows which files there are; None where it names none.
    :raises ImageRefused: as ``virtual_size_of``, but for that name.
    """
    header = _header(file)
    if not header.backing_offset and not header.backing_size:
        return None
    first = min(1 << min(header.cluster_bits, 21), file_size_bytes)
    if not 0 < header.backing_size <= _BACKING_NAME_MAX or header.backing_offset + header.backing_size > first:
        raise ImageRefused("the name of its backing file is misplaced", ImageFault.DAMAGED)
    _check_features(replace(header, backing_offset=0, backing_size=0))
    format_ = _check_extensions(file, header, file_size_bytes, backed=True)
    _check_tables(header, file_size_bytes)
    name = read_at(file, header.backing_offset, header.backing_size)
    return Overlay(header.virtual_size, name.decode("utf-8", "replace"), format_.decode("ascii", "replace"))


def _header(file: BinaryIO) -> _Header:
    head = read_at(file, 0, _V2.size + _V3.size + 8)
    if len(head) >= 8 and int.from_bytes(head[4:8]) == 1:
        raise ImageRefused("it is a qcow image of version 1", ImageFault.FORMAT)
    if len(head) < _V2.size:
        raise ImageRefused("its qcow2 header is cut off", ImageFault.DAMAGED)
    (_, version, backing_offset, backing_size, cluster_bits, size, crypt, l1_entries, l1_offset) = _V2.unpack_from(
        head
    )[:9]
    refcount_offset, refcount_clusters, snapshots, _ = _V2.unpack_from(head)[9:]
    incompatible, refcount_order, length = 0, 4, _V2.size
    if version == 3:
        if len(head) < _V2.size + _V3.size:
            raise ImageRefused("its qcow2 header is cut off", ImageFault.DAMAGED)
        incompatible, _, _, refcount_order, length = _V3.unpack_from(head, _V2.size)
        if length < _V2.size + _V3.size or length % 8 or length > 65_536:
            raise ImageRefused(f"its qcow2 header claims a length of {length} bytes", ImageFault.DAMAGED)
    elif version != 2:
        raise ImageRefused(f"it is a qcow2 image of unknown version {version}", ImageFault.FEATURES)
    return _Header(
        version, backing_offset, backing_size, cluster_bits, size, crypt, l1_entries, l1_offset, refcount_offset,
        refcount_clusters, snapshots, incompatible, refcount_order, length,
    )  # fmt: skip


def _check_features(header: _Header) -> None:
    if header.backing_offset or header.backing_size:
        raise ImageRefused("it names a backing file", ImageFault.NAMES_FILES)
    if header.incompatible & _DATA_FILE:
        raise ImageRefused("it names an external data file", ImageFault.NAMES_FILES)
    if header.incompatible & ~_KNOWN:
        raise ImageRefused(f"it uses unknown qcow2 features ({header.incompatible & ~_KNOWN:#x})", ImageFault.FEATURES)
    if header.incompatible & _CORRUPT:
        raise ImageRefused("it is marked as corrupt", ImageFault.DAMAGED)
    if header.incompatible & _DIRTY:
        raise ImageRefused("it was not closed properly; repair it first", ImageFault.DAMAGED)
    if header.crypt_method:
        raise ImageRefused("it is encrypted", ImageFault.ENCRYPTED)
    if not 9 <= header.cluster_bits <= 21:
        raise ImageRefused(f"its cluster size of 2^{header.cluster_bits} bytes is out of range", ImageFault.DAMAGED)
    if header.incompatible & _EXTENDED_L2 and header.cluster_bits < 14:
        raise ImageRefused("its clusters are too small for extended L2 entries", ImageFault.DAMAGED)
    if header.refcount_order > 6:
        raise ImageRefused(
            f"its reference counts of 2^{header.refcount_order} bits are out of range", ImageFault.DAMAGED
        )
    if header.snapshots:
        raise ImageRefused("it holds internal snapshots", ImageFault.SNAPSHOTS)
    if header.virtual_size == 0:
        raise ImageRefused("its virtual size is 0", ImageFault.DAMAGED)


def _check_extensions(file: BinaryIO, header: _Header, file_size_bytes: int, backed: bool = False) -> bytes:
    """
    Extensions follow the header, each padded to 8 bytes, within the first cluster.

    :param backed: whether it may name the format of a backing file.
    :return: that format.
    """
    end = min(1 << header.cluster_bits, file_size_bytes)
    at = header.length
    backing_format = b""
    for _ in range(_EXTENSIONS_MAX):
        if at + _EXTENSION.size > end:
            return backing_format
        raw = read_at(file, at, _EXTENSION.size)
        if len(raw) < _EXTENSION.size:
            raise ImageRefused("its header extensions are cut off", ImageFault.DAMAGED)
        kind, length = _EXTENSION.unpack(raw)
        if kind == _END:
            return backing_format
        if kind == _DATA_FILE_NAME:
            raise ImageRefused("it names an external data file", ImageFault.NAMES_FILES)
        if kind == _BACKING_FORMAT and not backed:
            raise ImageRefused("it names the format of a backing file", ImageFault.NAMES_FILES)
        if kind == _ENCRYPTION:
            raise ImageRefused("it is encrypted", ImageFault.ENCRYPTED)
        if length > _EXTENSION_BYTES_MAX or at + _EXTENSION.size + length > end:
            raise ImageRefused("a header extension is longer than its room", ImageFault.DAMAGED)
        if kind == _BACKING_FORMAT:
            backing_format = read_at(file, at + _EXTENSION.size, length)
        at += _EXTENSION.size + (length + 7) // 8 * 8
    raise ImageRefused("it has too many header extensions", ImageFault.DAMAGED)


def _check_tables(header: _Header, file_size_bytes: int) -> None:
    cluster = 1 << header.cluster_bits
    l2_entry = 16 if header.incompatible & _EXTENDED_L2 else 8
    per_l1_entry = cluster * (cluster // l2_entry)
    needed = -(-header.virtual_size // per_l1_entry)
    l1_bytes = header.l1_entries * _ENTRY
    refcount_bytes = header.refcount_clusters * cluster
    if header.l1_entries < needed:
        raise ImageRefused("its L1 table is too small for its virtual size", ImageFault.DAMAGED)
    if l1_bytes > _L1_BYTES_MAX:
        raise ImageRefused("its L1 table is absurdly large", ImageFault.TOO_LARGE)
    if not 0 < refcount_bytes <= _REFCOUNT_TABLE_BYTES_MAX:
        raise ImageRefused("its reference count table has an absurd size", ImageFault.TOO_LARGE)
    for name, offset, length in (
        ("L1 table", header.l1_offset, l1_bytes),
        ("reference count table", header.refcount_offset, refcount_bytes),
    ):
        if offset % cluster or offset < cluster:
            raise ImageRefused(f"its {name} is misplaced", ImageFault.DAMAGED)
        if offset + length > file_size_bytes:
            raise ImageRefused(f"its {name} lies beyond the end of the file: it is cut off", ImageFault.DAMAGED)
