"""
What guests in memory use: each domain's *load*, which tests set, counted by the time that passes, as a QEMU counts it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cm.interfaces.hypervisor import DomainSpec
from cm.rules.figures import DiskFigures, DomainFigures, NicFigures


@dataclass(frozen=True)
class Load:
    """
    What a guest does in each second.

    :ivar cpu: of one CPU, 1.0 is all of it.
    :ivar available: what is left of its memory, of the whole.
    """

    cpu: float = 0.0
    read_bytes: int = 0
    write_bytes: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0
    available: float = 0.25


IDLE: Final = Load()


@dataclass
class Counters:
    """Of a running domain, as they stood at ``at_s``; they go with its QEMU."""

    at_s: float
    cpu_ns: float = 0.0
    amounts: dict[str, float] = field(default_factory=dict)

    def count(self, now_s: float, load: Load) -> float:
        """:return: nanoseconds of CPU since the last time."""
        passed_s = max(0.0, now_s - self.at_s)
        self.at_s = now_s
        used_ns = load.cpu * passed_s * 1e9
        self.cpu_ns += used_ns
        for name in ("read_bytes", "write_bytes", "rx_bytes", "tx_bytes"):
            self.amounts[name] = self.amounts.get(name, 0.0) + getattr(load, name) * passed_s
        return used_ns

    def figures(self, spec: DomainSpec, load: Load) -> DomainFigures:
        """Disks other than the first, and cards, are as idle as their guest leaves them."""
        amount = {
            name: int(self.amounts.get(name, 0)) for name in ("read_bytes", "write_bytes", "rx_bytes", "tx_bytes")
        }
        disks = [disk.device for disk in spec.disks if disk.source is not None]
        return DomainFigures(
            spec.uuid,
            int(self.cpu_ns),
            {number: int(self.cpu_ns / spec.vcpus) for number in range(spec.vcpus)},
            spec.memory_mib * 2**20,
            spec.memory_mib * 2**19,
            int(spec.memory_mib * 2**20 * load.available),
            tuple(
                DiskFigures(device, amount["read_bytes"] // 4096, amount["read_bytes"],
                            amount["write_bytes"] // 4096, amount["write_bytes"])
                if device == disks[0] else DiskFigures(device, 0, 0, 0, 0)
                for device in disks
            ),
            tuple(
                NicFigures(nic.tap, amount["rx_bytes"], amount["rx_bytes"] // 1500,
                           amount["tx_bytes"], amount["tx_bytes"] // 1500)
                if number == 0 else NicFigures(nic.tap, 0, 0, 0, 0)
                for number, nic in enumerate(spec.nics)
            ),
        )  # fmt: skip
