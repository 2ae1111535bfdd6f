"""How many files a process may have open, each connection being one; and what room there is for what is in them."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

FILES: Final = 65_536  # as the units have it; more connections than limits.connections are refused before that


def raise_file_limit() -> int:
    """
    Raise the soft limit as far as the hard one lets us, up to ``FILES``; shells and containers often begin at 1,024,
    which one client's idle connections would use up.

    :return: what it is now.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft


def free_bytes(where: Path | int, reserve_bytes: int = 0) -> int:
    """
    Bytes that files may still take on a file system.

    :param where: a path there, or an open file.
    :param reserve_bytes: what is to be left.
    """
    figures = os.statvfs(where)
    return max(0, int(figures.f_bavail * figures.f_frsize) - reserve_bytes)
