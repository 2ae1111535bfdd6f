"""Image files made by hand, byte by byte: good ones of each format, and hostile ones with the kind of their fault."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cm.drivers.images.vhdx import (
    BAT,
    FILE_PARAMETERS,
    LOGICAL_SECTOR,
    METADATA,
    PARENT_LOCATOR,
    VIRTUAL_SIZE,
    crc32c,
)
from cm.rpc.vocabulary import ImageFault

CLUSTER = 65_536
MIB = 2**20
DISK: Final = bytes(510) + b"\x55\xaa" + bytes(512)  # a raw disk of two sectors


# ------------------------------------------------------------------ qcow2


def qcow2(
    *,
    version: int = 3,
    backing: tuple[int, int] = (0, 0),
    cluster_bits: int = 16,
    size: int = 2**30,
    crypt: int = 0,
    l1_entries: int = 2,
    l1_offset: int = 3 * CLUSTER,
    refcount_offset: int = CLUSTER,
    refcount_clusters: int = 1,
    snapshots: int = 0,
    incompatible: int = 0,
    refcount_order: int = 4,
    length: int = 104,
    extensions: bytes = b"",
    file_bytes: int = 4 * CLUSTER,
) -> bytes:
    head = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb", version, *backing, cluster_bits, size, crypt, l1_entries, l1_offset, refcount_offset,
        refcount_clusters, snapshots, 0,
    )  # fmt: skip
    if version == 3:
        head += struct.pack(">QQQII", incompatible, 0, 0, refcount_order, length)
    return (head + extensions).ljust(file_bytes, b"\0")


def backed(name: bytes, *, version: int = 3, extensions: bytes = b"") -> bytes:
    """A qcow2 file with the name of a backing file in its first cluster."""
    made = bytearray(qcow2(version=version, backing=(512, len(name)), extensions=extensions))
    made[512 : 512 + len(name)] = name
    return bytes(made)


# ------------------------------------------------------------------ VMDK

DESCRIPTOR: Final = (
    "# Disk DescriptorFile\nversion=1\nCID=11223344\nparentCID=ffffffff\n"
    'createType="{kind}"\n\n# Extent description\nRW {sectors} SPARSE "{name}"\n\n#DDB\nddb.adapterType = "ide"\n'
)


def vmdk(
    *,
    version: int = 1,
    flags: int = 3,
    capacity: int = 2048,
    grain: int = 128,
    descriptor: str | None = None,
    kind: str = "monolithicSparse",
    name: str = "disk.vmdk",
    descriptor_at: int = 1,
    descriptor_size: int = 20,
    entries: int = 512,
    directory_at: int = 21,
    unclean: int = 0,
    newlines: bytes = b"\n \r\n",
    algorithm: int = 0,
    more: str = "",
) -> bytes:
    head = _vmdk_header(
        version, flags, capacity, grain, descriptor_at, descriptor_size, entries, directory_at, unclean, newlines,
        algorithm,
    )  # fmt: skip
    text = descriptor if descriptor is not None else DESCRIPTOR.format(kind=kind, sectors=capacity, name=name)
    return (head + (text + more).encode().ljust(20 * 512, b"\0")).ljust(64 * 512, b"\0")


def stream_vmdk(capacity: int = 2048, footer_capacity: int | None = None, directory_at: int = 21) -> bytes:
    """With the place of its directory in a second header at the end."""
    common = {"flags": 0x30003, "algorithm": 1, "version": 3}
    made = vmdk(kind="streamOptimized", capacity=capacity, directory_at=2**64 - 1, **common)
    marker = struct.pack("<QII", 1, 0, 3).ljust(512, b"\0")
    footer = _vmdk_header(3, 0x30003, footer_capacity or capacity, 128, 1, 20, 512, directory_at, 0, b"\n \r\n", 1)
    return made + marker + footer + bytes(512)


def _vmdk_header(
    version: int, flags: int, capacity: int, grain: int, descriptor_at: int, descriptor_size: int, entries: int,
    directory_at: int, unclean: int, newlines: bytes, algorithm: int,
) -> bytes:  # fmt: skip
    return struct.pack(
        "<4sIIQQQQIQQQB4sH", b"KDMV", version, flags, capacity, grain, descriptor_at, descriptor_size, entries, 26,
        directory_at, 128, unclean, newlines, algorithm,
    ).ljust(512, b"\0")  # fmt: skip


# ------------------------------------------------------------------ VDI, VHD


def vdi(
    *,
    version: int = 0x10001,
    kind: int = 1,
    map_at: int = 512,
    data_at: int = 1024,
    sector: int = 512,
    size: int = 2 * MIB,
    block: int = MIB,
    extra: int = 0,
    blocks: int = 2,
    allocated: int = 0,
    link: bytes = bytes(16),
    parent: bytes = bytes(16),
) -> bytes:
    head = struct.pack(
        "<64s4sIIII256sIIIIIIIQIIII16s16s16s16s",
        b"<<< Oracle VM VirtualBox Disk Image >>>\n", b"\x7f\x10\xda\xbe", version, 400, kind, 0, b"", map_at, data_at,
        0, 0, 0, sector, 0, size, block, extra, blocks, allocated, bytes(16), bytes(16), link, parent,
    )  # fmt: skip
    return head.ljust(2048, b"\0")


def _ones(raw: bytes) -> bytes:
    return struct.pack(">I", ~sum(raw) & 0xFFFFFFFF)


def vhd_footer(
    *,
    kind: int = 3,
    version: int = 0x10000,
    size: int = 2 * MIB,
    creator: bytes = b"win ",
    geometry: tuple[int, int, int] = (60, 4, 17),
    saved: int = 0,
    header_at: int = 512,
    sound: bool = True,
) -> bytes:
    raw = bytearray(
        struct.pack(
            ">8sIIQI4sI4sQQHBBII16sB",
            b"conectix",
            2,
            version,
            header_at,
            0,
            creator,
            0,
            b"Wi2k",
            size,
            size,
            *geometry,
            kind,
            0,
            uuid.UUID(int=1).bytes,
            saved,
        ).ljust(512, b"\0")  # fmt: skip
    )
    raw[64:68] = _ones(raw) if sound else b"\1\2\3\4"
    return bytes(raw)


def vhd(
    *,
    table_at: int = 1536,
    entries: int = 1,
    block: int = 2 * MIB,
    parent: bytes = bytes(16),
    name: bytes = b"",
    locator: bytes = b"",
    sound_header: bool = True,
    **footer: object,
) -> bytes:
    """A dynamic one."""
    header = bytearray(
        struct.pack(
            ">8sQQIIII16sII512s192s",
            b"cxsparse",
            2**64 - 1,
            table_at,
            0x10000,
            entries,
            block,
            0,
            parent,
            0,
            0,
            name,
            locator,
        ).ljust(1024, b"\0")  # fmt: skip
    )
    header[36:40] = _ones(header) if sound_header else b"\1\2\3\4"
    end = vhd_footer(**footer)  # type: ignore[arg-type]
    return end + bytes(header) + b"\xff" * 512 + end


def fixed_vhd(size: int = 4096, **footer: object) -> bytes:
    return DISK.ljust(4096, b"\0") + vhd_footer(kind=2, size=size, header_at=2**64 - 1, **footer)  # type: ignore[arg-type]


# ------------------------------------------------------------------ VHDX


def _crc(raw: bytearray) -> bytes:
    raw[4:8] = bytes(4)
    raw[4:8] = struct.pack("<I", crc32c(bytes(raw)))
    return bytes(raw)


def vhdx(
    *,
    log: bytes = bytes(16),
    block: int = 32 * MIB,
    flags: int = 0,
    size: int = 64 * MIB,
    sector: int = 512,
    bat_length: int = MIB,
    items: tuple[tuple[bytes, bytes, int], ...] = (),
    regions: tuple[tuple[bytes, int, int, int], ...] = (),
    sound: bool = True,
    cut_at: int | None = None,
) -> bytes:
    made = bytearray(3 * MIB)
    made[:8] = b"vhdxfile"
    for number, at in enumerate((64 * 1024, 128 * 1024)):
        head = struct.pack("<4sIQ16s16s16sHHIQ", b"head", 0, number, bytes(16), bytes(16), log, 0, 1, MIB, MIB)
        made[at : at + 4096] = _crc(bytearray(head.ljust(4096, b"\0")))
    if not sound:
        made[64 * 1024 + 4] ^= 1
        made[128 * 1024 + 4] ^= 1
    every = ((BAT, 2 * MIB, bat_length, 1), (METADATA, MIB, MIB, 1), *regions)
    table = struct.pack("<4sIII", b"regi", 0, len(every), 0)
    table += b"".join(struct.pack("<16sQII", *region) for region in every)
    made[192 * 1024 : 256 * 1024] = _crc(bytearray(table.ljust(64 * 1024, b"\0")))
    known = (
        (FILE_PARAMETERS, struct.pack("<II", block, flags), 4),
        (VIRTUAL_SIZE, struct.pack("<Q", size), 6),
        (LOGICAL_SECTOR, struct.pack("<I", sector), 6),
        *items,
    )
    metadata = struct.pack("<8sHH20s", b"metadata", 0, len(known), b"")
    content = b""
    for name, value, bits in known:
        metadata += struct.pack("<16sIIII", name, 65_536 + len(content), len(value), bits, 0)
        content += value
    made[MIB : MIB + len(metadata)] = metadata
    made[MIB + 65_536 : MIB + 65_536 + len(content)] = content
    return bytes(made[:cut_at])


# ------------------------------------------------------------------ archives


def iso() -> bytes:
    return (bytes(32_768) + b"\x01CD001\x01").ljust(40_960, b"\0")


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, mode: int = 0o100600) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr, entry.compress_type = 3, mode << 16, method
            archive.writestr(entry, content)
    return out.getvalue()


def overlapping_zip(members: int = 250) -> bytes:
    """As "zbsm.zip": a few KB whose directory names one compressed file again and again."""
    one = zipped(("0", bytes(MIB)))
    at = one.index(b"PK\x01\x02")
    end = one.index(b"PK\x05\x06")
    directory = one[at:end] * members
    return one[:at] + directory + struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, members, members, len(directory), at, 0
    )  # fmt: skip


def encrypted_zip() -> bytes:
    made = bytearray(zipped(("disk.raw", DISK)))
    made[made.index(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


def zstd_bomb(blocks: int = 10_000, window: int = 0x88) -> bytes:
    """One byte, 128 KiB times, four bytes a time: ``blocks`` of them, without length or checksum."""
    block = struct.pack("<I", 1 << 1 | 131_072 << 3)[:3] + b"\0"
    last = struct.pack("<I", 1 | 1 << 1 | 131_072 << 3)[:3] + b"\0"
    return b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + block * (blocks - 1) + last


def gzip_bomb(mib: int = 64) -> bytes:
    return gzip.compress(bytes(mib * MIB), 9)


def xz_with_dictionary(bytes_: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": bytes_}]
    return lzma.compress(DISK, lzma.FORMAT_XZ, filters=filters)


# ------------------------------------------------------------------ what is refused by the reader

_N, _D, _L, _F = ImageFault.NAMES_FILES, ImageFault.DAMAGED, ImageFault.TOO_LARGE, ImageFault.FEATURES
_A, _X = ImageFault.ARCHIVE, ImageFault.FORMAT
_BACKING_FORMAT = struct.pack(">II", 0xE2792ACA, 3) + b"raw".ljust(8)
_ANOTHER = DESCRIPTOR.format(kind="monolithicFlat", sectors=2048, name="d").replace("SPARSE", "FLAT")

HOSTILE: Final[Mapping[str, tuple[bytes, ImageFault]]] = {
    "qcow2 backed by /etc/passwd": (backed(b"/etc/passwd"), _N),
    "qcow2 v2 backed by /etc/passwd": (backed(b"/etc/passwd", version=2), _N),
    "qcow2 backed by json:": (backed(b'json:{"driver":"raw","file":{"filename":"/etc/shadow"}}'), _N),
    "qcow2 backed by nbd:": (backed(b"nbd:127.0.0.1:10809"), _N),
    "qcow2 backed by http:": (backed(b"http://169.254.169.254/latest"), _N),
    "qcow2 backed by itself": (backed(b"disk.qcow2"), _N),
    "qcow2 backed by /dev/fdset/1": (backed(b"/dev/fdset/1"), _N),
    "qcow2 with a backing format alone": (qcow2(extensions=_BACKING_FORMAT), _N),
    "qcow2 with a data file's bit": (qcow2(incompatible=1 << 2), _N),
    "qcow2 with a data file's name": (
        qcow2(extensions=struct.pack(">II", 0x44415441, 11) + b"/etc/shadow".ljust(16)),
        _N,
    ),
    "qcow2 encrypted": (qcow2(crypt=2), ImageFault.ENCRYPTED),
    "qcow2 with snapshots": (qcow2(snapshots=3), ImageFault.SNAPSHOTS),
    "qcow2 of 8 EiB": (qcow2(size=2**63 - 512, l1_entries=2**24), _D),
    "qcow2 of 4 TiB": (qcow2(size=2**42, l1_entries=8192, file_bytes=8 * CLUSTER), _L),
    "qcow2 with an L1 table of 16 GiB": (qcow2(l1_entries=2**31), _L),
    "qcow2 with its L1 table in its header": (qcow2(l1_offset=0), _D),
    "qcow2 cut off": (qcow2()[: 2 * CLUSTER], _D),
    "qcow2 of an unknown feature": (qcow2(incompatible=1 << 40), _F),
    "qcow2 with an endless extension": (qcow2(extensions=struct.pack(">II", 7, 2**32 - 1)), _D),
    "VMDK descriptor": (b'# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0\n' + bytes(600), _N),
    "VMDK that is a descriptor by its size": (vmdk(capacity=0, descriptor=_ANOTHER), _N),
    "VMDK with flat extents": (vmdk(descriptor=_ANOTHER), _N),
    "VMDK with an extent elsewhere": (vmdk(name="/etc/shadow"), _N),
    "VMDK with an extent by json:": (vmdk(name="json:{}"), _N),
    "VMDK with two extents": (vmdk(more='RW 2048 SPARSE "other.vmdk"\n'), _N),
    "VMDK on a device": (vmdk(kind="fullDevice"), _N),
    "VMDK with a parent": (vmdk(more='parentFileNameHint="/etc/passwd"\n'), _N),
    "VMDK with a parent in other letters": (vmdk(more='PARENTfilenamehint="/etc/passwd"\n'), _N),
    "VMDK with a parent beyond its descriptor": (
        vmdk(
            descriptor_size=1,
            descriptor=DESCRIPTOR.format(kind="monolithicSparse", sectors=2048, name="d").ljust(600, "\0")
            + 'parentFileNameHint="/etc/passwd"',
        ),
        _N,
    ),
    "VMDK with a parent's number": (
        vmdk(descriptor=DESCRIPTOR.format(kind="monolithicSparse", sectors=2048, name="d").replace("ffffffff", "1")),
        _N,
    ),
    "VMDK whose descriptor is elsewhere": (vmdk(descriptor_at=40), _D),
    "VMDK of two sizes": (
        vmdk(descriptor=DESCRIPTOR.format(kind="monolithicSparse", sectors=4096, name="d")),
        _D,
    ),
    "VMDK of 1 EiB": (vmdk(capacity=2**51), _L),
    "VMDK with grains of 0": (vmdk(grain=0), _D),
    "VMDK with grains of 1 GiB": (vmdk(grain=2**21), _D),
    "VMDK without a directory": (vmdk(directory_at=10**6), _D),
    "VMDK not closed": (vmdk(unclean=1), _D),
    "VMDK that was copied as text": (vmdk(newlines=b"\n\n\r\n"), _D),
    "VMDK of an unknown version": (vmdk(version=9), _F),
    "VMDK compressed by another algorithm": (vmdk(flags=0x30003, algorithm=7), _F),
    "VMDK stream without its end": (stream_vmdk()[:-1024], _D),
    "VMDK stream with another second header": (stream_vmdk(footer_capacity=2**30), _D),
    "VMDK stream whose second header points on": (stream_vmdk(directory_at=2**64 - 1), _D),
    "VDI with a parent": (vdi(kind=4, parent=b"p" * 16), _N),
    "VDI with a link": (vdi(link=b"p" * 16), _N),
    "VDI of 8 EiB": (vdi(size=2**63, blocks=2**32 - 1), _L),
    "VDI with a map too small": (vdi(size=2**40), _D),
    "VDI with a map beyond its end": (vdi(size=2**40, blocks=2**20, data_at=8 * MIB), _D),
    "VDI with blocks that are not there": (vdi(allocated=2), _D),
    "VHD with a parent": (vhd(kind=4), _N),
    "VHD with a parent's name": (vhd(name="/etc/passwd".encode("utf-16-be")), _N),
    "VHD with a parent's locator": (vhd(locator=b"W2ku"), _N),
    "VHD with a wrong sum": (vhd(sound=False), _D),
    "VHD with a table too small": (vhd(size=2**40), _D),
    "VHD with a table of 16 GiB": (vhd(entries=2**32 - 1), _L),
    "VHD with its table beyond": (vhd(table_at=2**40), _D),
    "VHD, fixed, longer than its file": (fixed_vhd(size=2**40), _D),
    "VHD, fixed by its head alone": (vhd(kind=2), _F),
    "VHDX with a parent": (vhdx(flags=2), _N),
    "VHDX with a parent's locator": (vhdx(items=((PARENT_LOCATOR, b"/etc/pwd", 4),)), _N),
    "VHDX with a journal": (vhdx(log=b"l" * 16), _D),
    "VHDX with wrong sums": (vhdx(sound=False), _D),
    "VHDX with a table too small": (vhdx(size=2**50), _D),
    "VHDX with sizes twice": (vhdx(items=((VIRTUAL_SIZE, struct.pack("<Q", 512), 6),)), _D),
    "VHDX with a region beyond": (vhdx(bat_length=2**31), _D),
    "VHDX with an unknown region": (vhdx(regions=((b"x" * 16, MIB, MIB, 1),)), _F),
    "VHDX cut off": (vhdx(cut_at=200_000), _D),
    "LUKS": (b"LUKS\xba\xbe\0\1" + bytes(600), ImageFault.ENCRYPTED),
    "QED": (b"QED\0" + bytes(600), _X),
    "OVA": (bytes(257) + b"ustar\0" + bytes(600), _A),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(600), _X),
    "a page": (b"<html><body>Log in first</body></html>".ljust(600), _X),
}
# ... by what comes before it: archives.
PACKED: Final[Mapping[str, tuple[bytes, ImageFault]]] = {
    "zip of two": (zipped(("a.raw", DISK), ("b.raw", DISK)), _A),
    "zip of none": (zipped(), _A),
    "zip with a path upwards": (zipped(("../../etc/cron.d/x", DISK)), _A),
    "zip with an absolute path": (zipped(("/etc/cron.d/x", DISK)), _A),
    "zip with a path of Windows": (zipped(("..\\..\\x", DISK)), _A),
    "zip with a drive": (zipped(("C:x", DISK)), _A),
    "zip with a directory": (zipped(("d/", b"")), _A),
    "zip with a link": (zipped(("disk.raw", b"/etc/passwd"), mode=0o120777), _A),
    "zip encrypted": (encrypted_zip(), ImageFault.ENCRYPTED),
    "zip by LZMA": (zipped(("disk.raw", DISK), method=zipfile.ZIP_LZMA), _F),
    "zip that overlaps": (overlapping_zip(), _A),
    "zip cut off": (zipped(("disk.raw", DISK))[:-30], _D),
    "zip with something behind": (zipped(("disk.raw", DISK)) + b"PK", _A),
    "zstd with a window of 1 GiB": (zstd_bomb(1, window=0xA0), _L),
    "zstd with a dictionary": (b"\x28\xb5\x2f\xfd\x01\x50\x07" + bytes(60), _F),
}


# ... by unpacking alone.
class _Files(Mapping[str, tuple[bytes, ImageFault]]):
    """Some of which are made when they are asked for: the bombs take a second to pack, and whoever imports us waits."""

    def __init__(self, files: Mapping[str, tuple[bytes | Callable[[], bytes], ImageFault]]) -> None:
        self._files = dict(files)

    def __getitem__(self, name: str) -> tuple[bytes, ImageFault]:
        content, fault = self._files[name]
        if not isinstance(content, bytes):
            content = content()
            self._files[name] = (content, fault)
        return content, fault

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


UNPACKED: Final = _Files(
    {
        "gzip in gzip": (gzip.compress(gzip.compress(DISK)), _A),
        "xz in zip": (zipped(("disk.raw.xz", lzma.compress(DISK))), _A),
        "qcow2 with a backing file in gzip": (gzip.compress(backed(b"/etc/passwd")), _N),
        "VMDK descriptor in xz": (lzma.compress(_ANOTHER.encode().ljust(600)), _N),
        "gzip bomb": (gzip_bomb, _L),
        "bzip2 bomb": (lambda: bz2.compress(bytes(64 * MIB)), _L),
        "xz bomb": (lambda: lzma.compress(bytes(64 * MIB)), _L),
        "zstd bomb": (zstd_bomb, _L),
        "zip bomb": (lambda: zipped(("disk.raw", bytes(64 * MIB))), _L),
        "xz that takes 1.5 GiB of memory": (lambda: xz_with_dictionary(1536 * MIB), _L),
        "gzip cut off": (gzip.compress(DISK * 100)[:-9], _D),
        "gzip with a wrong sum": (gzip.compress(DISK)[:-8] + bytes(8), _D),
        "bzip2 cut off": (bz2.compress(DISK)[:-6], _D),
        "xz cut off": (lzma.compress(DISK)[:-6], _D),
        "xz with something behind": (lzma.compress(DISK) + b"more", _D),
        "zlib's noise in gzip": (b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zlib.compress(DISK), _D),
        "an empty disk": (gzip.compress(b""), _X),
    }
)
