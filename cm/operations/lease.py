"""
Whether this process may still act for an operation. Others take over what is not renewed (``store/worker.py``), so
nothing is begun on the word of a lease that is older than that.
"""

from __future__ import annotations

from typing import Final

from cm.runtime.wall import steady_seconds
from cm.store.worker import SILENT_S

# From when a renewal is asked for. The rest is for two clocks, and for a call to get from here to its node.
SURE_S: Final = SILENT_S - 0.4


class Stale(Exception):
    """A call waited for its thread until it was not sure any more whose its operation is. It never began."""


class Lease:
    """
    One claim of one operation, by this process's clock. Its renewals are written on the reactor's thread, and read on
    any.

    :param asked_at: the claim, or before: the database counts from a moment after that.
    """

    def __init__(self, asked_at: float | None = None) -> None:
        self._sure_until = (steady_seconds() if asked_at is None else asked_at) + SURE_S

    def renewed(self, asked_at: float) -> None:
        self._sure_until = max(self._sure_until, asked_at + SURE_S)

    @property
    def sure(self) -> bool:
        """Whether nobody can have taken the operation for a dead worker's. Given up it may be all the same."""
        return steady_seconds() < self._sure_until

    def check(self) -> None:
        """On the thread that is about to act. :raises Stale: it is not sure."""
        if not self.sure:
            raise Stale()
