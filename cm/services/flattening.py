"""
Chains of volumes that guests read through, kept short: a disk that stands on many of its snapshots takes in what they
hold, by an operation that nobody has to ask for.

Of VMs that run: a stopped guest reads nothing, and would have to wait to be started.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import CauseKind, DiskState
from cm.rules.cause import Cause
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.store.chain import long_chains
from cm.store.disk import find_disk, touch_disk
from cm.store.operation import open_operation
from cm.store.operation_object import find_holder, find_yielding
from cm.store.vm import find_vm

CAUSE: Final = Cause(CauseKind.LOOK, "chain")
AT_ONCE: Final = 4  # disks of one round: each costs its storage as much as a copy
AGAIN_S: Final = 86_400.0  # after one that failed, or was given up
SOON_S: Final = 300.0  # after one that gave way to other work: there may be more of that


def flatten_long(session: Session, limit: int) -> int:
    """
    Open the operations for some of the disks that are longer than ``limit`` files of their own, and free.

    :return: how many.
    """
    begun = 0
    for disk_id, vm_id in long_chains(session, limit, AT_ONCE, AGAIN_S, SOON_S):
        disk = find_disk(session, disk_id, lock=True)  # locks of disks come before those of their VMs
        row = find_vm(session, vm_id, lock=True)
        if disk is None or disk.state is not DiskState.OK or find_holder(session, ObjectKind.DISK, disk_id):
            continue
        if row is None or row.closed_at is not None or row.operation_id is not None:
            continue
        if find_yielding(session, ObjectKind.VM, vm_id):
            continue  # another manager was first
        if row.state not in SPECS[OperationKind.DISK_FLATTEN].allowed:
            continue
        open_operation(
            session,
            OperationKind.DISK_FLATTEN,
            account_id=None,
            objects={ObjectKind.VM: [vm_id], ObjectKind.DISK: [disk_id]},
            node_id=row.node_id,
            cause=CAUSE,
        )
        touch_disk(session, disk_id)
        begun += 1
    return begun
