"""Images as files: which are taken, which are refused, and that no bytes break the reader. Made by hand, byte by
byte."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cm.drivers.images.inspect import ImageFacts, ImageFormat, inspect
from cm.drivers.images.packing import check_packed, packing_of
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault
from support import image_files
from support.image_files import CLUSTER, MIB, fixed_vhd, iso, qcow2, stream_vmdk, vdi, vhd, vhdx, vmdk


def facts(content: bytes, claimed: ImageFormat | None = None, **options: Any) -> ImageFacts:
    return inspect(io.BytesIO(content), claimed, **options)


def test_accepted() -> None:
    """Raw disks, qcow2 of both versions and ISO images are taken for what they are."""
    assert facts(b"\x33\xc0" + bytes(1000)) == ImageFacts(ImageFormat.RAW, 1024, 1002)
    for version in (2, 3):
        assert facts(qcow2(version=version), ImageFormat.QCOW2).virtual_size_bytes == 2**30
    assert facts(iso()).format == ImageFormat.ISO
    extension = struct.pack(">II", 0x6803F857, 48) + bytes(48)  # a table of feature names
    assert facts(qcow2(extensions=extension)).format == ImageFormat.QCOW2


HOSTILE = {
    "backing file": (qcow2(backing=(512, 11)), "backing file"),
    "backing offset alone": (qcow2(backing=(512, 0)), "backing file"),
    "backing format": (qcow2(extensions=struct.pack(">II", 0xE2792ACA, 3) + b"raw".ljust(8)), "backing file"),
    "data file bit": (qcow2(incompatible=1 << 2), "data file"),
    "data file name": (qcow2(extensions=struct.pack(">II", 0x44415441, 11) + b"/etc/shadow".ljust(16)), "data file"),
    "unknown feature": (qcow2(incompatible=1 << 9), "unknown qcow2 features"),
    "highest feature": (qcow2(incompatible=1 << 63), "unknown qcow2 features"),
    "dirty": (qcow2(incompatible=1), "closed properly"),
    "corrupt": (qcow2(incompatible=2), "corrupt"),
    "encrypted by AES": (qcow2(crypt=1), "encrypted"),
    "encrypted by LUKS": (qcow2(crypt=2), "encrypted"),
    "virtual size 0": (qcow2(size=0), "size is 0"),
    "virtual size of 8 EiB": (qcow2(size=2**63, l1_entries=2**32 - 1), "L1 table"),
    "virtual size over the limit": (qcow2(size=2**42, l1_entries=8192, file_bytes=8 * CLUSTER), "over the limit"),
    "cluster bits 8": (qcow2(cluster_bits=8), "cluster size"),
    "cluster bits 22": (qcow2(cluster_bits=22), "cluster size"),
    "cluster bits huge": (qcow2(cluster_bits=2**32 - 1), "cluster size"),
    "L1 too small": (qcow2(l1_entries=1), "too small"),
    "L1 absurd": (qcow2(l1_entries=2**31), "absurdly"),
    "L1 beyond the end": (qcow2(l1_offset=4 * CLUSTER), "beyond the end"),
    "L1 far beyond": (qcow2(l1_offset=2**64 - CLUSTER), "beyond the end"),
    "L1 on the header": (qcow2(l1_offset=0), "misplaced"),
    "L1 between clusters": (qcow2(l1_offset=CLUSTER + 8), "misplaced"),
    "refcounts beyond": (qcow2(refcount_offset=4 * CLUSTER), "beyond the end"),
    "refcounts absurd": (qcow2(refcount_clusters=2**32 - 1), "absurd"),
    "no refcounts": (qcow2(refcount_clusters=0), "absurd"),
    "refcount order": (qcow2(refcount_order=7), "reference counts"),
    "snapshots": (qcow2(snapshots=1), "snapshots"),
    "qcow by three bytes": (b"QFI\0" + struct.pack(">IQI", 2, 512, 11) + bytes(600), "a qcow image"),
    "QED by three bytes": (b"QEDx" + bytes(600), "QED"),
    "version 1": (b"QFI\xfb" + struct.pack(">I", 1) + bytes(504), "version 1"),
    "version 4": (qcow2(version=4), "unknown version 4"),
    "header length": (qcow2(length=80), "length"),
    "header length odd": (qcow2(length=105), "length"),
    "header cut off": (qcow2()[:60], "cut off"),
    "version 3 cut off": (qcow2()[:90], "cut off"),
    "file cut off": (qcow2()[: 2 * CLUSTER], "cut off"),
    "extension too long": (qcow2(extensions=struct.pack(">II", 7, 2**31)), "longer than its room"),
    "extensions without end": (qcow2(extensions=struct.pack(">II", 7, 0) * 100), "too many"),
    "empty": (b"", "empty"),
    "QED": (b"QED\0" + bytes(600), "QED"),
    "VMDK descriptor": (b'# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0', "VMDK"),
    "LUKS": (b"LUKS\xba\xbe\0\1" + bytes(600), "LUKS"),
    "gzip": (b"\x1f\x8b\x08" + bytes(600), "unpack first"),
    "xz": (b"\xfd7zXZ\0" + bytes(600), "unpack first"),
    "zip": (b"PK\x03\x04" + bytes(600), "unpack first"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(600), "unpack first"),
    "bzip2": (b"BZh9" + bytes(600), "unpack first"),
    "tar": (bytes(257) + b"ustar\0" + bytes(600), "unpack first"),
    "a page of 40 bytes": (b"<html><body>Log in first</body></html>\n\n", "an HTML page"),
    "a long page": (b"\n <!DOCTYPE html>\n<html>" + b"<p>x</p>" * 1000, "an HTML page"),
    "a page with control characters": (b"<html>\0\1" + bytes(600), "an HTML page"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "markup"),
    "JSON": (b'{"message": "Not Found"}' + b" " * 600, "JSON"),
    "text": (b"Not Found\r\n" * 100, "it is text"),
    "text in UTF-8": ("Zażółć gęślą jaźń. ".encode() * 40, "it is text"),
    "text in UTF-8 with a mark": (b"\xef\xbb\xbf" + b"moved " * 100, "it is text"),
    "text in UTF-16": (("moved " * 100).encode("utf-16"), "it is text"),
    "less than a sector": (bytes(511), "511 bytes"),
    "one byte": (b"\0", "1 bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused(name: str) -> None:
    """Each is refused for its own fault, which the reason names."""
    content, reason = HOSTILE[name]
    with pytest.raises(ImageRefused) as caught:
        facts(content)
    assert reason in caught.value.reason


@pytest.mark.parametrize("name", image_files.HOSTILE)
def test_hostile(name: str) -> None:
    """Each file of the corpus is refused with the kind of its fault, after bounded reading of it alone."""
    content, fault = image_files.HOSTILE[name]
    opened = []
    with pytest.raises(ImageRefused) as caught, _audited(opened):
        facts(content)
    assert caught.value.fault is fault, caught.value.reason
    assert opened == []


@pytest.mark.parametrize("name", image_files.PACKED)
def test_hostile_archives(name: str) -> None:
    """Archives whose directory or header shows it are refused before anything is unpacked."""
    content, fault = image_files.PACKED[name]
    packing = packing_of(content[:512])
    if packing is None:  # an empty archive begins with its end
        with pytest.raises(ImageRefused, match="empty zip"):
            facts(content)
        return
    with pytest.raises(ImageRefused) as caught:
        check_packed(Counting(content), packing)
    assert caught.value.fault is fault, caught.value.reason


class _audited:
    """Collects the files that are opened meanwhile."""

    _opened: ClassVar[list[list[str]]] = []
    _hooked: ClassVar[bool] = False

    def __init__(self, opened: list[str]) -> None:
        self._into = opened

    def __enter__(self) -> None:
        if not _audited._hooked:
            sys.addaudithook(_audited._hear)  # there is no taking it away again
            _audited._hooked = True
        _audited._opened.append(self._into)

    @staticmethod
    def _hear(event: str, args: tuple[Any, ...]) -> None:
        if event in ("open", "os.open", "socket.connect", "subprocess.Popen"):
            for into in _audited._opened:
                into.append(f"{event} {args[0]!r}")

    def __exit__(self, *_: object) -> None:
        _audited._opened.pop()


GOOD = {
    ImageFormat.QCOW2: (qcow2(), 2**30),
    ImageFormat.VMDK: (vmdk(), MIB),
    ImageFormat.VDI: (vdi(), 2 * MIB),
    ImageFormat.VHD: (vhd(), 2 * MIB),
    ImageFormat.VHDX: (vhdx(), 64 * MIB),
}


@pytest.mark.parametrize("image_format", GOOD)
def test_formats(image_format: ImageFormat) -> None:
    """A good file of each format is taken with the size that it tells."""
    content, size = GOOD[image_format]
    assert facts(content) == ImageFacts(image_format, size, len(content))


def test_variants() -> None:
    """Streams of VMDK, fixed VHD, and VHD whose size is its geometry's, as QEMU has it."""
    assert facts(stream_vmdk()).virtual_size_bytes == MIB
    assert facts(fixed_vhd()) == ImageFacts(ImageFormat.VHD, 4096, 4608)
    assert facts(vhd(creator=b"vbox", geometry=(60, 4, 17))).virtual_size_bytes == 60 * 4 * 17 * 512


MADE = [
    ("vmdk", "subformat=monolithicSparse"),
    ("vmdk", "subformat=streamOptimized"),
    ("vdi", "static=off"),
    ("vpc", "subformat=dynamic"),
    ("vpc", "subformat=fixed"),
    ("vhdx", "subformat=dynamic"),
    ("qcow2", "compat=1.1"),
]


@pytest.mark.parametrize(("name", "options"), MADE)
def test_as_qemu_reads(name: str, options: str, tmp_path: Path) -> None:
    """Of what qemu-img writes, our reader tells the size that qemu-img tells."""
    source, target = tmp_path / "disk", tmp_path / "made"
    source.write_bytes(bytes(3 * MIB) + b"x" * MIB + bytes(1234 * 512))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", name, "-o", options, source, target], check=True)
    told = subprocess.run(["qemu-img", "info", "--output=json", "-f", name, target], check=True, capture_output=True)
    with target.open("rb") as file:
        assert inspect(file).virtual_size_bytes == json.loads(told.stdout)["virtual-size"]


# What libvirt tells those formats by whose headers it follows (src/storage_file/storage_file_probe.c): fewer bytes than
# QEMU looks at.
PROBED = (b"OOOM", b"QFI", b"QED", b"KDMV")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROBED), st.binary(max_size=64), st.booleans())
def test_as_libvirt_probes(magic: bytes, rest: bytes, is_iso: bool) -> None:
    """What libvirt may take for a file that stands on another is no raw disk to us, and no ISO, whatever follows."""
    content = bytearray(iso() if is_iso else b"\x33\xc0" + bytes(70_000))
    content[: len(magic) + len(rest)] = magic + rest
    try:
        found = facts(bytes(content)).format
    except ImageRefused:
        return
    assert found not in (ImageFormat.RAW, ImageFormat.ISO)


def _repaired(image_format: ImageFormat, content: bytearray) -> bytes:
    """With sums that are right again, so that what they cover is looked at."""
    if image_format is ImageFormat.VHD:
        content[64:68] = bytes(4)
        content[64:68] = image_files._ones(bytes(content[:512]))
        content[512 + 36 : 512 + 40] = bytes(4)
        content[512 + 36 : 512 + 40] = image_files._ones(bytes(content[512:1536]))
    elif image_format is ImageFormat.VHDX:
        content[192 * 1024 : 256 * 1024] = image_files._crc(content[192 * 1024 : 256 * 1024])
    return bytes(content)


_AREAS = {  # of headers, in bytes
    ImageFormat.QCOW2: [(4, 130)],
    ImageFormat.VMDK: [(4, 90), (512, 900)],
    ImageFormat.VDI: [(64, 460)],
    ImageFormat.VHD: [(8, 90), (512, 1536)],
    ImageFormat.VHDX: [(192 * 1024, 192 * 1024 + 100), (MIB, MIB + 200), (MIB + 65_536, MIB + 65_560)],
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(GOOD)), st.data())
def test_fuzz_formats(image_format: ImageFormat, data: st.DataObject) -> None:
    """A good header with any fields changed gives facts or a refusal, after bounded reading of that file alone."""
    content = bytearray(GOOD[image_format][0])
    for _ in range(data.draw(st.integers(1, 3))):
        first, last = data.draw(st.sampled_from(_AREAS[image_format]))
        at = data.draw(st.integers(first, last))
        value = data.draw(st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 8, bytes(8)]))
        content[at : at + len(value)] = value
    file = Counting(_repaired(image_format, content))
    try:
        found = inspect(file)
    except ImageRefused as error:
        assert error.fault in ImageFault and str(error)
    else:
        assert 0 < found.virtual_size_bytes <= 2 * 2**40
    assert file.total < 300_000


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*image_files.PACKED.values()]), st.data())
def test_fuzz_archives(packed: tuple[bytes, ImageFault], data: st.DataObject) -> None:
    """An archive with any bytes changed passes or is refused, after bounded reading."""
    content = bytearray(packed[0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    packing = packing_of(bytes(content[:512]))
    if packing is not None:
        file = Counting(bytes(content))
        try:
            check_packed(file, packing)
        except ImageRefused as error:
            assert str(error)
        assert file.total < 200_000


@pytest.mark.parametrize(
    ("content", "claimed"),
    [
        (qcow2(), ImageFormat.RAW),
        (bytes(512), ImageFormat.QCOW2),
        (iso(), ImageFormat.RAW),
        (bytes(512), ImageFormat.ISO),
    ],
)
def test_claimed(content: bytes, claimed: ImageFormat) -> None:
    """An image that is not what its owner says is refused: a raw disk that begins like qcow2 above all."""
    with pytest.raises(ImageRefused, match="as claimed"):
        facts(content, claimed)


def test_limit() -> None:
    """The limit is a parameter, and holds for raw too."""
    assert facts(qcow2(size=2**20), virtual_size_max=2**20)
    for content in (qcow2(size=2**20 + 1), bytes(2**20 + 1)):
        with pytest.raises(ImageRefused, match="over the limit"):
            facts(content, virtual_size_max=2**20)


class Counting(io.BytesIO):
    """Counts what is read, and gives it in pieces."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None and size >= 0, "an unbounded read"
        part = super().read(min(size, 100))
        self.total += len(part)
        return part


def is_answered(file: BinaryIO) -> None:
    try:
        assert isinstance(inspect(file), ImageFacts)
    except ImageRefused as error:
        assert str(error)


@given(st.binary(max_size=2000))
def test_fuzz(content: bytes) -> None:
    """Any bytes give facts or a refusal, after bounded reading."""
    for head in (b"", b"QFI\xfb\0\0\0\2", b"QFI\xfb\0\0\0\3"):
        file = Counting(head + content)
        is_answered(file)
        assert file.total < 20_000


@given(st.data())
def test_fuzz_header(data: st.DataObject) -> None:
    """A good header with any fields changed gives facts or a refusal; what is taken has no other file and fits."""
    content = bytearray(qcow2(extensions=struct.pack(">II", 7, 8) + bytes(8)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, 130))
        value = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(value)] = value
    file = Counting(bytes(content))
    try:
        found = inspect(file)
    except ImageRefused:
        return
    assert file.total < 100_000
    if found.format == ImageFormat.QCOW2:
        assert 0 < found.virtual_size_bytes <= 2 * 2**40
        assert content[8:20] == bytes(12)
