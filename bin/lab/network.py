"""The labs' networks: which are taken, what a dead lab left in one, links and ports."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from lab.keeper import sweep
from lab.places import LabProblem, environment
from lab.processes import find_lock, holds

LOCKS = Path("/run")
NUMBERS = range(1, 200)                                                  # K in 10.77.K.0/24


def claim() -> tuple[int, int]:
    """
    Find a free network; what a dead lab left in it is removed first.

    :return: its number, and the descriptor of its lock, for ``release``.
    """
    addresses = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, env=environment()).stdout
    for number in NUMBERS:
        lock = find_lock(lock_path(number))
        if lock is None:
            continue
        sweep_number(number, lock)
        if f" 10.77.{number}." in addresses and f"wlab{number} " not in addresses:
            release(number, lock)                                        # somebody else's network
            continue
        return number, lock
    raise LabProblem("all lab networks, 10.77.1.0/24 to 10.77.199.0/24, are taken; Lab.sweep() removes dead labs")


def default_base(number: int) -> Path:
    """The lab's directory unless it is told another; short, because sockets lie in it."""
    temporary = tempfile.gettempdir()
    return Path(temporary if len(temporary) < 40 else "/tmp") / f"wawel-lab-{number}"


def lock_path(number: int) -> Path:
    return LOCKS / f"wawel-lab-{number}.lock"


def sweep_number(number: int, lock: int) -> bool:
    """Remove the leftovers of a lab whose lock we hold; True: there were some."""
    left = {Path(path) for path in [os.pread(lock, 200, 0).decode()] if path} | {default_base(number)}
    bridge = f"wlab{number}"
    found = Path(f"/sys/class/net/{bridge}").exists()
    for base in left:
        if base.is_dir() and not base.is_symlink() and base.stat().st_uid == os.geteuid():
            found = True
            sweep(base, None, remove=True)
    sweep(Path("/nonexistent"), bridge, remove=False)
    os.ftruncate(lock, 0)
    return found


def release(number: int, lock: int) -> None:
    path = lock_path(number)
    if holds(lock, path):                                                # else it is the next owner's already
        path.unlink()
    os.close(lock)


def accepts(family: socket.AddressFamily, address: Any) -> bool:
    """Whether somebody takes connections there now (within a second)."""
    with socket.socket(family) as connection:
        connection.settimeout(1)
        try:
            connection.connect(address)
            return True
        except OSError:
            return False


def run_ip(*arguments: str, check: bool = True) -> None:
    """:raises LabProblem: ``ip`` refused and ``check`` is set; carries its words."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=60, env=environment())
    if check and done.returncode:
        raise LabProblem(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
