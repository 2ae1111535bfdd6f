"""
Which machine a node is. The same one as two nodes would count its capacity twice, and each of the two would find the
domains of the other; another one behind a node's address has none of its VMs.

The evidence is libvirt's host UUID, which is the mainboard's (SMBIOS) unless ``libvirtd.conf`` says otherwise, together
with the first label of the host's name: cheap boards of one kind may all have the same UUID, and hosts that were cloned
the same name, but hardly both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# UUIDs that firmware ships when nobody set one. libvirt itself refuses those of one repeated digit.
NOBODYS: Final = frozenset(
    {
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "01020304-0506-0708-090a-0b0c0d0e0f10",
    }
)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@dataclass(frozen=True)
class Host:
    """``uuid`` is "" where there is none that tells hosts apart; then nothing is known, and nothing is compared."""

    uuid: str
    label: str

    @property
    def known(self) -> bool:
        return bool(self.uuid)

    def __str__(self) -> str:
        return f"{self.label} ({self.uuid})"


def host_of(uuid: str, hostname: str) -> Host:
    """
    What a host says of itself, as it is compared. Names may come with and without their domain, as resolvers see fit.

    :param uuid: as libvirt's capabilities have it; "" where the hypervisor is no machine's (a test driver).
    """
    uuid = uuid.strip().lower()
    if not _UUID.match(uuid) or uuid in NOBODYS or len(set(uuid.replace("-", ""))) == 1:
        uuid = ""
    return Host(uuid, hostname.strip().lower().partition(".")[0])
