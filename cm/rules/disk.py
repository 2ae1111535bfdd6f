"""
What may be done with a disk as it stands: by what it is, by the VMs that have it, and by what is under way on either.

Each of these is the whole of what a call refuses a disk for; besides, it looks at whoever asks, at its own parameters,
and at quota and room. The use cases raise what these tell, and ``user.disk.operations`` tells it beforehand, so that
the two never differ.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cm.rpc.errors import (
    CloudError,
    DiskHeld,
    InUse,
    InvalidParameter,
    NotSupported,
    NotWhole,
    TooManySnapshots,
    VMBusy,
    WrongDiskState,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskKind, DiskState, VMState
from cm.rules.operation import SPECS, OperationKind
from cm.rules.storage import Capabilities
from cm.rules.vm import vms

AT_REST: Final = frozenset({VMState.RUNNING, VMState.PAUSED, VMState.STOPPED})
# Nothing runs that could write.
OFF: Final = frozenset({VMState.STOPPED, VMState.DESTROYED})


@dataclass(frozen=True)
class Work:
    """An operation that is under way."""

    id: int
    kind: OperationKind


@dataclass(frozen=True)
class Having:
    """
    A VM that has a disk attached.

    :ivar work: what the VM is busy with.
    :ivar own: it is the VM's own disk, and goes with it.
    """

    vm_id: int
    state: VMState
    work: Work | None
    own: bool
    read_only: bool
    cdrom: bool


@dataclass(frozen=True)
class DiskStanding:
    """
    :ivar listed: it is an entry of the catalogue.
    :ivar having: the VMs that have it attached; ``work`` holds it.
    :ivar erased: the erased VM that may write to it, in words; "": none.
    :ivar stood_on: other volumes are made from its own.
    :ivar whole: its volume stands on none; ``on_images``: or on what stays when it goes.
    :ivar unsettled: a snapshot that came to nothing, to whose volume its domain may write.
    :ivar can: what its storage can.
    """

    id: int
    kind: DiskKind
    state: DiskState
    listed: bool
    having: tuple[Having, ...]
    work: Work | None
    erased: str
    stood_on: bool
    whole: bool
    on_images: bool
    snapshots: int
    unsettled: int | None
    storage_kind: str
    can: Capabilities

    @property
    def writer(self) -> Having | None:
        """The VM that may write to it."""
        return next((each for each in self.having if not each.read_only), None)

    @property
    def running(self) -> Having | None:
        """The one VM that has it, unless that is stopped."""
        return next((each for each in self.having if each.state is not VMState.STOPPED), None)


def one_of(states: Collection[VMState]) -> str:
    return " or ".join(sorted(states))


def of_vm(vm: Having | None, kind: OperationKind) -> CloudError | None:
    """Work on a disk that has the disk's VM to itself."""
    if vm is None:
        return None
    if vm.work is not None:
        return VMBusy(vm.vm_id, vm.work.id, vm.work.kind)
    allowed = SPECS[kind].allowed
    return None if vm.state in allowed else WrongVMState(vm.vm_id, vm.state, one_of(allowed))


def busy(disk: DiskStanding) -> CloudError | None:
    """For whoever is going to open an operation on it, so that nobody opens one beside that."""
    if disk.work is not None:
        return DiskHeld(disk.id, disk.work.id, disk.work.kind)
    return InUse("disk", disk.id, disk.erased) if disk.erased else None


def unsettled(disk_id: int, snapshot_id: int | None, but: Sequence[int] = ()) -> CloudError | None:
    """
    A snapshot that came to nothing, and whose removal was given up, has left the domain writing to another volume than
    is on record: nothing is put on top of that, and nothing is done to what the domain has open.

    :param snapshot_id: such a one, if there is one.
    :param but: snapshots that are going to be deleted: whoever deletes it has that settled.
    """
    if snapshot_id is None or snapshot_id in but:
        return None
    return InUse("disk", disk_id, f"its snapshot {snapshot_id}, of which only a part is left; delete that first")


class Known(Protocol):
    """A disk of which little is known."""

    @property
    def id(self) -> int: ...
    @property
    def state(self) -> DiskState: ...


def editing(disk: Known) -> CloudError | None:
    if disk.state is DiskState.DELETED:
        return WrongDiskState(disk.id, disk.state, "a disk that is not deleted")
    return None


# ------------------------------------------------------------------ the trash


def _free(disk: DiskStanding) -> CloudError | None:
    if disk.having:
        return InUse("disk", disk.id, vms([each.vm_id for each in disk.having]))
    found = busy(disk)
    if found is None and disk.stood_on:
        return InUse("disk", disk.id, "what is made from it")
    return found


def trashing(disk: DiskStanding) -> CloudError | None:
    found = _free(disk)
    if found is None and (disk.state is not DiskState.OK or not disk.listed):
        return WrongDiskState(disk.id, disk.state, DiskState.OK)
    return found


def restoring(disk: DiskStanding) -> CloudError | None:
    if disk.state is not DiskState.TRASHED or not disk.listed:
        return WrongDiskState(disk.id, disk.state, DiskState.TRASHED)
    return None


def purging(disk: DiskStanding) -> CloudError | None:
    found = _free(disk)
    if found is None and (disk.state not in (DiskState.TRASHED, DiskState.FAILED) or not disk.listed):
        return WrongDiskState(disk.id, disk.state, f"{DiskState.TRASHED}; delete it first")
    return found


# ------------------------------------------------------------------ at VMs


def attaching(disk: DiskStanding, vm_id: int | None = None, read_only: bool = True) -> CloudError | None:
    """
    :param vm_id: that is to have it; None: any that has it not.
    :param read_only: what it is asked for at the least.
    """
    found = busy(disk)
    if found is not None:
        return found
    if disk.kind is DiskKind.ISO:
        return WrongDiskState(disk.id, "an ISO image", "a disk; an ISO is inserted into a drive")
    foes = [each.vm_id for each in disk.having if not each.read_only or not read_only or each.vm_id == vm_id]
    if foes:
        return InUse("disk", disk.id, vms(foes))
    if disk.kind is not DiskKind.STORAGE or disk.state is not DiskState.OK:
        return WrongDiskState(disk.id, disk.state, DiskState.OK)
    return None


def detaching(disk: DiskStanding, vm_id: int) -> CloudError | None:
    place = next((each for each in disk.having if each.vm_id == vm_id), None)
    if place is None:
        return WrongDiskState(disk.id, f"not attached to VM {vm_id}", "a disk that the VM has")
    if place.own or not disk.listed:
        return InUse("disk", disk.id, f"VM {vm_id}, whose own it is")
    if place.cdrom:
        return WrongDiskState(disk.id, "an ISO image", "a disk; an ISO is ejected from its drive")
    return of_vm(place, OperationKind.DISK_DETACH) or busy(disk)


# ------------------------------------------------------------------ what it lies on


def work(disk: DiskStanding) -> CloudError | None:
    """A disk is worked on while one VM at the most has it, which is at rest, and has nothing else to do meanwhile."""
    if disk.state is not DiskState.OK:
        return WrongDiskState(disk.id, disk.state, "a disk that is ok")
    if len(disk.having) > 1:
        return InUse("disk", disk.id, vms([each.vm_id for each in disk.having]))
    if disk.erased:
        return InUse("disk", disk.id, disk.erased)
    for vm in disk.having:
        if vm.work is not None:
            return VMBusy(vm.vm_id, vm.work.id, vm.work.kind)
        if vm.state not in AT_REST:
            return WrongVMState(vm.vm_id, vm.state, one_of(AT_REST))
    return busy(disk)


def written(disk: DiskStanding, why: str = "or copy a snapshot meanwhile") -> CloudError | None:
    """A guest may be writing to it."""
    vm = disk.running
    return None if vm is None else WrongVMState(vm.vm_id, vm.state, f"{VMState.STOPPED}, {why}")


def _only_read(disk: DiskStanding) -> CloudError | None:
    """QEMU changes what its guest may write alone."""
    vm = disk.running
    if vm is not None and (vm.read_only or vm.cdrom):
        return WrongVMState(vm.vm_id, vm.state, f"{VMState.STOPPED}, as it only reads the disk")
    return None


def growing(disk: DiskStanding) -> CloudError | None:
    found = work(disk)
    if found is not None:
        return found
    if disk.kind is DiskKind.ISO:
        return InvalidParameter("disk_id", "it is an ISO, which nobody writes to")
    found = _only_read(disk)
    if found is None and disk.running is not None:
        found = unsettled(disk.id, disk.unsettled)
        if found is None and not disk.can.resizes:
            found = written(disk, "as volumes of its storage grow by being copied")
    return found


def copying(disk: DiskStanding) -> CloudError | None:
    """To a disk, or to an image."""
    return work(disk) or written(disk)


def moving(disk: DiskStanding) -> CloudError | None:
    found = work(disk)
    if found is not None:
        return found
    if disk.stood_on:
        return InUse("disk", disk.id, "what is made from it")
    if not disk.on_images:
        return InUse("disk", disk.id, "its snapshots")
    return _only_read(disk)


def reading(disk: DiskStanding) -> CloudError | None:
    """Its file, as it lies on the storage."""
    if disk.state is not DiskState.OK:
        return WrongDiskState(disk.id, disk.state, DiskState.OK)
    if not disk.whole:
        return NotWhole(disk.id)
    writers = [each.vm_id for each in disk.having if not each.read_only and each.state not in OFF]
    return InUse("disk", disk.id, vms(writers)) if writers else None


# ------------------------------------------------------------------ snapshots


def usable(disk: DiskStanding) -> CloudError | None:
    """For a snapshot of it, alone or among the others of its VM."""
    if disk.kind is DiskKind.ISO:
        return InvalidParameter("disk_id", "nobody writes to an ISO image")
    if disk.state is not DiskState.OK:
        return WrongDiskState(disk.id, disk.state, DiskState.OK)
    return busy(disk)


def snapshotting(disk: DiskStanding, limit: int) -> CloudError | None:
    """:param limit: snapshots that a disk may have."""
    found = usable(disk) or of_vm(disk.writer, OperationKind.SNAPSHOT_CREATE) or read(disk)
    if found is not None:
        return found
    if not disk.can.snapshots:
        return NotSupported(f"take snapshots on storages of the kind {disk.storage_kind}")
    if disk.snapshots >= limit:
        return TooManySnapshots(disk.id, limit)
    return unsettled(disk.id, disk.unsettled)


def read(disk: DiskStanding) -> CloudError | None:
    """What a VM reads stays as it is."""
    reader = min((each.vm_id for each in disk.having if each.read_only), default=None)
    return None if reader is None else InUse("disk", disk.id, f"VM {reader}, which reads it")


def taken_back(disk: DiskStanding) -> CloudError | None:
    """Of a disk whose snapshots something is to be done to."""
    return busy(disk) if disk.state is DiskState.OK else WrongDiskState(disk.id, disk.state, DiskState.OK)
