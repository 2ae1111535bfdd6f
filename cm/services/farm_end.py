"""How VMs of a farm begin and end together: whether workers may start, and destroying some or all."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from cm.results.vm import VMOutcome
from cm.rpc.errors import VMBusy
from cm.rules.cause import Cause
from cm.rules.farm import Release, release
from cm.rules.operation import SPECS, OperationKind
from cm.runtime.wall import utc_now
from cm.services.vm import begin_destroy, interrupt
from cm.store.farm import head_of
from cm.store.vm import find_vm


def released(session: Session, farm_id: int) -> Release:
    """
    Whether the workers of a farm start now.

    :raises FarmHeadDown: its head is not going to be up.
    """
    return release(head_of(session, farm_id), utc_now())


def end_members(session: Session, vm_ids: Sequence[int], account_id: int | None, cause: Cause) -> list[VMOutcome]:
    """
    Destroy VMs of a farm, all of them or, by an error, none. What is under way on one and may be interrupted is.

    :param vm_ids: in their order, which is that of locks.
    :param account_id: who asked.
    :return: of those that were not destroyed, nor being destroyed, before.
    :raises VMBusy: what is under way on one cannot be given up.
    :raises NotAbandonable: likewise, just now.
    """
    ended: list[VMOutcome] = []
    for vm_id in vm_ids:
        row = find_vm(session, vm_id, lock=True)
        if row is None or row.closed_at is not None or row.operation_kind is OperationKind.VM_DESTROY:
            continue
        if row.operation_id is not None and row.operation_kind is not None:
            if not SPECS[row.operation_kind].interruptible:
                raise VMBusy(vm_id, row.operation_id, row.operation_kind)
            interrupt(session, row.operation_id)
        operation_id = begin_destroy(session, row, account_id=account_id, cause=cause)
        ended.append({"status": "ok", "vm_id": vm_id, "operation_id": operation_id})
    return ended
