"""Domains: what defines one, what is seen of one, what is done to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cm.interfaces.source import DiskSource, path_of
from cm.rpc.vocabulary import DiskBus, DiskFormat, Firmware, MachineType, NicModel, Seen, SeenReason, VideoModel
from cm.rules.figures import NodeFigures
from cm.rules.machine import Cpu


@dataclass(frozen=True)
class NodeInfo:
    """What a node says of itself. ``cpus`` are logical CPUs."""

    hostname: str
    hypervisor: str  # "QEMU", "TEST", "memory"
    hypervisor_version: str
    libvirt_version: str
    cpu_model: str
    cpus: int
    memory_mib: int
    domain_types: tuple[str, ...]  # "kvm", "qemu", "test"; the first is the best
    arch: str
    hooks: bool  # whether libvirt calls hook scripts for this driver
    host_uuid: str = ""  # the machine's, by libvirt; "" where the driver stands for none
    offers: tuple[str, ...] = ()  # what its guests may have, see ``cm/rules/machine.py``


@dataclass(frozen=True)
class DiskSpec:
    """
    A disk of a domain. ``format`` comes from our record and is always written out; nothing is ever probed.


    :ivar source: None: a drive without a medium.
    :ivar boot_order: 1 first; None: after those that have one, CDs last.
    :ivar remote: the server that it is on may fall silent. A guest is stopped by an error then, not told of it: one
        that was told has a broken file system, one that was stopped goes on.
    """

    source: DiskSource | None
    format: DiskFormat
    device: str  # target: "vda", "sda"
    bus: DiskBus = DiskBus.VIRTIO
    cdrom: bool = False
    read_only: bool = False
    boot_order: int | None = None
    remote: bool = False

    @property
    def path(self) -> str:
        return path_of(self.source)


@dataclass(frozen=True)
class NicSpec:
    """
    :ivar network: libvirt network on the node; "" where ``bridge`` says one.
    :ivar tap: the interface's name on the node.
    :ivar bridge: one that the node's agent makes; its guests reach each other.
    :ivar mtu: bytes, of a NIC on such a bridge.
    """

    network: str
    mac: str
    tap: str
    model: NicModel = NicModel.VIRTIO
    bridge: str = ""
    mtu: int = 0


@dataclass(frozen=True)
class VncSpec:
    """``password`` works until it is changed; with ``enabled`` false it is written as already expired."""

    listen: str
    port: int
    password: str = field(repr=False)
    enabled: bool = False


@dataclass(frozen=True)
class DomainSpec:
    """
    Everything of a domain's definition, typed; the driver turns it into XML by a library.

    :ivar nvram: the file on the node that UEFI keeps its variables in; "" with BIOS. Its directory is there
        (``IVariables``), the file is made when it is missing.
    :ivar boot_menu_s: for how long the firmware asks what to boot from, in seconds; 0: it does not.
    :ivar cpu: None: the node's own, as far as its hypervisor gives that.
    :ivar max_vcpus: that it may have while it runs, and ``max_memory_mib`` likewise; 0: what it has at its start.
    :ivar watchdog: whether it has one, that pauses a guest which does not feed it any more; of PCs alone.
    :ivar raw: what the definition has beside all this, as ``drivers/raw_data.py`` reads it: a ``<domain>`` whose
        elements are added; "": nothing.
    """

    name: str
    uuid: str
    title: str  # free text of a user: any characters XML can carry
    vcpus: int
    memory_mib: int
    disks: tuple[DiskSpec, ...]
    nics: tuple[NicSpec, ...]
    vnc: VncSpec | None
    console_log: str | None  # path on the node that the serial console is logged to
    smbios_serial: str = ""  # where the guest's metadata is; anybody on the node may read it
    video: VideoModel = VideoModel.VGA
    firmware: Firmware = Firmware.BIOS
    nvram: str = ""
    machine: MachineType = MachineType.AUTO
    boot_menu_s: int = 0
    cpu: Cpu | None = None
    cpu_shares: int | None = None  # its weight among the domains of its node; None: the hypervisor's own
    watchdog: bool = False
    raw: str = ""
    max_vcpus: int = 0
    max_memory_mib: int = 0


@dataclass(frozen=True)
class DomainSeen:
    """One line of evidence about a domain."""

    uuid: str
    name: str
    state: Seen
    reason: SeenReason
    persistent: bool = True


@dataclass(frozen=True)
class DiskDescription:
    """
    A disk of a domain as its definition has it.

    :ivar source: None where it is of a sort that we do not know.
    :ivar bases: of a running one, the files that its own stands on.
    """

    source: DiskSource | None
    format: str
    device: str
    bus: str
    cdrom: bool = False
    read_only: bool = False
    bases: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return path_of(self.source)


@dataclass(frozen=True)
class NicDescription:
    """A NIC of a domain as its definition has it. ``model``: "" where it says none."""

    mac: str
    model: str


@dataclass(frozen=True)
class DomainDescription:
    """What a domain holds of its node and of its cluster, ours or not: its definition, as far as we understand one."""

    uuid: str
    name: str
    title: str
    vcpus: int
    memory_mib: int
    disks: tuple[DiskDescription, ...]
    nics: tuple[NicDescription, ...]
    ports: tuple[int, ...]  # that its screens listen on
    console_log: str | None = None
    smbios_serial: str = ""
    firmware: Firmware = Firmware.BIOS
    nvram: str = ""  # the file of its firmware's variables


@dataclass(frozen=True)
class DomainEvent:
    """A hint by the hypervisor that something happened to a domain; never a verdict."""

    uuid: str
    name: str
    event: str  # "defined" "undefined" "started" "suspended" "resumed" "stopped" "shutdown" "crashed"
    detail: str


class IHypervisor(Protocol):
    """One node's hypervisor."""

    def info(self) -> NodeInfo:
        """Facts of the node."""

    def cpu(self) -> str:
        """
        The CPU that the node can give to guests, for ``common_cpu``; whoever gets it does not look into it.
        :raises NotSupported: this hypervisor cannot tell.
        """

    def common_cpu(self, cpus: Sequence[str]) -> Cpu:
        """
        What all of these CPUs have, which were told by nodes alike.
        :raises NotSupported: this hypervisor cannot tell.
        :raises HypervisorError: they have nothing in common; the reason is the hypervisor's.
        """

    def domains(self) -> Sequence[DomainSeen]:
        """Every domain of the node, ours or not, running or not, in one call."""

    def measure(self) -> NodeFigures:
        """
        What the node and each of its running domains, ours or not, have used, in one call for all domains. One that is
        busy is not waited for: of it less may be known.
        """

    def look(self, uuid: str) -> DomainSeen:
        """One domain; state ABSENT where there is none. Never raises for absence."""

    def describe(self, uuid: str) -> DomainDescription | None:
        """What the definition of any domain says, as it runs or, where it is off, as it would; None where there is
        none."""

    def define(self, spec: DomainSpec) -> None:
        """Make the persistent definition be ``spec``; repeatable. A running domain of that uuid goes on unchanged."""

    def start(self, uuid: str) -> None:
        """
        Boot a defined domain. One that already runs is not an error.
        :raises DomainNotFound: it is not defined.
        :raises HypervisorError: it does not start; the reason is the hypervisor's.
        """

    def destroy(self, uuid: str) -> None:
        """Cut the power. A domain that is off or gone is not an error; looks again before it reports one."""

    def shutdown(self, uuid: str) -> None:
        """
        Press the power button (ACPI). The guest may ignore it.
        :raises DomainNotRunning: there is nothing to press on.
        """

    def reset(self, uuid: str) -> None:
        """
        Press the reset button.
        :raises DomainNotRunning: it does not run.
        """

    def press_keys(self, uuid: str, keys: Sequence[int]) -> None:
        """
        Press keys of its keyboard at once, and let go of them. The guest may ignore it.

        :param keys: by their numbers in Linux (input-event-codes.h).
        :raises DomainNotRunning: it does not run.
        """

    def pause(self, uuid: str) -> None:
        """
        Stop the virtual CPUs; paused already is not an error.
        :raises DomainNotRunning: it does not run.
        """

    def resume(self, uuid: str) -> None:
        """
        Let the virtual CPUs go on; running already is not an error.
        :raises DomainNotRunning: it is off.
        """

    def undefine(self, uuid: str) -> None:
        """
        Forget a definition, managed-save files and snapshot metadata too. An absent one is not an error. What its
        firmware keeps (``IVariables``) stays.
        """

    def set_vnc(self, uuid: str, vnc: VncSpec) -> None:
        """
        Change the password of a running domain's VNC server: valid now, or already expired.
        :raises DomainNotRunning: it does not run.
        :raises NotSupported: this hypervisor has no VNC.
        """

    def subscribe(self, callback: Callable[[DomainEvent], None], lost: Callable[[str], None]) -> None:
        """
        Call ``callback`` for each domain event and ``lost`` once when the connection ends, from any thread.
        Replaces an earlier subscription. It stays when the connection ends: the next one serves it again, and ``lost``
        tells that what happened in between was not told. ``callback`` must only hand over and return.
        """
