"""
What a file's name promises of its content, and whether a raw file looks like a disk at all.

Anything at all can be a raw disk, so a page of a captive portal or a file that was renamed would become an image that
no guest boots from, or that guests read as what it is not. Whoever means it gives the format.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import BinaryIO, Final

from cm.drivers.images.inspect import ImageFormat
from cm.drivers.images.packing import ENDINGS, Packing
from cm.drivers.images.reading import read_at
from cm.rpc.errors import ImageRefused
from cm.rpc.vocabulary import ImageFault

# Endings that say nothing (".img" is qcow2 as often as raw) are left out.
_PROMISED: Final[dict[str, ImageFormat]] = {
    ".qcow2": ImageFormat.QCOW2,
    ".qcow": ImageFormat.QCOW2,
    ".iso": ImageFormat.ISO,
    ".raw": ImageFormat.RAW,
    ".dd": ImageFormat.RAW,
    ".vmdk": ImageFormat.VMDK,
    ".vdi": ImageFormat.VDI,
    ".vhd": ImageFormat.VHD,
    ".vhdx": ImageFormat.VHDX,
}
# What these hold is refused by its content, which says more; here it is something else.
_FOREIGN: Final = frozenset(
    (".ova", ".ovf", ".qed", ".dmg", ".7z", ".lz4", ".tar", ".tgz", ".txz", ".html", ".htm", ".xml", ".json", ".txt",
     ".torrent", ".sha256", ".asc")
)  # fmt: skip

# Offset and magic, in bytes, of what disks begin with: partition tables, volume managers, file systems.
_DISKS: Final = (
    (510, b"\x55\xaa"),  # MBR; FAT, exFAT and NTFS have it too
    (512, b"EFI PART"),
    (4096, b"EFI PART"),  # of disks with sectors of 4 KiB
    (512, b"LABELONE"),  # LVM
    (0, b"XFSB"),
    (0, b"hsqs"),  # SquashFS
    (0, b"ER"),  # Apple's driver descriptor
    (508, b"\xda\xbe"),  # Sun's label
    (512, b"\x57\x45\x56\x82"),  # BSD's label
    (1024, b"\x10\x20\xf5\xf2"),  # F2FS
    (1024, b"\xe2\xe1\xf5\xe0"),  # EROFS
    (1080, b"\x53\xef"),  # ext2, ext3, ext4
    (4086, b"SWAPSPACE2"),
    (4096, b"\xfc\x4e\x2b\xa9"),  # MD, version 1.2
    (32_768, b"JFS1"),
    (32_769, b"CD001"),
    (32_769, b"BEA01"),  # UDF
    (65_536 + 52, b"ReIsEr"),
    (65_536 + 64, b"_BHRfS_M"),  # Btrfs
)


def check_name(name: str, found: ImageFormat, packing: Packing | None = None) -> None:
    """
    :param name: of a file or an image.
    :param packing: what it was packed in when it came.
    :raises ImageRefused: it promises another format than was found.
    """
    path = PurePosixPath(name.lower())
    if packing is not None and ENDINGS.get(path.suffix) is packing:
        path = path.with_suffix("")
    ending = path.suffix
    promised = _PROMISED.get(ending)
    if ending not in _FOREIGN and ending not in ENDINGS and promised in (None, found):
        return
    # An ISO image that is taken as a disk is raw as well.
    if promised is ImageFormat.RAW and found is ImageFormat.ISO:
        return
    what = f"its name promises {ending[1:]}, and it is {found}"
    raise ImageRefused(f"{what}; if that is what you want, give its format", ImageFault.CLAIM)


def check_disk(file: BinaryIO) -> None:
    """:raises ImageRefused: nothing in a raw file shows that it is a disk."""
    for offset, magic in _DISKS:
        if read_at(file, offset, len(magic)) == magic:
            return
    raise ImageRefused(
        "it has no partition table, file system or other sign of a disk; if it is one all the same, give format raw",
        ImageFault.FORMAT,
    )
