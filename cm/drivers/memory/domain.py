"""Domains of a node in memory, and what is under way with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from cm.drivers.memory.figures import Counters
from cm.drivers.memory.volume import Volume
from cm.interfaces.block_job import BlockJobKind
from cm.interfaces.hypervisor import DiskSpec, DomainSeen, DomainSpec, VncSpec
from cm.interfaces.migration import MigrationSpec
from cm.interfaces.source import DiskSource
from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import DiskFormat, Seen, SeenReason

if TYPE_CHECKING:
    from cm.drivers.memory.world import World

# virErrorNumber, as libvirt gives them for the same refusals
INTERNAL_ERROR: Final = 1
SYSTEM_ERROR: Final = 38
NO_NETWORK: Final = 43
OPERATION_FAILED: Final = 9
HOOK_SCRIPT_FAILED: Final = 70


@dataclass
class DiskJob:
    """
    What is being done to a disk's bytes.

    :ivar target: path of what is written to; of a pull, of what the disk is to stand on.
    :ivar source: the former, where the guest is to write to it in the end.
    :ivar top: path of what is merged, where that is not what the guest writes to.
    :ivar looks_left: looks until it is through; below 0 it was seen to be.
    """

    kind: BlockJobKind
    target: str
    format: DiskFormat
    total_bytes: int
    top: str = ""
    looks_left: int = 1
    source: DiskSource | None = None


@dataclass
class Passage:
    """
    A domain's way to another node.

    :ivar target_away: whether the other node's libvirtd can be spoken to.
    :ivar looks_left: until its memory has been sent.
    """

    spec: MigrationSpec
    target: World
    target_away: Callable[[], bool]
    total_bytes: int
    looks_left: int = 2
    rounds: int = 0


@dataclass
class Domain:
    """``running`` is the definition it was started with; None while it is off."""

    spec: DomainSpec
    running: DomainSpec | None = None
    paused: bool = False
    reason: SeenReason = SeenReason.HOST_RESTARTED
    defined: bool = True
    vnc: VncSpec | None = None  # as the running one has it
    writes: list[Volume] = field(default_factory=list)
    modules: list[int] = field(default_factory=list)  # of memory, MiB, that came while it runs
    asked: set[str] = field(default_factory=set)  # devices that the guest was asked to let go of
    asked_nics: set[str] = field(default_factory=set)  # MAC addresses of those likewise
    number: int = 0  # of its present run, on its node
    came: set[str] = field(default_factory=set)  # drives that it was not started with, whose trays nobody opens
    jobs: dict[str, DiskJob] = field(default_factory=dict)  # by target device; they end with its QEMU
    counters: Counters | None = None  # since it was measured first; they end with its QEMU, too
    passage: Passage | None = None  # likewise

    def put(self, disk: DiskSpec) -> None:
        """A disk in the place of that of its device, running and as it will be started."""
        self.spec = with_disk(self.spec, disk)
        self.running = None if self.running is None else with_disk(self.running, disk)

    def seen(self) -> DomainSeen:
        state = Seen.OFF if self.running is None else Seen.PAUSED if self.paused else Seen.RUNNING
        return DomainSeen(self.spec.uuid, self.spec.name, state, self.reason, self.defined)


def waiting(spec: DomainSpec) -> DomainSeen:
    """What is seen of a guest that is on its way here."""
    return DomainSeen(spec.uuid, spec.name, Seen.PAUSED, SeenReason.MIGRATION, persistent=False)


def with_disk(spec: DomainSpec, disk: DiskSpec) -> DomainSpec:
    return replace(spec, disks=tuple(disk if each.device == disk.device else each for each in spec.disks))


def check_vnc(vnc: VncSpec | None) -> None:
    """VNC takes passwords of 1 to 8 characters (RFC 6143, 7.2.2), and libvirt refuses others."""
    if vnc is not None and not 0 < len(vnc.password) <= 8:
        raise InvalidParameter("password", "VNC passwords have 1 to 8 characters")
