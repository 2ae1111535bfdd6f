"""
The files of a node that its VMs' serial consoles are logged to. No storage may lie around them: a guest writes their
first bytes, and whoever goes through a storage takes a file for what it looks like.
"""

from __future__ import annotations

from typing import Protocol


class IConsoleLogs(Protocol):
    def ensure(self, directory: str) -> None:
        """Have the directory be there, and no storage of ours in it; repeatable, and free where it was done lately."""

    def read_tail(self, path: str, limit_bytes: int) -> bytes:
        """
        The last bytes of a log, and what it looks like is nobody's business.
        :raises VolumeNotFound: there is none.
        :raises NotSupported: this hypervisor keeps no logs.
        """

    def delete(self, path: str) -> None:
        """Delete a log, and what the node's log daemon put aside of it; an absent one is not an error."""
