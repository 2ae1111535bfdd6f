"""
What a disk's volumes stand on, and what has to be done to them for a snapshot to go.

A snapshot is a volume that nobody writes to; what the disk is written to since stands on it. A disk that was taken back
to an earlier snapshot has the later ones beside it: its volumes are a tree, whose leaves are what the disk is written
to, and later snapshots that it was taken back from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cm.rpc.errors import CloudError, InUse, InvalidParameter
from cm.rpc.vocabulary import VMState
from cm.rules.disk import DiskStanding, of_vm, read, taken_back, unsettled, work
from cm.rules.operation import OperationKind


@dataclass(frozen=True)
class Tree:
    """
    A disk's own volumes.

    :ivar current: what it is written to.
    :ivar backing: by volume, what it stands on; that of the first may be another's, an image's.
    """

    current: int
    backing: Mapping[int, int | None]

    def above(self, volume_id: int) -> list[int]:
        """Those that stand right on a volume."""
        return sorted(volume for volume, base in self.backing.items() if base == volume_id)

    def leaf(self, volume_id: int) -> int:
        """A volume that stands on this one, and on which none stands: the disk's own where that is one."""
        path = volume_id
        if volume_id in self.path:
            return self.current
        while above := self.above(path):
            path = above[0]
        return path

    def without(self, volumes: Collection[int]) -> Tree:
        """The same once those of these have gone on which none stands, and that the disk is not written to."""
        left = dict(self.backing)
        while gone := [each for each in volumes if each in left and each != self.current and each not in left.values()]:
            for each in gone:
                del left[each]
        return Tree(self.current, left)

    @property
    def path(self) -> list[int]:
        """What the disk is written to, and below it down to what is not its own."""
        found: list[int] = []
        volume: int | None = self.current
        while volume is not None and volume in self.backing:
            found.append(volume)
            volume = self.backing[volume]
        return found


class Removal(StrEnum):
    """How a snapshot's volume goes."""

    FORGET = "forget"  # it is what the disk is written to: there is nothing to be done to it
    DROP = "drop"  # nothing stands on it
    PULL = "pull"  # what stands on it takes its content, and stands on what it stood on
    COMMIT = "commit"  # what stands on it is merged into it, and it takes that one's place


@dataclass(frozen=True)
class Step:
    """
    :ivar upper: the volume that stands on the snapshot's; 0 without one.
    :ivar leaf: what a domain has open while they are merged.
    """

    how: Removal
    upper: int = 0
    leaf: int = 0


def removal(tree: Tree, volume_id: int) -> Step | None:
    """
    How a snapshot's volume goes; None where too much stands on it: two volumes at once can neither be merged into it
    nor take its content, and of what stands between two others and it only one could be told.
    """
    if volume_id == tree.current:
        return Step(Removal.FORGET)
    above = tree.above(volume_id)
    if not above:
        return Step(Removal.DROP)
    if len(above) > 1:
        return None
    upper = above[0]
    next_up = tree.above(upper)
    if not next_up:
        return Step(Removal.PULL, upper, upper)
    return Step(Removal.COMMIT, upper, tree.leaf(upper)) if len(next_up) == 1 else None


# ------------------------------------------------------------------ what may be done with one

TAKEN_BY: Final = "what takes or deletes it"


@dataclass(frozen=True)
class SnapshotStanding:
    """
    A snapshot as it stands, with its disk.

    :ivar taken: it is a point in time: neither on its way, nor was its deletion begun.
    :ivar goes: its volume can go, as ``removal`` tells.
    """

    id: int
    taken: bool
    goes: bool
    disk: DiskStanding


def _chosen(snapshots: Sequence[SnapshotStanding], kind: OperationKind) -> CloudError | None:
    for each in snapshots:
        found = taken_back(each.disk)
        if found is not None:
            return found
    if len({None if each.disk.writer is None else each.disk.writer.vm_id for each in snapshots}) > 1:
        return InvalidParameter("alone", "its disks are not of one VM any more: take them one by one")
    return next((found for each in snapshots if (found := read(each.disk) or of_vm(each.disk.writer, kind))), None)


def reverting(snapshots: Sequence[SnapshotStanding]) -> CloudError | None:
    """:param snapshots: those that are taken back together."""
    found = _chosen(snapshots, OperationKind.SNAPSHOT_REVERT)
    untaken = [each.id for each in snapshots if not each.taken]
    return found or (InUse("snapshot", untaken[0], TAKEN_BY) if untaken else None)


def deleting(snapshots: Sequence[SnapshotStanding]) -> CloudError | None:
    """:param snapshots: those that are deleted together."""
    found = _chosen(snapshots, OperationKind.SNAPSHOT_DELETE)
    if found is not None:
        return found
    found = unmerged(snapshots)
    if found is not None:
        return found
    left = next((each.id for each in snapshots if not each.goes), None)
    return None if left is None else InUse("snapshot", left, "later ones and the disk; delete later ones first")


def unmerged(snapshots: Sequence[SnapshotStanding]) -> CloudError | None:
    """
    Snapshots are merged below what the domain has open, as is on record; one that is off has nothing open. Refused
    where the domain may write to another volume, and these are not the snapshots that settle it.
    """
    ids = [each.id for each in snapshots]
    for each in snapshots:
        vm = each.disk.writer
        found = None if vm is None or vm.state is VMState.STOPPED else unsettled(each.disk.id, each.disk.unsettled, ids)
        if found is not None:
            return found
    return None


def copying(snapshot: SnapshotStanding) -> CloudError | None:
    """To a disk, or to an image: while the disk's VM runs, too."""
    return work(snapshot.disk) or (None if snapshot.taken else InUse("snapshot", snapshot.id, TAKEN_BY))
