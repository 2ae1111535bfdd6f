"""Processes seen through /proc, locks, waiting: what hosts, sessions and PostgreSQL share."""

import fcntl
import os
import pwd
import socket
import time
from collections.abc import Callable
from pathlib import Path

from lab.keeper import born
from lab.places import LabProblem


def wait_until(condition: Callable[[], bool], what: str, deadline: float = 60.0, pause: float | None = None) -> float:
    """
    Poll until the condition holds.

    :param pause: seconds between two looks. By default ever longer ones, see ``next_pause``.
    :return: seconds it took.
    :raises LabProblem: the deadline passed. The default suits a two-core machine with everything else running.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > deadline:
            raise LabProblem(f"{what} did not come within {deadline:.0f} s")
        time.sleep(next_pause(began) if pause is None else pause)
    return time.monotonic() - began


def next_pause(began: float, shortest: float = 0.01) -> float:
    """
    Seconds until the next look for what has been waited for since ``began``: a twentieth of that, at the most a quarter
    of a second. Looking takes time from what is waited for, on a machine of two cores from everybody.
    """
    return min(0.25, max(shortest, (time.monotonic() - began) / 20))


def tail(path: Path, lines: int = 8) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def namespace_of(pid: int) -> str | None:
    """The name of a process's PID namespace, ``pid:[4026532198]``; None: it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def command_of(pid: int) -> str:
    """The command name (15 characters at most); empty: it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def parent_of(pid: int) -> int:
    """0: it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def children_of(pid: int) -> list[int]:
    """Children of all threads of a process."""
    return [other for other in all_pids() if parent_of(other) == pid]


def find_lock(path: Path, mode: int = 0o600) -> int | None:
    """
    Take a lock file that holds as long as the returned descriptor, or a copy passed to a child, is open.

    :return: None when somebody living has it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last owner may have removed the file between our open and our lock; then we hold nothing.
            if holds(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.close(descriptor)


def find_name_lock(name: str) -> int | None:
    """
    Take a name in this network namespace, as an abstract UNIX socket: it holds for everybody who sees the same links,
    whatever their files, for as long as the returned descriptor, or a copy passed to a child, is open.

    :return: None when somebody living has it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        try:
            lock.bind(f"\0{name}")
        except OSError:
            return None
        return lock.detach()


def claim(path: Path, refusal: str) -> int:
    """
    Take a lock and write ourselves into its file. Where its owner has ended, its keeper is at its last work and may
    take a while.

    :return: the descriptor that holds it.
    :raises LabProblem: ``refusal``: a process that lives has it.
    """
    began = time.monotonic()
    while (lock := find_lock(path)) is None:
        if time.monotonic() > began + (5 if owner_lives(path) else 60):
            raise LabProblem(refusal)
        time.sleep(0.05)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()} {born(os.getpid())}".encode(), 0)
    return lock


def claim_directory(base: Path) -> int:
    """:raises LabProblem: another process uses the cloud in a directory."""
    return claim(base / "lock", f"another process uses the cloud in {base}")


def owner_lives(lock_file: Path) -> bool:
    """Whether the process that wrote itself into a lock file is still there."""
    try:
        pid, started = lock_file.read_text().split()
    except (OSError, ValueError):
        return True  # about to write itself
    return str(born(int(pid))) == started


def holds(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at that path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def unprivileged_account(*names: str) -> pwd.struct_passwd:
    """The first of the accounts that exists, else nobody: for programs that refuse to run as root."""
    for name in (*names, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LabProblem("this machine has no account named " + " or ".join((*names, "nobody")))
