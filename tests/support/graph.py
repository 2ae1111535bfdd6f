"""What has to hold of a graph of objects, whoever got it: told of the objects alone, by what they say of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

XO = "00000000-0000-0000-0000-000000000000"
ON = ("Running", "Paused")
# Members that name other objects, and of which types these are.
NAMES = {
    "pools": ("pool",), "SRs": ("SR",), "default_SR": ("SR",), "hosts": ("host",), "master": ("pool",), "VMs": ("VM",),
    "$running_hosts": ("host",), "$running_VMs": ("VM",), "$VMs": ("VM",), "controller": ("VM",), "$PBDs": ("PBD",),
    "$pool": ("pool",), "$container": ("pool", "host"), "$VBDs": ("VBD",), "VDIs": ("VDI",), "host": ("host",),
    "SR": ("SR",), "$SR": ("SR",), "$VBD": ("VBD",), "VDI": ("VDI",), "VM": ("VM",),
}  # fmt: skip


def faults(objects: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong: references that lead nowhere, and ``$`` members that do not follow from the others."""
    by_uuid = {each["UUID"]: each for each in objects}
    if len(by_uuid) != len(objects):
        return ["two objects have one UUID"]
    return [*_loose(objects, by_uuid), *_underived(objects)]


def _loose(objects: Sequence[dict[str, Any]], by_uuid: dict[str, dict[str, Any]]) -> Iterator[str]:
    for each in objects:
        for member, types in NAMES.items():
            told = each.get(member)
            if told is None or isinstance(told, int):
                continue
            for uuid in told if isinstance(told, list) else [told]:
                if uuid not in by_uuid or by_uuid[uuid]["type"] not in types:
                    yield f"{member} of {each['type']} {each['UUID']} names {uuid}, no {' or '.join(types)}"


def _underived(objects: Sequence[dict[str, Any]]) -> Iterator[str]:
    of = {kind: [each for each in objects if each["type"] == kind] for kind in
          ("xo", "pool", "host", "SR", "PBD", "VM", "VDI", "VBD")}  # fmt: skip
    hosts, on = of["host"], [vm for vm in of["VM"] if vm["power_state"] in ON]
    up = [host for host in hosts if host["power_state"] == "Running"]

    def uuids(kind: str, member: str, value: str, among: Sequence[dict[str, Any]] | None = None) -> list[str]:
        return [each["UUID"] for each in (of[kind] if among is None else among) if each[member] == value]

    def differs(each: dict[str, Any], member: str, follows: Any) -> Iterator[str]:
        if each[member] != follows:
            yield f"{member} of {each['type']} {each['UUID']} is {each[member]!r}, and {follows!r} follows"

    for xo in of["xo"]:
        total = {part: sum(host["memory"][part] for host in up) for part in ("size", "usage")}
        for member, follows in (
            ("UUID", XO), ("pools", [pool["UUID"] for pool in of["pool"]]), ("$memory", total),
            ("$CPUs", sum(len(host["CPUs"]) for host in hosts)), ("$running_VMs", len(on)),
            ("$vCPUs", sum(len(vm["CPUs"]) for vm in on)),
        ):  # fmt: skip
            yield from differs(xo, member, follows)
    for pool in of["pool"]:
        own = pool["UUID"]
        for member, follows in (
            ("SRs", uuids("SR", "$container", own)), ("hosts", uuids("host", "$pool", own)),
            ("VMs", uuids("VM", "$container", own)), ("$running_hosts", [host["UUID"] for host in up]),
            ("$running_VMs", [vm["UUID"] for vm in on]), ("$VMs", [vm["UUID"] for vm in of["VM"]]),
        ):  # fmt: skip
            yield from differs(pool, member, follows)
    for host in hosts:
        own = host["UUID"]
        there = [vm for vm in on if vm["$container"] == own]
        for member, follows in (
            ("SRs", uuids("SR", "$container", own)), ("VMs", uuids("VM", "$container", own)),
            ("$PBDs", uuids("PBD", "host", own)), ("$running_VMs", [vm["UUID"] for vm in there]),
            ("$vCPUs", [cpu for vm in there for cpu in vm["CPUs"]]),
        ):  # fmt: skip
            yield from differs(host, member, follows)
    for sr in of["SR"]:
        disks = [disk for disk in of["VDI"] if disk["$SR"] == sr["UUID"]]
        for member, follows in (
            ("VDIs", [disk["UUID"] for disk in disks]), ("$PBDs", uuids("PBD", "SR", sr["UUID"])),
            ("usage", sum(disk["size"] for disk in disks)),
            ("physical_usage", sum(disk["usage"] or 0 for disk in disks)),
        ):  # fmt: skip
            yield from differs(sr, member, follows)
    for vm in of["VM"]:
        yield from differs(vm, "$VBDs", uuids("VBD", "VM", vm["UUID"]))
        usages = [cpu["usage"] for cpu in vm["CPUs"]]
        yield from differs(vm, "$CPU_usage", None if None in usages else round(sum(usages) / len(usages), 2))
        if vm["power_state"] not in ON and (any(usages) or vm["memory"]["usage"]):
            yield f"VM {vm['UUID']} is off and uses something"
    for disk in of["VDI"]:
        yield from differs(disk, "$VBD", next(iter(uuids("VBD", "VDI", disk["UUID"])), None))
