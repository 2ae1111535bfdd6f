"""Images as files: which are taken, which are refused, and that no bytes break the reader. Made by hand, byte by
byte."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.drivers.images.inspect import ImageFacts, ImageFormat, inspect
from cm.rpc.errors import ImageRefused

CLUSTER = 65_536


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


def facts(content: bytes, claimed: ImageFormat | None = None, **options: Any) -> ImageFacts:
    return inspect(io.BytesIO(content), claimed, **options)


def iso() -> bytes:
    return (bytes(32_768) + b"\x01CD001\x01").ljust(40_960, b"\0")


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
    "VMDK": (b"KDMV" + bytes(600), "VMDK"),
    "VMDK descriptor": (b'# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0', "VMDK"),
    "VHD, dynamic": (b"conectix" + bytes(600), "VHD"),
    "VHD, fixed": (bytes(1024) + b"conectix" + bytes(504), "VHD"),
    "VHDX": (b"vhdxfile" + bytes(600), "VHDX"),
    "VDI": (b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe" + bytes(500), "VDI"),
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


@pytest.mark.parametrize(
    ("content", "claimed"),
    [(qcow2(), ImageFormat.RAW), (bytes(512), ImageFormat.QCOW2), (iso(), ImageFormat.RAW), (bytes(512),
    ImageFormat.ISO)],
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
