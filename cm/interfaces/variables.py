"""
The files of nodes that UEFI keeps its variables in, one of each guest that boots by it. A guest without secure boot may
write what it likes into its own, so no storage may look into their directory.
"""

from __future__ import annotations

from typing import Protocol


class IVariables(Protocol):
    """Of one node."""

    def ensure(self, directory: str) -> None:
        """Have the directory be there; repeatable, and free where it was done lately."""

    def delete(self, path: str) -> None:
        """Delete a guest's; an absent one is not an error. No domain has it open."""
