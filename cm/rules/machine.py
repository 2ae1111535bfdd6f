"""
The machine that a VM's guest gets, beside its size: which firmware, which chipset, which CPU; and which nodes have
that.

What a node offers are words that it told when it was last asked what it is: its architecture, chipsets, "uefi". One
that has told none was asked by an older release, or is of a hypervisor without: it is taken to have all that every node
had before, and so not UEFI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cm.rpc.vocabulary import Architecture, CpuModel, DiskBus, Firmware, MachineType

UEFI: Final = "uefi"
NVRAM_DIRECTORY: Final = "nvram"  # beside the disks; no pool looks into it, for a guest may write what it likes there
VARIABLES_MAX_BYTES: Final = 64 * 2**20  # what QEMU's "virt" machine of ARM has; OVMF has 528 KiB
BOOT_MENU_MAX_S: Final = 60  # libvirt's own bound is 65,535 ms


@dataclass(frozen=True)
class Machine:
    """
    :ivar boot_menu_s: seconds for which the firmware offers its devices to boot from; 0: it does not.
    """

    firmware: Firmware = Firmware.BIOS
    machine: MachineType = MachineType.AUTO
    boot_menu_s: int = 0
    cpu_model: CpuModel = CpuModel.HOST

    def changed(self, change: MachineChange) -> Machine:
        return Machine(
            self.firmware if change.firmware is None else change.firmware,
            self.machine if change.machine is None else change.machine,
            self.boot_menu_s if change.boot_menu_s is None else change.boot_menu_s,
            self.cpu_model if change.cpu_model is None else change.cpu_model,
        )


@dataclass(frozen=True)
class MachineChange:
    """What is asked for; None: as it is, or as whoever is asked next says."""

    firmware: Firmware | None = None
    machine: MachineType | None = None
    boot_menu_s: int | None = None
    cpu_model: CpuModel | None = None

    def __bool__(self) -> bool:
        return self != MachineChange()

    def over(self, other: Mapping[str, Any]) -> MachineChange:
        """What this leaves open another says, by the names of columns."""
        mine = vars(self)
        told = {name: other.get(name) if value is None else value for name, value in mine.items()}
        return MachineChange(
            None if told["firmware"] is None else Firmware(told["firmware"]),
            None if told["machine"] is None else MachineType(told["machine"]),
            told["boot_menu_s"],
            None if told["cpu_model"] is None else CpuModel(told["cpu_model"]),
        )


def asks(firmware: str, machine: str, architecture: str) -> frozenset[str]:
    """What a VM's node has to offer."""
    found = {architecture} if architecture else set()
    if firmware == Firmware.UEFI:
        found.add(UEFI)
    if machine != MachineType.AUTO:
        found.add(machine)
    return frozenset(found)


def lacking(asked: frozenset[str], offers: frozenset[str]) -> frozenset[str]:
    """What of it a node has not."""
    return asked - offers if offers else asked & {UEFI, Architecture.AARCH64}


def chipset(machine: MachineType, buses: frozenset[str]) -> MachineType:
    """Of a PC with disks on these buses: IDE is the older one's alone."""
    if machine is not MachineType.AUTO:
        return machine
    return MachineType.PC if DiskBus.IDE in buses else MachineType.Q35


@dataclass(frozen=True)
class Cpu:
    """
    A CPU model, by libvirt's names.

    :ivar features: that guests have beside it (True), or not though it has them.
    """

    model: str
    vendor: str = ""
    features: tuple[tuple[str, bool], ...] = ()
