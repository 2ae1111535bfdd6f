"""
What a hypervisor counts, and what is made of it: rates that know when a counter began anew, and mean loads. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, nan
from typing import Final

LOADS_S: Final = (60.0, 300.0, 900.0)  # over which a VM's mean CPU is told
VCPUS_MAX: Final = 64  # whose own series are kept
GAP_S: Final = 300.0  # after a longer one a mean over minutes tells nothing


@dataclass(frozen=True)
class DiskFigures:
    """Counted since its QEMU runs."""

    device: str
    read_requests: int
    read_bytes: int
    write_requests: int
    write_bytes: int


@dataclass(frozen=True)
class NicFigures:
    """Counted by its tap since that exists; received is what the guest received."""

    tap: str
    rx_bytes: int
    rx_packets: int
    tx_bytes: int
    tx_packets: int


@dataclass(frozen=True)
class DomainFigures:
    """
    A running domain. What is None is not known of it just now, or not of this hypervisor.

    :ivar cpu_ns: that all its threads have used.
    :ivar vcpus_ns: by the vCPU's number.
    :ivar memory_bytes: that the guest has, as its balloon stands.
    :ivar rss_bytes: of its QEMU on the host.
    :ivar available_bytes: that programs in the guest could have, as it says itself.
    """

    uuid: str
    cpu_ns: int | None = None
    vcpus_ns: Mapping[int, int] | None = None
    memory_bytes: int | None = None
    rss_bytes: int | None = None
    available_bytes: int | None = None
    disks: tuple[DiskFigures, ...] = ()
    nics: tuple[NicFigures, ...] = ()


@dataclass(frozen=True)
class NodeFigures:
    """
    A node and all domains that run there, at one moment.

    :ivar at_s: seconds of a clock that only grows.
    :ivar busy_ns: of all CPUs, and ``idle_ns``: with waiting for disks.
    """

    at_s: float
    domains: tuple[DomainFigures, ...]
    busy_ns: int | None = None
    idle_ns: int | None = None
    memory_bytes: int | None = None
    free_bytes: int | None = None  # what caches hold is free


@dataclass(frozen=True)
class Counted:
    """
    What is remembered of an object until its next sample.

    :ivar counters: by the series' name, with what one of it is worth.
    """

    at_s: float
    counters: Mapping[str, float]
    loads: tuple[float, float, float] | None = None


def counters_of(domain: DomainFigures, nics: Mapping[str, int]) -> tuple[dict[str, float], dict[str, float]]:
    """
    A domain's counters and gauges by the names of their series, in the unit of these.

    :param nics: by tap, the number of a VM's card; others' are left out.
    """
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    if domain.cpu_ns is not None:
        counters["cpu"] = domain.cpu_ns / 1e7  # percent of one CPU: 1e9 ns in a second are 100
    for number, used_ns in (domain.vcpus_ns or {}).items():
        if number < VCPUS_MAX:
            counters[f"vcpu/{number}"] = used_ns / 1e7
    if domain.memory_bytes is not None:
        gauges["memory"] = domain.memory_bytes
    if domain.rss_bytes is not None:
        gauges["memory_rss"] = domain.rss_bytes
    if domain.available_bytes is not None:
        gauges["memory_available"] = domain.available_bytes
    for disk in domain.disks:
        device = disk.device
        counters[f"read_bytes/{device}"] = disk.read_bytes
        counters[f"write_bytes/{device}"] = disk.write_bytes
        counters[f"read_requests/{device}"] = disk.read_requests
        counters[f"write_requests/{device}"] = disk.write_requests
    for nic in domain.nics:
        number = nics.get(nic.tap, -1)
        if number >= 0:
            counters[f"rx_bytes/{number}"] = nic.rx_bytes
            counters[f"tx_bytes/{number}"] = nic.tx_bytes
            counters[f"rx_packets/{number}"] = nic.rx_packets
            counters[f"tx_packets/{number}"] = nic.tx_packets
    return counters, gauges


def rates(before: Counted | None, at_s: float, counters: Mapping[str, float]) -> dict[str, float]:
    """
    What each counter grew by in a second. One that is below what it was has begun anew (its QEMU did), and what it was
    meanwhile nobody knows: NaN, as of one that was not there before.
    """
    if before is None or at_s <= before.at_s:
        return dict.fromkeys(counters, nan)
    seconds, known = at_s - before.at_s, before.counters
    found = {}
    for name, value in counters.items():
        was = known.get(name)
        found[name] = nan if was is None or value < was else (value - was) / seconds
    return found


def loads(
    before: Counted | None, at_s: float, cpu: float, over_s: Sequence[float] = LOADS_S
) -> tuple[float, float, float] | None:
    """
    Means of the CPU over 1, 5 and 15 minutes, as the kernel makes its load averages: what is older counts less and
    less.

    :param cpu: since the last sample; NaN: not known, and the means stay.
    """
    if cpu != cpu:
        if before is None or before.loads is None or at_s - before.at_s > GAP_S:
            return None
        return before.loads
    if before is None or before.loads is None or at_s - before.at_s > GAP_S:
        return (cpu, cpu, cpu)
    passed_s = at_s - before.at_s
    one, five, fifteen = (
        was * exp(-passed_s / over) + cpu * (1 - exp(-passed_s / over))
        for was, over in zip(before.loads, over_s, strict=True)
    )
    return (one, five, fifteen)


def node_counters(figures: NodeFigures) -> tuple[dict[str, float], dict[str, float]]:
    """As ``counters_of`` of the node itself; ``node_cpu`` makes the share of both counters."""
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    if figures.busy_ns is not None and figures.idle_ns is not None:
        counters["busy"], counters["idle"] = figures.busy_ns, figures.idle_ns
    if figures.memory_bytes is not None and figures.free_bytes is not None:
        gauges["memory"] = figures.memory_bytes
        gauges["memory_used"] = max(0, figures.memory_bytes - figures.free_bytes)
    return counters, gauges


def node_cpu(rates: Mapping[str, float]) -> float:
    """Percent of all of a node's CPUs that were busy, between two samples; NaN where that is not known."""
    busy, idle = rates.get("busy", nan), rates.get("idle", nan)
    both = busy + idle
    return 100.0 * busy / both if both > 0 else nan


def interval_for(wanted_s: int, nodes: int, per_s: float, steps: Sequence[int]) -> int:
    """
    Seconds between samples: as the settings say, or more where a cluster has so many nodes that more than ``per_s``
    would be asked in a second.
    """
    least = max(float(wanted_s), nodes / per_s)
    return next((step for step in steps if step >= least), steps[-1])
