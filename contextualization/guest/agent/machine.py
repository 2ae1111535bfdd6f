"""What is done to a guest as a whole: its power, clock, names and root file system, and a notice to all its people."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import time
from pathlib import Path
from typing import Any

from . import system
from .system import Failed

HOSTS = Path("/etc/hosts")
HOSTNAME = Path("/etc/hostname")
NOTICE = Path("/run/motd.d/wawel")  # what pam_motd shows whoever logs in, until the next boot
MOUNTS = Path("/proc/self/mounts")
BLOCKS = Path("/sys/class/block")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE)
BEGINS, ENDS = "# wawel begins", "# wawel ends"  # around what is ours of /etc/hosts
HOSTS_MAX = 1024
NOTICE_MAX = 1000  # characters
SELF = "127.0.1.1"  # what Debian's /etc/hosts has the machine's own name by
GROW_S = 40.0  # for a program that makes a file system larger


def power_off() -> None:
    _leave("poweroff", "-h")


def reboot() -> None:
    _leave("reboot", "-r")


def _leave(verb: str, option: str) -> None:
    """It is asked for and begins at once; the agent ends by it, but not before it has told of this (``asking``)."""
    system.run(["systemctl", "--no-block", verb] if system.has_systemd() else ["shutdown", option, "now"])


def set_time(unix_s: float) -> None:
    time.clock_settime(time.CLOCK_REALTIME, float(unix_s))


def set_hostname(hostname: str) -> str:
    """Now and after the next boot, and where ``/etc/hosts`` has the machine itself. :return: what it is called now."""
    if not isinstance(hostname, str) or len(hostname) > 253 or not NAME.fullmatch(hostname):
        raise Failed("a host's name has letters, digits, and strokes within")
    before = socket.gethostname()
    if system.has("hostnamectl") and system.has_systemd():
        system.run(["hostnamectl", "set-hostname", hostname])
    else:
        system.write(HOSTNAME, f"{hostname}\n")
        socket.sethostname(hostname)
    short = hostname.partition(".")[0]
    names = f"{hostname} {short}" if short != hostname else hostname
    lines = system.read(HOSTS).splitlines() if HOSTS.exists() else []
    kept = [line for line in lines if line.split()[:1] != [SELF]]
    if len(kept) != len(lines) or before != hostname:
        system.write(HOSTS, "".join(f"{line}\n" for line in [*kept, f"{SELF} {names}"]))
    return socket.gethostname()


def set_hosts(hosts: list[list[str]]) -> None:
    """
    What ``/etc/hosts`` has of others, in place of what it had by this before; the lines of others' making stay.

    :param hosts: of each the address, then its names.
    """
    if not isinstance(hosts, list) or len(hosts) > HOSTS_MAX:
        raise Failed(f"at most {HOSTS_MAX} hosts")
    ours = [_host(each) for each in hosts]
    kept, inside = [], False
    for line in system.read(HOSTS).splitlines() if HOSTS.exists() else []:
        if line == BEGINS:
            inside = True
        elif line == ENDS and inside:
            inside = False
        elif not inside:
            kept.append(line)
    lines = [*kept, BEGINS, *ours, ENDS] if ours else kept
    system.write(HOSTS, "".join(f"{line}\n" for line in lines))


def _host(told: list[str]) -> str:
    try:
        address, *names = told
        ipaddress.ip_address(address)
    except (TypeError, ValueError):
        raise Failed(f"{str(told)[:80]} has no address") from None
    if not names or not all(isinstance(name, str) and len(name) <= 253 and NAME.fullmatch(name) for name in names):
        raise Failed(f"{address} has names that are none")
    return " ".join([address, *names])


def notice(text: str) -> None:
    """
    Tell whoever is logged in now, and whoever logs in until the next boot.

    :param text: in place of the one before; "": nothing any more.
    """
    said = "".join(each for each in str(text) if each.isprintable() or each == "\n")[:NOTICE_MAX].strip()
    if not said:
        NOTICE.unlink(missing_ok=True)
        return
    NOTICE.parent.mkdir(exist_ok=True)
    system.write(NOTICE, f"{said}\n")
    if system.has("wall"):
        system.run(["wall"], f"{said}\n")


def grow_root() -> dict[str, Any]:
    """
    The root file system to the end of its disk: its partition, where it is the last on it, then itself.

    :return: ``before_bytes`` and ``total_bytes`` of it, and its ``kind``.
    """
    device, kind = _root()
    before = _size()
    name = device.name
    if (BLOCKS / name / "partition").exists():
        _grow_partition(name)
    if kind in ("ext2", "ext3", "ext4"):
        system.run(["resize2fs", str(device)], within_s=GROW_S)
    elif kind == "xfs":
        system.run(["xfs_growfs", "/"], within_s=GROW_S)
    elif kind == "btrfs":
        system.run(["btrfs", "filesystem", "resize", "max", "/"], within_s=GROW_S)
    else:
        raise Failed(f"a root file system of the kind {kind} does not grow")
    return {"kind": kind, "before_bytes": before, "total_bytes": _size()}


def _root() -> tuple[Path, str]:
    """The device that the root file system is on, and its kind."""
    for line in reversed(system.read(MOUNTS).splitlines()):
        device, point, kind = line.split(" ")[:3]
        if point == "/":
            if not device.startswith("/dev/"):
                raise Failed(f"the root file system is on no disk, but on {device}")
            path = Path(device)
            if device == "/dev/root":  # what a kernel without an initrd calls it
                path = Path("/dev") / (BLOCKS.parent.parent / "dev/block" / _number()).resolve().name
            return path.resolve(), kind
    raise Failed("there is no root file system")


def _number() -> str:
    device = os.stat("/").st_dev
    return f"{os.major(device)}:{os.minor(device)}"


def _size() -> int:
    room = os.statvfs("/")
    return room.f_blocks * room.f_frsize


def _sectors(name: str, what: str) -> int:
    return int(system.read(BLOCKS / name / what))


def _grow_partition(name: str) -> None:
    """:raises Failed: another one is behind it."""
    directory = (BLOCKS / name).resolve()
    disk = directory.parent.name
    number = int(system.read(directory / "partition"))
    ours = _sectors(name, "start") + _sectors(name, "size")
    others = [each.parent.name for each in directory.parent.glob("*/partition")]
    if any(_sectors(other, "start") >= ours for other in others):
        raise Failed(f"behind {name} is another partition")
    # The table's own copy at the end of the disk takes 33 sectors (GPT), and ends are aligned to 1 MiB.
    if _sectors(disk, "size") - ours < 4096:
        return
    if system.has("growpart"):
        system.run(["growpart", f"/dev/{disk}", str(number)], within_s=GROW_S)
        return
    system.run(["sfdisk", "--no-reread", "--force", "-N", str(number), f"/dev/{disk}"], ", +\n", within_s=GROW_S)
    system.run(["partx", "--update", "--nr", str(number), f"/dev/{disk}"])
