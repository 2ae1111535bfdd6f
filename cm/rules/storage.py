"""
What storages of each kind can do, and which of them a new volume goes to.

Whoever asks whether a storage can do something asks here: another kind is a row of ``CAPABILITIES``, and a class of the
driver that says what its pool and its volumes look like (``cm/drivers/libvirt/pool_kind.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cm.rpc.vocabulary import DiskFormat, StorageKind, VolumeMode

EXTENT_BYTES: Final = 4 * 2**20  # of a volume group, where nobody says otherwise: vgcreate(8)
ROOM_BYTES: Final = 64 * 2**20  # with less than this left a storage is full: a guest writes as much within a second


@dataclass(frozen=True)
class Capabilities:
    """
    What a storage of a kind can do.

    :ivar formats: of its volumes.
    :ivar written: of those among them that guests may write to; new disks get the first. Raw files are none of these:
        libvirtd looks at each file of a pool's directory whenever it goes through it, takes a raw disk for what its
        guest has written at its beginning, and opens what a header there names, as root.
    :ivar overlays: a volume may stand on another one and hold only what differs, so VMs are made at once.
    :ivar snapshots: a running guest's disk may go on in an overlay beside it, and be merged back.
    :ivar shared: several nodes may have it attached at once.
    :ivar remote: its server may fall silent while the node runs on. Guests are stopped then rather than told of errors,
        and wait.
    :ivar sparse: a volume takes what was written to it, so more may be promised than there is.
    :ivar resizes: a volume can be made larger where it is, whether a guest runs or not.
    :ivar files: its volumes are files, else devices.
    :ivar unit_bytes: what sizes are rounded up to.
    """

    formats: tuple[DiskFormat, ...]
    written: tuple[DiskFormat, ...]
    overlays: bool
    snapshots: bool
    shared: bool
    remote: bool
    sparse: bool
    resizes: bool
    files: bool
    unit_bytes: int = 1

    @property
    def format(self) -> DiskFormat:
        """What new disks get."""
        return self.written[0]

    def whole(self, size_bytes: int) -> int:
        """The size that a volume has which is to be so large at the least."""
        return -(-size_bytes // self.unit_bytes) * self.unit_bytes

    def best(self, format: DiskFormat) -> DiskFormat:
        """What a disk of a format becomes there, which guests write to."""
        return format if format in self.written else self.format

    def kept(self, format: DiskFormat) -> DiskFormat:
        """What something becomes there that nobody writes to any more: an image, an ISO."""
        return format if format in self.formats else self.format

    def mode(self, wanted: VolumeMode) -> VolumeMode:
        """How a volume comes to be: where there are no overlays it is a full copy."""
        return VolumeMode.COPY if wanted is VolumeMode.OVERLAY and not self.overlays else wanted


_FILES: Final = ((DiskFormat.QCOW2, DiskFormat.RAW), (DiskFormat.QCOW2,))
_DEVICES: Final = ((DiskFormat.RAW,), (DiskFormat.RAW,))

CAPABILITIES: Final[Mapping[StorageKind, Capabilities]] = {
    StorageKind.DIR: Capabilities(
        *_FILES, overlays=True, snapshots=True, shared=True, remote=False, sparse=True, resizes=True, files=True
    ),
    StorageKind.NETFS: Capabilities(
        *_FILES, overlays=True, snapshots=True, shared=True, remote=True, sparse=True, resizes=True, files=True
    ),
    # libvirt makes its volumes raw whatever is asked for, and changes the size of none. Nothing locks a volume group on
    # a device that two nodes see, so one node has it. An LVM snapshot takes its room at once, slows its origin down and
    # breaks where it fills up, so it is no overlay for us.
    StorageKind.LOGICAL: Capabilities(
        *_DEVICES, overlays=False, snapshots=False, shared=False, remote=False, sparse=False, resizes=False,
        files=False, unit_bytes=EXTENT_BYTES,
    ),
}  # fmt: skip


def capabilities(kind: StorageKind | str) -> Capabilities:
    """Of a kind, as a member or as the word that is stored."""
    return CAPABILITIES[StorageKind(kind)]


@dataclass(frozen=True)
class Candidate:
    """
    A storage that takes volumes and that a node has attached.

    :ivar room_bytes: what may still be promised: within what there is and its overcommit, less all promises, of which a
        part is never written; where others fill it too, less what they take (``storage.limit_bytes``).
    """

    id: int
    kind: StorageKind
    default: bool
    priority: int
    room_bytes: int


def choose(
    candidates: Iterable[Candidate], size_bytes: int, *, shared: bool = False, format: DiskFormat | None = None
) -> Candidate | None:
    """
    Where a new volume goes: to the default storage, else to that of the highest priority, else to the one with the most
    room; always to one where it fits. None: it fits nowhere.

    :param shared: only where several nodes reach it.
    :param format: only where a disk may have this format.
    """

    def fits(storage: Candidate) -> bool:
        can = CAPABILITIES[storage.kind]
        if (shared and not can.shared) or (format is not None and format not in can.written):
            return False
        return can.whole(size_bytes) <= storage.room_bytes

    found = [storage for storage in candidates if fits(storage)]
    return max(found, key=lambda s: (s.default, s.priority, s.room_bytes, -s.id), default=None)


def low_by(available_bytes: int, capacity_bytes: int, low_percent: int) -> int:
    """How much is lacking until so much of a storage's capacity is free; 0: nothing, or nothing is known of it."""
    return max(0, -(-capacity_bytes * low_percent // 100) - available_bytes)


def is_full(available_bytes: int, capacity_bytes: int) -> bool:
    """Whether a storage has no room for what guests write to it."""
    return available_bytes < min(ROOM_BYTES, capacity_bytes // 20)
