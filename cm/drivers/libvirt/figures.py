"""What libvirt counts of a node and its running domains, read with as few calls as there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.console_log import READER
from cm.drivers.libvirt.errors import is_connection_error
from cm.rules.figures import DiskFigures, DomainFigures, NicFigures, NodeFigures
from cm.runtime.wall import steady_seconds

_WHAT: Final = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
# A domain that is busy with another job (a migration, a snapshot, a QEMU that hangs) tells what is known without it.
_RUNNING: Final = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
_NOWAIT: Final = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT


def node_figures(connection: Any, driver: str) -> NodeFigures:
    """
    :param driver: the test driver takes no flag that has it not wait.
    """
    flags = _RUNNING if driver == "test" else _RUNNING | _NOWAIT
    began = steady_seconds()
    found = connection.getAllDomainStats(_WHAT, flags)
    at_s = (began + steady_seconds()) / 2
    domains = tuple(
        domain_figures(domain.UUIDString(), stats) for domain, stats in found if not domain.name().startswith(READER)
    )
    cpu, memory = _asked(connection.getCPUStats, -1), _asked(connection.getMemoryStats, -1)
    busy = idle = None
    if "idle" in cpu:
        idle = int(cpu["idle"]) + int(cpu.get("iowait", 0))
        busy = sum(int(cpu.get(name, 0)) for name in ("kernel", "user", "intr"))
    total = free = None
    if memory.get("total"):
        total = int(memory["total"]) * 1024
        free = sum(int(memory.get(name, 0)) for name in ("free", "buffers", "cached")) * 1024
    return NodeFigures(at_s, domains, busy, idle, total, free)


def _asked(ask: Any, what: int) -> Mapping[str, int]:
    """What a node says of itself; nothing where its driver does not."""
    try:
        told: Mapping[str, int] = ask(what)
        return told
    except libvirt.libvirtError as error:
        if is_connection_error(error):
            raise
        return {}


def domain_figures(uuid: str, stats: Mapping[str, Any]) -> DomainFigures:
    """
    :param stats: of one domain, as ``virConnectGetAllDomainStats`` names them; memory is in KiB there.
    """
    available = stats.get("balloon.usable", stats.get("balloon.unused"))
    vcpus = {
        number: stats[f"vcpu.{number}.time"]
        for number in range(stats.get("vcpu.maximum", 0))
        if f"vcpu.{number}.time" in stats
    }
    return DomainFigures(
        uuid,
        stats.get("cpu.time"),
        vcpus or None,
        _bytes(stats.get("balloon.current")),
        _bytes(stats.get("balloon.rss")),
        _bytes(available),
        tuple(
            DiskFigures(
                stats[f"block.{number}.name"],
                stats[f"block.{number}.rd.reqs"],
                stats[f"block.{number}.rd.bytes"],
                stats[f"block.{number}.wr.reqs"],
                stats[f"block.{number}.wr.bytes"],
            )
            for number in range(stats.get("block.count", 0))
            if f"block.{number}.wr.bytes" in stats and f"block.{number}.rd.bytes" in stats
        ),
        tuple(
            NicFigures(
                stats[f"net.{number}.name"],
                stats[f"net.{number}.rx.bytes"],
                stats[f"net.{number}.rx.pkts"],
                stats[f"net.{number}.tx.bytes"],
                stats[f"net.{number}.tx.pkts"],
            )
            for number in range(stats.get("net.count", 0))
            if f"net.{number}.tx.pkts" in stats and f"net.{number}.rx.bytes" in stats
        ),
    )


def _bytes(kib: int | None) -> int | None:
    return None if kib is None else kib * 1024
