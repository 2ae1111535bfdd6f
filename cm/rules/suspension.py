"""Suspending VMs: how much room a guest's memory takes on a storage."""

from __future__ import annotations

from typing import Final

MIB: Final = 2**20
# Beside its memory: that of its screen (16 MiB), its firmware, its devices, and the definition that is written before.
BESIDE_MIB: Final = 64


def memory_bytes(memory_mib: int) -> int:
    """What a guest's memory takes at the most: it stands still meanwhile, so that each page is written once."""
    return (memory_mib + BESIDE_MIB) * MIB
