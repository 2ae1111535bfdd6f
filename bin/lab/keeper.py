"""
The keeper ends what a lab, a PostgreSQL or a test daemon started once its owner has ended, in whatever way.

It is a process that waits for the end of its standard input, a pipe that only the owner holds: the kernel closes it
when the owner exits, is interrupted or is killed. PR_SET_PDEATHSIG would be shorter, but it fires when the *thread*
that started a child ends, and pools end threads. The keeper also holds the owner's lock, so nobody claims the place
before it is clean. This file runs as a script of its own and imports nothing of ours.

Its network has one thing more: a route that makes the lab's range unreachable (``guard_range``). It goes last, when no
program is left that might call a host: with the bridge gone, such calls would leave the machine by the default route.

What there is to end stands on disk, in ``*.pid`` files of the directory and its sub-directories, one line each: pid,
start time, signals to try. So ``sweep`` can also clean up after a keeper that was killed itself.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Seconds between one signal and the next stronger one; PostgreSQL's fast shutdown writes a checkpoint.
PATIENCE = 10.0
USERS_PATIENCE = 60.0  # for the programs that call the hosts; their own keeper ends them at the same time
# Behind everything else that knows the way, the bridge's own route and an operator's alike.
METRIC = "9999"


def born(pid: int) -> int | None:
    """The start time of a process in clock ticks since boot, which with the pid names it; None: gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    # A zombie may have threads that still run and hold its sockets (seen with libvirtd after SIGKILL).
    return None if fields[0] in "ZX" and int(fields[17]) <= 1 else int(fields[19])


def record(path: Path, pid: int, signals: list[int]) -> None:
    """Note a process to be ended, by the given signals in that order."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps([pid, born(pid), [int(number) for number in signals]]))
    new.replace(path)


def end(pid: int, started: int | None, signals: list[int], patience: float = PATIENCE) -> None:
    """Send the signals in turn until the process is gone; ``started`` None: it was gone when it was recorded."""
    for number in signals:
        if started is None or born(pid) != started:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while born(pid) == started and time.monotonic() < deadline:
            time.sleep(0.005)


def end_recorded(directory: Path) -> None:
    for path in [*directory.glob("*.pid"), *directory.glob("*/*.pid")]:
        try:
            pid, started, signals = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        end(pid, started, signals)
        path.unlink(missing_ok=True)


def remove_links(bridge: str) -> None:
    """Delete a bridge and the veths named after it. The kernel frees a dead host's veth late, so: by name."""
    # By the kernel's own list: /sys shows the namespace in which it was mounted.
    for name in sorted((name for _, name in socket.if_nameindex()), reverse=True):
        if name == bridge or name.startswith(bridge + "-"):
            subprocess.run(["ip", "link", "del", name], capture_output=True, timeout=30)


def guard_range(network: str, add: bool) -> None:
    """Make what no link serves of a lab's network unreachable, or no longer so. May be repeated."""
    verb = "replace" if add else "del"
    subprocess.run(["ip", "route", verb, "unreachable", network, "metric", METRIC],
                   check=add, capture_output=True, timeout=30)


def await_users(directory: Path) -> None:
    """Wait until nobody holds the lock of a cloud's directory: its keeper releases it when its programs have ended."""
    deadline = time.monotonic() + USERS_PATIENCE
    try:
        with (directory / "lock").open() as lock:
            while time.monotonic() < deadline:
                try:
                    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(0.05)
    except FileNotFoundError:
        return


def sweep(directory: Path, bridge: str | None, remove: bool, network: str = "", users: Path | None = None) -> None:
    """
    End and remove what was recorded under a directory, which nobody owns any more. May be repeated.

    :param network: of the bridge; its guard goes too.
    :param users: the directory of the cloud whose programs call the hosts; their end is waited for.
    """
    end_recorded(directory)
    if bridge:
        remove_links(bridge)
    if remove:
        shutil.rmtree(directory, ignore_errors=True)
    if network:
        if users is not None:
            await_users(users)
        guard_range(network, add=False)


CLOSED = b"closed"                                                       # by an owner that ended its programs first


class Keeper:
    """The owner's side."""

    def __init__(self, directory: Path, *, locks: Sequence[int] = (), lock_file: Path | None = None,
                 bridge: str | None = None, remove: bool = False, network: str = "", users: Path | None = None):
        """
        :param locks: descriptors of locks that must outlive us as long as there is something to clean.
        :param lock_file: the file of one, to be removed at the very end.
        :param remove: remove the directory too.
        :param network: of the bridge. :param users: the directory of the cloud that stands on it.
        """
        self._arguments = (directory, bridge, remove, network)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(directory), bridge or "", "remove" if remove else "",
             str(lock_file or ""), network, str(users or "")],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=list(locks), start_new_session=True, cwd="/",
        )

    def close(self) -> None:
        """Let the keeper do its work now, and wait for it; may be repeated."""
        assert self._process.stdin is not None
        try:
            if not self._process.stdin.closed:
                self._process.stdin.write(CLOSED)
            self._process.stdin.close()
        except BrokenPipeError:
            pass                                                         # it was killed
        try:
            failed = self._process.wait(120) != 0
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            failed = True
        if failed:
            sweep(*self._arguments)


def main(directory: str, bridge: str, remove: str, lock_file: str, network: str, users: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    in_order = sys.stdin.buffer.read() == CLOSED
    sweep(Path(directory), bridge or None, remove == "remove", network, Path(users) if users and not in_order else None)
    if lock_file:
        Path(lock_file).unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
