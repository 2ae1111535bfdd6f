"""
How a guest finds what it is told of its VM: what cloud-init knows a cloud by stands in a machine's SMBIOS tables.

It takes one for EC2's whose uuid begins with "ec2" and whose serial number is that uuid (``ds-identify``; of the uuid
alone newer ones take it for one, too). One in 4,096 random uuids begins so, hence no uuid is left to chance here.
"""

from __future__ import annotations

import uuid as uuid_module
from typing import Final
from uuid import UUID

from cm.rpc.vocabulary import DiskBus, MetadataSource

SERVICE: Final = "http://169.254.169.254"
HELLO_URL: Final = f"{SERVICE}/hello"
_EC2: Final = "ec2"
_EC2_BITS: Final = 12
SEEDED: Final = frozenset({MetadataSource.SEED_ISO, MetadataSource.CONFIG_DRIVE})
SEED_BYTES: Final = 2**20  # user data of 64 KiB, what the cluster tells all guests, and what ISO 9660 needs
SEED_DEVICE: Final = "sdv"  # before the drives that people put CDs into
# From its launch: by then a guest has read its seed, though it may have nobody to tell that to.
FIRST_BOOT_S: Final = 600.0


def new_uuid(source: MetadataSource) -> UUID:
    """For a new VM whose guest is told in this way."""
    made = uuid_module.uuid4()
    if source is MetadataSource.IMDS:
        rest = made.int & ((1 << (128 - _EC2_BITS)) - 1)
        return UUID(int=int(_EC2, 16) << (128 - _EC2_BITS) | rest)
    while made.hex.startswith(_EC2):
        made = uuid_module.uuid4()
    return made


def smbios_serial(source: MetadataSource, uuid: str) -> str:
    """
    What a VM's guest reads as its machine's serial number; "": it has none.

    It is no secret: it stands in QEMU's command line, which every account of the node may read, as the uuid does
    anyway. Whose documents are asked for, the asker's bridge and address say.
    """
    match source:
        case MetadataSource.IMDS:
            return uuid
        case MetadataSource.NOCLOUD:
            # Debian 12's cloud-init knows nocloud-net, and does not put the uuid in by itself.
            return f"ds=nocloud-net;s={SERVICE}/nocloud/{uuid}/"
        case _:
            return ""


def source_of(serial: str, uuid: str) -> MetadataSource:
    """
    What a domain that is there was defined with, by its serial number. Older releases gave all of them one URL. Whether
    one without had a seed is not known any more, and does not matter.
    """
    if not serial:
        return MetadataSource.NONE
    return MetadataSource.IMDS if serial == uuid and uuid.startswith(_EC2) else MetadataSource.NOCLOUD


def seed_bus(platform: str) -> DiskBus:
    """What a seed's drive is on: Debian's cloud kernel has no driver for SATA, and Windows none for virtio's SCSI."""
    return DiskBus.SATA if platform == "windows" else DiskBus.SCSI
