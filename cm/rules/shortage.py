"""
Guests that run out of memory: who has had too little left for long enough to be told of. Pure. What a guest's programs
could still have is told by its balloon's driver; of one without, nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

LOW: Final = 0.05  # of what it has; the kernel's reclaim holds programs up from about there on
ENOUGH: Final = 0.10  # from there on it is over: between the two it is as it was
FOR_S: Final = 60.0  # a program's start, or a backup, passes by


@dataclass(frozen=True)
class Shortage:
    """:ivar since: seconds of any clock, when it was seen first. :ivar told: whether its owner is told."""

    since: float
    told: bool = False


@dataclass(frozen=True)
class Left:
    """What a guest has left, and what it has, in bytes."""

    available_bytes: float
    memory_bytes: float

    @property
    def part(self) -> float:
        return self.available_bytes / self.memory_bytes if self.memory_bytes > 0 else 1.0


def watch(known: Mapping[int, Shortage], now: float, left: Mapping[int, Left]) -> dict[int, Shortage]:
    """
    :param known: by VM, what the last call returned.
    :param left: what is known of VMs now; of others it stays as it was.
    :return: shortages as they are now. Those whose owners are to be told are ``told`` here and were not before.
    """
    found = dict(known)
    for vm_id, each in left.items():
        before = known.get(vm_id)
        if each.part >= ENOUGH:
            found.pop(vm_id, None)
        elif before is None:
            if each.part < LOW:
                found[vm_id] = Shortage(now)
        elif each.part < LOW and not before.told and now - before.since >= FOR_S:
            found[vm_id] = replace(before, told=True)
    return found
