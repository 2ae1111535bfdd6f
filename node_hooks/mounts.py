"""
The node's NFS mounts: whether their servers answer, and whether guests survive one that was away for longer than its
lease.

A process that asks a silent server waits in the kernel. So a child asks, nobody waits for it, and a mount whose child
is still there gets no other one: it is over when the server is back, or when it is killed, which NFS allows who only
asks.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from node_hooks.problem import LOCKS_NOT_RECOVERED, STORAGE_SILENT, Problem

SILENT_S = 4.0  # of a question; with a server that answers it takes milliseconds
_PARAMETER = "sys/module/nfs/parameters/recover_lost_locks"


class Mounts:
    """
    For one thread; nothing here waits.

    :param ask: the program that asks the server of a path.
    :param root: replaces ``/``, for tests.
    """

    def __init__(
        self, ask: Sequence[str] = ("stat", "--file-system", "--format=%i"), root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._ask = tuple(ask)
        self._root = root
        self._clock = clock
        self._asked: dict[str, tuple[subprocess.Popen[bytes], float]] = {}

    def problems(self) -> list[Problem]:
        """What is amiss now. Each mount is asked anew as soon as its last question is over."""
        try:
            mounts = nfs_mounts((self._root / "proc/self/mountinfo").read_text())
        except OSError:
            return []
        found = [
            Problem(STORAGE_SILENT, path, f"the NFS server of {path} ({source}) does not answer")
            for path, source in mounts.items() if self._is_silent(path)
        ]  # fmt: skip
        for path in self._asked.keys() - mounts.keys():
            process, _ = self._asked.pop(path)
            process.kill()
            process.poll()
        if mounts and self._loses_locks():
            told = (
                "guests lose their disks for good when an NFS server is away for longer than its lease: "
                "nfs.recover_lost_locks is off"
            )
            found.append(Problem(LOCKS_NOT_RECOVERED, "recover_lost_locks", told))
        return found

    def _is_silent(self, path: str) -> bool:
        asked = self._asked.get(path)
        if asked is not None and asked[0].poll() is None:
            return self._clock() - asked[1] > SILENT_S
        try:
            process = subprocess.Popen(
                [*self._ask, path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError:
            return False  # nothing is known
        self._asked[path] = process, self._clock()
        return False

    def _loses_locks(self) -> bool:
        """Of NFS 4; where the module does not tell, nothing is known."""
        try:
            return (self._root / _PARAMETER).read_text().strip() == "N"
        except OSError:
            return False

    def close(self) -> None:
        for process, _ in self._asked.values():
            process.kill()
            process.poll()
        self._asked.clear()


def nfs_mounts(mountinfo: str) -> dict[str, str]:
    """
    Sources by mount point (proc(5)), where NFS is mounted.

    :param mountinfo: the content of ``/proc/self/mountinfo``.
    """
    found = {}
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        places, kinds = before.split(), after.split()
        if dash and len(places) > 4 and len(kinds) > 1 and kinds[0] in ("nfs", "nfs4"):
            found[_plain(places[4])] = _plain(kinds[1])
    return found


def _plain(told: str) -> str:
    """The kernel writes blanks and the like in octal."""
    return os.fsdecode(told.encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1"))
