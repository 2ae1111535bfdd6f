"""
What a disk's volumes stand on, and what has to be done to them for a snapshot to go.

A snapshot is a volume that nobody writes to; what the disk is written to since stands on it. A disk that was taken back
to an earlier snapshot has the later ones beside it: its volumes are a tree, whose leaves are what the disk is written
to, and later snapshots that it was taken back from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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
