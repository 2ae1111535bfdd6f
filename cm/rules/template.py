"""
Sizes as oVirt's ``VmSize.yml`` says them: by name, CPUs, memory and storage, and nothing of what is put on it.

Source: oVirt's "Vm Templates": ``small: {cpus: 2, memory: 262144, storage_size_in_gb: 15}``, where memory is in KiB, as
in ovirt-server's database, and a GB is 2^30 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cm.rpc.errors import InvalidParameter

CPUS_MAX: Final = 1024
MEMORY_MIB_MAX: Final = 2**24
DISK_MIB_MAX: Final = 2 * 2**20  # as of a VM
_UNITS: Final[Mapping[str, int]] = {"KiB": 1, "MiB": 1024, "GiB": 1024 * 1024}
_MEMORY: Final = re.compile(r"([0-9]{1,12}) ?(KiB|MiB|GiB)?")
_REQUIRED: Final = ("cpus", "memory", "storage_size_in_gb")
_OPTIONAL: Final = ("description", "points", "ec2name")


def size_of(name: str, said: Mapping[str, int | float | str]) -> dict[str, Any]:
    """
    A size as a template has it: what is not said is left out.

    :raises InvalidParameter: a key is missing or unknown, or a value is none of its kind.
    """
    for key in said:
        if key not in (*_REQUIRED, *_OPTIONAL):
            raise InvalidParameter("sizes", f"{name}: {key!r} is no part of a size")
    for key in _REQUIRED:
        if key not in said:
            raise InvalidParameter("sizes", f"{name}: {key} is missing")
    made: dict[str, Any] = {
        "cpu": _whole(name, "cpus", said["cpus"], 1, CPUS_MAX),
        "memory_mib": _memory_mib(name, said["memory"]),
        "disk_mib": _disk_mib(name, said["storage_size_in_gb"]),
    }
    if "points" in said:
        made["points"] = _whole(name, "points", said["points"], 0, 2**31 - 1)
    for key, pattern in (("description", r"[^\x00-\x1f\x7f-\x9f]{0,1000}"), ("ec2name", r"[a-z0-9.-]{0,40}")):
        if key in said:
            value = said[key]
            if not isinstance(value, str) or not re.fullmatch(pattern, value):
                raise InvalidParameter("sizes", f"{name}: {key} is not a text as a template has it")
            made[key] = value
    return made


def _whole(name: str, key: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidParameter("sizes", f"{name}: {key} must be a whole number from {least} to {most}")
    return value


def _memory_mib(name: str, value: object) -> int:
    """A number is KiB; a part of a MiB is a whole one."""
    found = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    kib = int(found[1]) * _UNITS[found[2] or "KiB"] if found else value
    whole = _whole(name, "memory (KiB, or a text such as 256 MiB)", kib, 1, MEMORY_MIB_MAX * 1024)
    return -(-whole // 1024)


def _disk_mib(name: str, value: object) -> int:
    told = f"{name}: storage_size_in_gb must be a number above 0, to {DISK_MIB_MAX // 1024}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= DISK_MIB_MAX / 1024:
        raise InvalidParameter("sizes", told)  # so is NaN
    return -int(-value * 1024 // 1)
