"""
Another size for a VM that runs, within what its domain was prepared for as it was started.

Memory comes in modules, as into a machine of hardware: what is not plugged in its guest cannot have, and what is it
gives back whole or not at all. So what account and node count is what it has, and nothing of what it might get is
claimed before. (A balloon would need no modules, but a guest without its driver has all of the maximum, which then is
what its node has to keep free.)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

from cm.rpc.errors import InvalidParameter, NotPrepared

MODULE_MIB: Final = 128  # guests take memory in blocks of so much (Linux on x86)
MODULES_MAX: Final = 16
# Where memory may come it comes above 4 GiB, and for devices that do not reach there Linux keeps 64 MiB from its start
# on: a guest of 128 MiB did not boot any more (seen).
LEAST_MIB: Final = 256
MAX_CPU: Final = 240  # QEMU's q35 has 288 at the most, and more than 255 want an IOMMU


class Size(NamedTuple):
    cpu: int
    memory_mib: int

    def most(self, other: Size) -> Size:
        """Of each the larger."""
        return Size(max(self.cpu, other.cpu), max(self.memory_mib, other.memory_mib))


class Ceiling(NamedTuple):
    """What a domain may become; 0: what it is."""

    max_cpu: int = 0
    max_memory_mib: int = 0


def check_ceiling(size: Size, ceiling: Ceiling) -> None:
    """
    :raises InvalidParameter: it would be less than the size itself, or no whole modules more.
    """
    if ceiling.max_cpu and ceiling.max_cpu < size.cpu:
        raise InvalidParameter("max_cpu", f"its size has {size.cpu} CPUs")
    if ceiling.max_memory_mib:
        more = ceiling.max_memory_mib - size.memory_mib
        if more and size.memory_mib < LEAST_MIB:
            raise InvalidParameter("max_memory_mib", f"its size has less than {LEAST_MIB} MiB to boot with")
        if more < 0 or more % MODULE_MIB:
            told = f"{size.memory_mib} MiB, as its size has, and a multiple of {MODULE_MIB} MiB more"
            raise InvalidParameter("max_memory_mib", f"it is not {told}")


def kept(was: Ceiling, size: Size) -> Ceiling:
    """What a VM was prepared for, as far as that goes with another size."""
    more = was.max_memory_mib - size.memory_mib
    memory = more > 0 and more % MODULE_MIB == 0 and size.memory_mib >= LEAST_MIB
    return Ceiling(was.max_cpu if was.max_cpu > size.cpu else 0, was.max_memory_mib if memory else 0)


def check_live(now: Size, wanted: Size, ceiling: Ceiling) -> None:
    """
    :param ceiling: as of the start of the domain that runs; what that one was not prepared for is as it is.
    :raises NotPrepared: the domain can become as large, or as small, as that only by another start.
    """
    if wanted.cpu != now.cpu and wanted.cpu > ceiling.max_cpu:
        raise NotPrepared("cpu", ceiling.max_cpu or now.cpu, wanted.cpu)
    if wanted.memory_mib == now.memory_mib:
        return
    if wanted.memory_mib > ceiling.max_memory_mib:
        raise NotPrepared("memory_mib", ceiling.max_memory_mib or now.memory_mib, wanted.memory_mib)
    if (wanted.memory_mib - now.memory_mib) % MODULE_MIB:
        raise NotPrepared(f"memory_mib in steps of {MODULE_MIB}", now.memory_mib, wanted.memory_mib)


def modules_for(more_mib: int, slots: int) -> tuple[int, ...]:
    """
    Modules of so much altogether, each twice the next, so that much of it can be given back in parts; one, where there
    are fewer slots for modules than that takes.
    """
    blocks = more_mib // MODULE_MIB
    found = tuple(MODULE_MIB << bit for bit in range(blocks.bit_length() - 1, -1, -1) if blocks >> bit & 1)
    return found if len(found) <= slots else (more_mib,)


def modules_to_leave(modules: Sequence[int], less_mib: int) -> tuple[int, ...] | None:
    """Those of these modules that are so much altogether, as few as possible; None: there are none."""
    for count in range(1, len(modules) + 1):
        for chosen in combinations(modules, count):
            if sum(chosen) == less_mib:
                return chosen
    return None
