"""
Where a VM's new disk comes from: a free volume of the right size is used again, else one is made in the first storage
that has room for it, else nothing is done and each storage says why not.

Source: oVirt's "Vm Templates", "Storage - attach or create"; what it leaves open is said beside each figure here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from cm.rpc.vocabulary import DiskFormat, Match, StorageKind, StorageRefusal
from cm.rules.storage import CAPABILITIES, Capabilities

STEP_BYTES: Final = 4 * 2**20  # sizes are rounded up to it: an extent of LVM, so that a disk may go to any storage
TOLERANCE: Final = 0.10  # by how much of its size a volume that is used again may be larger,
TOLERANCE_BYTES: Final = 2**30  # or by this, whichever is more
RESERVE: Final = 0.05  # of a storage's capacity is left free: thin volumes grow, and a full storage stops its guests


def makes(kind: str) -> Capabilities | None:
    """
    What a kind of storage can do; None of one whose volumes somebody makes by hand: they can only be used again.
    """
    return CAPABILITIES.get(StorageKind(kind)) if kind in StorageKind.__members__.values() else None


def rounded(size_bytes: int) -> int:
    """The size that a new volume gets."""
    return -(-size_bytes // STEP_BYTES) * STEP_BYTES


@dataclass(frozen=True)
class Want:
    """
    What is asked for.

    :ivar format: None: of a free volume any; of a new one qcow2.
    :ivar storages: the only ones to look at; empty: all.
    :ivar without: storages that have failed at it already.
    """

    size_bytes: int
    account_id: int
    match: Match = Match.EXACT
    format: DiskFormat | None = None
    storages: frozenset[int] = frozenset()
    without: frozenset[int] = frozenset()

    @property
    def least_bytes(self) -> int:
        return self.size_bytes

    @property
    def most_bytes(self) -> int:
        """Of a volume that is used again."""
        if self.match is Match.EXACT:
            return rounded(self.size_bytes)
        return self.size_bytes + max(int(self.size_bytes * TOLERANCE), TOLERANCE_BYTES)

    def is_right(self, size_bytes: int) -> bool:
        """Whether a volume has the right size."""
        if self.match is Match.EXACT:
            return size_bytes in (self.size_bytes, rounded(self.size_bytes))
        return self.least_bytes <= size_bytes <= self.most_bytes


class Place(NamedTuple):
    """
    A storage of the VM's hardware pool, as it is now.

    :ivar locked: nothing of it is used anew; ``draining``: there come no new volumes.
    :ivar attached: some node that may run the VM has it attached; ``reachable``: and answers.
    :ivar limit_bytes: what may be promised of it in all; ``claimed_bytes``: what is, made or not.
    :ivar unmade_bytes: what of that is reserved and yet to be made.
    :ivar available_bytes: what it had left in truth when somebody looked a moment ago; None: nobody did.
    """

    id: int
    name: str
    kind: str
    locked: bool
    attached: bool
    reachable: bool
    capacity_bytes: int
    limit_bytes: int
    claimed_bytes: int
    unmade_bytes: int = 0
    available_bytes: int | None = None
    default: bool = False
    priority: int = 0
    draining: bool = False

    @property
    def usable(self) -> bool:
        """Whether volumes that are there may be used."""
        return self.refusal() is None

    @property
    def room_bytes(self) -> int:
        """What may still be promised of it: within its limit, and of what there is in truth all but the reserve."""
        left = self.limit_bytes - self.claimed_bytes
        if self.available_bytes is None:
            return left
        return min(left, self.available_bytes - self.unmade_bytes - int(self.capacity_bytes * RESERVE))

    def refusal(self) -> StorageRefusal | None:
        """Why nothing on it can be used now, whatever its size."""
        if self.locked:
            return StorageRefusal.LOCKED
        if not self.attached:
            return StorageRefusal.INACTIVE
        return None if self.reachable else StorageRefusal.UNREACHABLE


class FreeVolume(NamedTuple):
    """
    A volume that is no image's and no disk's, and that nobody has reserved.

    :ivar account_id: whose alone it may become; None: anybody's.
    :ivar writer_id: who wrote to it last; ``clean``: nothing of that is left.
    """

    id: int
    storage_id: int
    size_bytes: int
    format: DiskFormat
    account_id: int | None = None
    writer_id: int | None = None
    clean: bool = False

    def needs_wipe(self, account_id: int, *, keep_data: bool) -> bool:
        """Whether somebody would find what others wrote, or what they did not ask for."""
        return not self.clean and not (keep_data and self.writer_id == account_id)


class Checked(NamedTuple):
    """A storage that cannot make it, and why."""

    storage_id: int
    storage: str
    reason: StorageRefusal
    room_bytes: int


def reusable(want: Want, volumes: Iterable[FreeVolume], places: Iterable[Place]) -> Sequence[FreeVolume]:
    """Step 1: the free volumes that fit, the best first: the smallest, then by their storage's priority."""
    usable = {place.id: place for place in places if place.usable and _meant(want, place)}
    fitting = [
        volume
        for volume in volumes
        if volume.storage_id in usable
        and volume.account_id in (None, want.account_id)
        and want.format in (None, volume.format)
        and _writable(volume, usable[volume.storage_id])
        and want.is_right(volume.size_bytes)
    ]
    return sorted(fitting, key=lambda v: (v.size_bytes, -usable[v.storage_id].priority, v.storage_id, v.id))


def creatable(want: Want, places: Iterable[Place]) -> tuple[Sequence[Place], Sequence[Checked]]:
    """
    Step 2: the storages that have room for a new volume, the first first: the default one, then the roomiest; and the
    others, each with its reason.
    """
    fitting, refused = [], []
    for place in places:
        if want.storages and place.id not in want.storages:
            continue
        reason = refusal(want, place)
        if reason is None:
            fitting.append(place)
        else:
            refused.append(Checked(place.id, place.name, reason, max(place.room_bytes, 0)))
    fitting.sort(key=lambda p: (not p.default, -p.priority, -p.room_bytes, p.id))
    return fitting, sorted(refused)


def refusal(want: Want, place: Place) -> StorageRefusal | None:
    """Why a storage cannot make a volume; None: it can."""
    can = makes(place.kind)
    if can is None or (want.format is not None and want.format not in can.written):
        return StorageRefusal.WRONG_TYPE
    known = place.refusal()
    if known is not None or place.draining:
        return known or StorageRefusal.LOCKED
    if place.id in want.without or place.room_bytes < can.whole(rounded(want.size_bytes)):
        return StorageRefusal.INSUFFICIENT
    return None


def _writable(volume: FreeVolume, place: Place) -> bool:
    """Whether guests may write to what has this format: raw files are left of an older release, and of nobody's use."""
    can = makes(place.kind)
    return can is None or volume.format in can.written


def _meant(want: Want, place: Place) -> bool:
    return not want.storages or place.id in want.storages
