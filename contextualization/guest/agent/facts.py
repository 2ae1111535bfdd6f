"""What a guest is like."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import system

LIST_MAX = 64

log = logging.getLogger("wawel-guest")


def facts() -> dict[str, Any]:
    """What cannot be found out is left out."""
    found: dict[str, Any] = {"hostname": socket.gethostname(), "kernel": os.uname().release}
    parts: dict[str, Callable[[], Any]] = {
        "os": _system, "interfaces": _interfaces, "filesystems": _filesystems, "users": _users,
        "load": lambda: list(os.getloadavg()),
    }  # fmt: skip
    for name, part in parts.items():
        try:
            found[name] = part()
        except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError, system.Failed) as error:
            log.info("%s cannot be told: %s", name, error)
    return found


def _system() -> str:
    for line in system.read(Path("/etc/os-release")).splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip().strip("\"'")
    return os.uname().sysname


def _interfaces() -> list[dict[str, Any]]:
    cards = json.loads(system.run(["ip", "-j", "address", "show"]))
    return [
        {
            "name": card["ifname"],
            "mac": card.get("address", "") if card.get("link_type") == "ether" else "",
            "addresses": [f"{each['local']}/{each['prefixlen']}" for each in card.get("addr_info", [])[:LIST_MAX]],
        }
        for card in cards[:LIST_MAX]
    ]


def _filesystems() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for line in system.read(Path("/proc/self/mounts")).splitlines():
        device, point, kind = line.split(" ")[:3]
        if not device.startswith("/dev/") or device in found:
            continue
        point = point.replace("\\040", " ")
        room = os.statvfs(point)
        total = room.f_blocks * room.f_frsize
        found[device] = {
            "mountpoint": point, "device": device[len("/dev/"):], "kind": kind, "total_bytes": total,
            "used_bytes": total - room.f_bfree * room.f_frsize,
        }  # fmt: skip
    return list(found.values())[:LIST_MAX]


_UTMP = struct.Struct("<hxxi32s4s32s256shhiii16s20x")  # of 64-bit Linux, with times of 32 bits
_USER_PROCESS = 7


def _users() -> list[dict[str, Any]]:
    data = Path("/run/utmp").read_bytes()[: system.FILE_MAX]
    entries = (_UTMP.unpack_from(data, at) for at in range(0, len(data) - _UTMP.size + 1, _UTMP.size))
    return [
        {"name": entry[4].rstrip(b"\0").decode("utf-8", "replace"), "since": entry[9]}
        for entry in entries
        if entry[0] == _USER_PROCESS
    ][:LIST_MAX]
