"""
What services and operations ask of the outside. Each interface has a memory provider and a real one; one contract suite
(``tests/contract``) runs on both.

All calls block and are run on the threads of their node (``runtime/threads.py``): those marked ``slow`` on threads and
connections of their own, so that they hold up only each other. Errors are those of ``rpc/errors``:
``NodeUnreachable`` always may arise, and then what was asked may or may not have happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

from zope.interface import Interface

from cm.rpc.vocabulary import DiskBus, DiskFormat, NicModel, Seen, SeenReason, StorageKind, VideoModel

Call = TypeVar("Call", bound=Callable[..., Any])


def slow(function: Call) -> Call:
    """
    Mark a call of a node's driver, or a function that is run with one, as slow: while it lasts it must not keep anybody
    from looking at the node.
    """
    function.__dict__["slow"] = True  # zope makes a tagged value of it
    return function


def lasting(function: Call) -> Call:
    """Likewise of what may last for minutes, up to an hour: few of these may be under way at a node at a time."""
    function.__dict__["lasting"] = True
    return slow(function)


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


@dataclass(frozen=True)
class DiskSpec:
    """A disk of a domain. ``format`` comes from our record and is always written out; nothing is ever probed."""

    path: str
    format: DiskFormat
    device: str  # target: "vda", "sda"
    bus: DiskBus = DiskBus.VIRTIO
    cdrom: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class NicSpec:
    network: str  # libvirt network on the node
    mac: str
    tap: str  # the interface's name on the node
    model: NicModel = NicModel.VIRTIO


@dataclass(frozen=True)
class VncSpec:
    """``password`` works until it is changed; with ``enabled`` false it is written as already expired."""

    listen: str
    port: int
    password: str = field(repr=False)
    enabled: bool = False


@dataclass(frozen=True)
class DomainSpec:
    """Everything of a domain's definition, typed; the driver turns it into XML by a library."""

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
    """A disk of a domain as its definition has it. ``bases``: of a running one, the files that its own stands on."""

    path: str
    format: str
    device: str
    bus: str
    cdrom: bool = False
    read_only: bool = False
    bases: tuple[str, ...] = ()


@dataclass(frozen=True)
class DomainDescription:
    """What a domain holds of its node and of its cluster, ours or not: its definition, as far as we understand one."""

    uuid: str
    name: str
    title: str
    vcpus: int
    memory_mib: int
    disks: tuple[DiskDescription, ...]
    macs: tuple[str, ...]
    ports: tuple[int, ...]  # that its screens listen on
    console_log: str | None = None
    smbios_serial: str = ""


@dataclass(frozen=True)
class DomainEvent:
    """A hint by the hypervisor that something happened to a domain; never a verdict."""

    uuid: str
    name: str
    event: str  # "defined" "undefined" "started" "suspended" "resumed" "stopped" "shutdown" "crashed"
    detail: str


class IHypervisor(Interface):
    """One node's hypervisor."""

    def info() -> NodeInfo:
        """Facts of the node."""

    def domains() -> Sequence[DomainSeen]:
        """Every domain of the node, ours or not, running or not, in one call."""

    def look(uuid: str) -> DomainSeen:
        """One domain; state ABSENT where there is none. Never raises for absence."""

    def describe(uuid: str) -> DomainDescription | None:
        """What the definition of any domain says, as it runs or, where it is off, as it would; None where there is
        none."""

    @slow
    def define(spec: DomainSpec) -> None:
        """Make the persistent definition be ``spec``; repeatable. A running domain of that uuid goes on unchanged."""

    @slow
    def start(uuid: str) -> None:
        """
        Boot a defined domain. One that already runs is not an error.
        :raises DomainNotFound: it is not defined.
        :raises HypervisorError: it does not start; the reason is the hypervisor's.
        """

    def destroy(uuid: str) -> None:
        """Cut the power. A domain that is off or gone is not an error; looks again before it reports one."""

    def shutdown(uuid: str) -> None:
        """
        Press the power button (ACPI). The guest may ignore it.
        :raises DomainNotRunning: there is nothing to press on.
        """

    def reset(uuid: str) -> None:
        """
        Press the reset button.
        :raises DomainNotRunning: it does not run.
        """

    def pause(uuid: str) -> None:
        """
        Stop the virtual CPUs; paused already is not an error.
        :raises DomainNotRunning: it does not run.
        """

    def resume(uuid: str) -> None:
        """
        Let the virtual CPUs go on; running already is not an error.
        :raises DomainNotRunning: it is off.
        """

    @slow
    def undefine(uuid: str) -> None:
        """Forget a definition, managed-save files and snapshot metadata too. An absent one is not an error."""

    def set_vnc(uuid: str, vnc: VncSpec) -> None:
        """
        Change the password of a running domain's VNC server: valid now, or already expired.
        :raises DomainNotRunning: it does not run.
        :raises NotSupported: this hypervisor has no VNC.
        """

    def subscribe(callback: Callable[[DomainEvent], None], lost: Callable[[str], None]) -> None:
        """
        Call ``callback`` for each domain event and ``lost`` once when the connection ends, from any thread.
        Replaces an earlier subscription. It stays when the connection ends: the next one serves it again, and ``lost``
        tells that what happened in between was not told. ``callback`` must only hand over and return.
        """

    def close() -> None:
        """Let go of connections and callbacks; repeatable. The provider is unusable afterwards."""


@dataclass(frozen=True)
class StorageSpec:
    """A storage as the nodes see it: a libvirt pool."""

    name: str  # the pool's name on the nodes
    kind: StorageKind
    path: str  # absolute directory on the node (the mount point for netfs)
    address: str = ""  # netfs: the server
    source: str = ""  # netfs: the exported path


@dataclass(frozen=True)
class StorageUsage:
    capacity_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class VolumeSeen:
    name: str
    path: str
    capacity_bytes: int  # what a guest sees
    allocation_bytes: int  # what it takes now
    base: str = ""  # the path of the volume that it is an overlay on


class IImageStore(Interface):
    """The volumes of one node's storages. Names are made by us: lower-case letters, digits, ``-`` and ``.`` only."""

    @slow
    def attach(storage: StorageSpec) -> StorageUsage:
        """Make the pool be defined, started and marked for autostart on this node; repeatable."""

    @slow
    def detach(storage_name: str) -> None:
        """Stop and forget the pool; its files stay. An absent one is not an error."""

    @slow
    def usage(storage_name: str) -> StorageUsage:
        """Fresh figures of the pool."""

    @slow
    def volumes(storage_name: str) -> Sequence[VolumeSeen]:
        """Every volume after a refresh: slow, for reconciliation."""

    def find(storage_name: str, volume: str) -> VolumeSeen | None:
        """One volume, or None."""

    @slow
    def create_overlay(
        storage_name: str, volume: str, base: str, base_format: DiskFormat, size_bytes: int
    ) -> VolumeSeen:
        """
        A qcow2 overlay on volume ``base`` of the same storage. An existing volume of that name is taken as done.
        :raises VolumeNotFound: there is no base.
        :raises StorageFull: no room.
        """

    @lasting
    def create_copy(storage_name: str, volume: str, source: str, source_format: DiskFormat) -> VolumeSeen:
        """
        A flat, complete qcow2 copy of volume ``source`` (an overlay's base is folded in). Repeatable: a half-made
        volume of an earlier attempt (a marker ``volume`` + ``.part`` stands beside it, and ``find`` does not show it)
        is thrown away, a finished one is taken as done.
        """

    @slow
    def create_empty(storage_name: str, volume: str, format: DiskFormat, size_bytes: int) -> VolumeSeen:
        """A new volume that reads as zeros (sparse). An existing one is taken as done."""

    @lasting
    def upload(
        storage_name: str, volume: str, path: str, format: DiskFormat, size_bytes: int, progress: Callable[[int], None]
    ) -> VolumeSeen:
        """
        Stream the local file ``path`` into a new volume; ``progress`` gets bytes sent. Repeatable as ``create_copy``.
        ``size_bytes`` is what a guest will see; the file may be smaller (qcow2). What ``progress`` raises ends it.
        :raises NotSupported: this hypervisor takes no uploads.
        """

    @slow
    def read_tail(storage_name: str, volume: str, limit_bytes: int) -> bytes:
        """
        The last bytes of a raw volume (a console log).
        :raises VolumeNotFound: there is none.
        :raises NotSupported: this hypervisor gives no downloads.
        """

    @slow
    def delete(storage_name: str, volume: str) -> None:
        """Delete a volume; an absent one is not an error."""


@dataclass(frozen=True)
class NetworkSpec:
    """
    A network of guests on a node: a bridge with its gateway and a DHCP server whose leases are fixed in advance.

    A guest's MAC address and the name of its tap are pure functions of its address (``rules/network.py``), so the
    definition covers the whole pool and starting a VM changes nothing on the network.
    """

    name: str  # libvirt network
    bridge: str
    pool: IPv4Network
    gateway: IPv4Address
    first: IPv4Address  # first and last address that guests get
    last: IPv4Address
    dns: tuple[str, ...] = ()


class INetwork(Interface):
    """One node's networks."""

    def ensure(network: NetworkSpec) -> None:
        """Make the network be defined as said, active and autostarted; repeatable and cheap when it already is."""

    def remove(name: str) -> None:
        """Stop and forget; absent is not an error."""


class INodeDriver(IHypervisor, IImageStore, INetwork):
    """Everything of one node; ``drivers/open.py`` makes one from the node's URI. Calls connect by themselves."""

    def open() -> NodeInfo:
        """
        Connect within the deadline and return the node's facts; repeatable.
        :raises NodeUnreachable: no answer in time.
        """


def is_slow(method: str) -> bool:
    """
    Whether a call of a node's driver is slow.

    :raises KeyError: no driver has it.
    """
    return INodeDriver[method].queryTaggedValue("slow", False) is True


def is_lasting(method: str) -> bool:
    """Likewise, whether it may last for minutes."""
    return INodeDriver[method].queryTaggedValue("lasting", False) is True
