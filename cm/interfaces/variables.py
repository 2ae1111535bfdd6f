"""
The files of nodes that UEFI keeps its variables in, one of each guest that boots by it. A guest without secure boot may
write what it likes into its own, so no storage may look into their directory: neither into ``NVRAM_DIRECTORY`` of a
storage, where most are, nor into directories below it, of which each has one that came from elsewhere.
"""

from __future__ import annotations

from typing import Protocol


class IVariables(Protocol):
    """Of one node. Paths are absolute there."""

    def ensure(self, directory: str) -> None:
        """Have the directory be there; repeatable, and free where it was done lately."""

    def read(self, path: str) -> bytes:
        """
        All of a guest's, as it was last written. It is half a MiB for a PC, and up to 64 MiB elsewhere.

        :raises VolumeNotFound: there is none: the guest never started.
        :raises NotSupported: it is larger, or this hypervisor keeps none.
        """

    def write(self, path: str, content: bytes) -> None:
        """
        Have a guest's hold this and nothing else, whatever it looks like, in a directory of its own, which is made.
        Repeatable; one that was cut off is whole after a repeat. No domain has it open.

        :raises NotSupported: its directory is ``NVRAM_DIRECTORY``, which others have theirs in.
        """

    def delete(self, path: str) -> None:
        """Delete a guest's, with a directory of its own; an absent one is not an error. No domain has it open."""
