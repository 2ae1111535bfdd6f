"""
Use case of a disk's move to another storage. What it takes is claimed there, and where it lies until it has arrived.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.results.disk import DiskWork
from cm.rpc.errors import CloudError, InvalidParameter, StorageOutOfReach, VariablesStay
from cm.rpc.vocabulary import DiskKind, Firmware
from cm.rules import disk as rules
from cm.rules.disk import DiskStanding
from cm.rules.storage import capabilities
from cm.services.access import Who
from cm.services.context import ClusterCall
from cm.services.disk_bytes import Subject, begin_move, subject_of, target
from cm.services.storage import known_storage
from cm.store.disk import find_disk
from cm.store.disk_bytes import are_together, claim_growth
from cm.store.saving import root_disk_id
from cm.store.storage import get_storage, is_attached
from cm.store.vm import VMRow
from cm.store.vm_state import machine_of


def move(caller: ClusterCall, disk_id: int, storage_id: int, who: Who) -> DiskWork:
    """
    Put a disk on another storage, while its guest runs if it does. It becomes a volume that stands on no other. One of
    a format that guests do not write to any more becomes one that they do, also where it lies. Where no node has both
    storages it is made so where it lies first, and then goes through this process.

    :raises InvalidParameter: it lies there already.
    :raises ObjectNotFound: the storage is not offered to the caller.
    :raises InUse: others stand on it, or it on more than an image: disks made from it, or snapshots.
    :raises StorageOutOfReach: its VM runs where that storage is not attached.
    :raises StoragesApart: no node has both, and one has files, the other devices.
    :raises VariablesStay: it is the root disk of a VM that has UEFI, whose variables would be out of reach: no node
        has both storages, and that one has no place for them.
    :raises StorageUnreached: of those nodes that have them none answers.
    :raises StorageFull: it does not fit there.
    """
    session = caller.session

    def refused(standing: DiskStanding) -> CloudError | None:
        """A storage that is none is told before what the disk is busy with."""
        disk = find_disk(session, disk_id)
        if disk is None or disk.storage_id != storage_id:
            known_storage(session, storage_id, administrator=who is None)
        return rules.moving(standing)

    subject = subject_of(caller, disk_id, who, refused)
    disk, vm = subject.disk, subject.vm
    if storage_id == disk.storage_id and not _outdated(session, subject):
        raise InvalidParameter("storage_id", "the disk lies there already")
    room = target(caller, subject.volume, storage_id, who, keeps=disk.kind is DiskKind.ISO, own=True)
    if vm is not None and vm.node_id is not None and not is_attached(session, storage_id, vm.node_id):
        raise StorageOutOfReach(storage_id, vm.id)
    if vm is not None:
        _refuse_leaving_variables(session, vm, disk_id, storage_id)
    if not subject.running or room.size_bytes <= disk.size_bytes:
        return begin_move(caller, subject, room)
    # Sizes are rounded up there, and QEMU copies between volumes of one size alone: it grows before it moves.
    claim_growth(session, disk.volume_id, disk.account_id, room.size_bytes)
    return begin_move(caller, subject, room, size_bytes=room.size_bytes)


def _refuse_leaving_variables(session: Session, vm: VMRow, disk_id: int, storage_id: int) -> None:
    """
    Of a stopped VM they go along, where there are files. A running one's node has both storages.

    :raises VariablesStay: no node that has the one storage has what is on the other.
    """
    found = machine_of(session, vm.id)
    kept_on = found.nvram_storage_id
    if found.machine.firmware is not Firmware.UEFI or kept_on is None or root_disk_id(session, vm.id) != disk_id:
        return
    if capabilities(get_storage(session, storage_id)["kind"]).files or are_together(session, kept_on, storage_id):
        return
    raise VariablesStay(vm.id, kept_on, storage_id)


def _outdated(session: Session, subject: Subject) -> bool:
    """Whether a disk has a format that guests do not write to on its storage."""
    can = capabilities(get_storage(session, subject.disk.storage_id)["kind"])
    return subject.disk.kind is not DiskKind.ISO and subject.volume.format not in can.written
