"""
The labs' networks: which are taken, what a dead lab left in one, links and ports.

What a lab holds is held where it lives: the network's number by a name in the network namespace, in which the links
are; its directory by a lock file in it; and in ``/run`` another file says which directory that is. Who wants a number
has to get all that he can see. So somebody with other files leaves a living lab's links alone, and somebody with other
links its directory.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from lab.keeper import guard_range, sweep
from lab.places import LabProblem, environment
from lab.processes import find_lock, find_name_lock, holds

LOCKS = Path("/run")
NUMBERS = range(1, 200)                                                  # K in 10.77.K.0/24


class Claim:
    """
    One of the networks, held as long as the descriptors ``locks``, or copies of them, are open.

    :param locks: of the name, and of the file in ``/run``.
    """

    def __init__(self, number: int, locks: tuple[int, int]) -> None:
        self.number = number
        self.locks = locks
        self.bridge = f"wlab{number}"
        self.network = f"10.77.{number}.0/24"

    @classmethod
    def find(cls, number: int) -> Claim | None:
        """None when somebody living has it, or has a part of it in a namespace that we share."""
        name = find_name_lock(f"wawel-lab-{number}")
        if name is None:
            return None
        file = find_lock(lock_path(number))
        if file is None:
            os.close(name)
            return None
        return cls(number, (name, file))

    def record(self, base: Path) -> None:
        """Note the lab's directory, for who finds this network when we are dead."""
        os.write(self.locks[1], str(base).encode())

    def sweep(self) -> bool:
        """Remove what a dead lab left; True: there was something. What makes the range unreachable stays."""
        file = self.locks[1]
        left = {Path(path) for path in [os.pread(file, 200, 0).decode()] if path} | {default_base(self.number)}
        found = any(name == self.bridge for _, name in socket.if_nameindex())
        for base in left:
            if base.is_dir() and not base.is_symlink() and base.stat().st_uid == os.geteuid():
                lock = find_lock(base / "lock")
                if lock is None:
                    continue                                             # of a lab that lives among other links
                found = True
                sweep(base, None, remove=True)
                os.close(lock)
        sweep(Path("/nonexistent"), self.bridge, remove=False)
        os.ftruncate(file, 0)
        return found

    def release(self) -> None:
        path = lock_path(self.number)
        if holds(self.locks[1], path):                                   # else it is the next owner's already
            path.unlink()
        for lock in self.locks:
            os.close(lock)


def claim() -> Claim:
    """
    Find a free network; what a dead lab left in it is removed first.

    :raises LabProblem: all are taken.
    """
    addresses = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, env=environment()).stdout
    for number in NUMBERS:
        found = Claim.find(number)
        if found is None:
            continue
        found.sweep()
        others = f" 10.77.{number}." in addresses and f"{found.bridge} " not in addresses
        if others or default_base(number).exists():                      # of a lab that lives among other links
            found.release()
            continue
        return found
    raise LabProblem("all lab networks, 10.77.1.0/24 to 10.77.199.0/24, are taken; Lab.sweep() removes dead labs")


def default_base(number: int) -> Path:
    """The lab's directory unless it is told another; short, because sockets lie in it."""
    temporary = tempfile.gettempdir()
    return Path(temporary if len(temporary) < 40 else "/tmp") / f"wawel-lab-{number}"


def lock_path(number: int) -> Path:
    return LOCKS / f"wawel-lab-{number}.lock"


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


def add_bridge(claimed: Claim, address: str) -> None:
    """
    The bridge of a lab, with the machine's address on it.

    Nothing meant for the lab ever leaves the machine: its range is unreachable before its bridge is there, and stays so
    when the bridge has gone. And nothing from it does: what its hosts send elsewhere is not forwarded, whatever the
    machine does for others.
    """
    bridge = claimed.bridge
    guard_range(claimed.network, add=True)
    run_ip("link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    for family in ("ipv4", "ipv6"):
        setting = Path(f"/proc/sys/net/{family}/conf/{bridge}/forwarding")
        if setting.exists():
            setting.write_text("0")
    run_ip("addr", "add", f"{address}/24", "dev", bridge)
    run_ip("link", "set", bridge, "up")


def sweep_all() -> list[str]:
    """Remove what labs left behind whose process, and whose keeper, were killed. Names the bridges removed."""
    links = {name for _, name in socket.if_nameindex()}
    swept = []
    for number in NUMBERS:
        if not lock_path(number).exists() and f"wlab{number}" not in links:
            continue
        found = Claim.find(number)
        if found is not None:
            if found.sweep():
                swept.append(found.bridge)
            guard_range(found.network, add=False)
            found.release()
    return swept
