"""
Guests that hang. A VM's watchdog pauses a guest that does not feed it any more, and paused it stays as evidence; what
follows is the VM's policy (``on_hang``): it is reset and goes on, or it is stopped.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import CauseKind, HangPolicy
from cm.rules.cause import Cause
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.rules.vm import hangs
from cm.services.message import tell
from cm.store.operation import open_operation
from cm.store.vm import VMRow, find_vm, render_vm
from cm.store.vm_state import intend

THEN: Final = {HangPolicy.RESTART: OperationKind.VM_RESET, HangPolicy.STOP: OperationKind.VM_STOP}


def settle_hang(session: Session, row: VMRow) -> None:
    """
    Open the operation that a hang leads to, and tell the VM's owner. ``row`` was read under the VM's lock. Nothing is
    done while somebody is at the VM, or where its owner has had the watchdog taken away since it was started.
    """
    kind = THEN.get(row.on_hang)
    if kind is None or row.node_id is None or row.operation_id is not None:
        return
    wanted = SPECS[kind].wanted
    assert wanted is not None, "both say so"
    intend(session, row.id, wanted)
    open_operation(
        session,
        kind,
        account_id=row.account_id,
        objects={ObjectKind.VM: [row.id]},
        node_id=row.node_id,
        cause=Cause(CauseKind.LOOK, str(row.node_id)),
    )
    tell(session, (row.account_id,), "warn", "vm_hung", {"vm_id": row.id, "name": row.name, "then": row.on_hang})


def settle_found(session: Session, vm_id: int, node_id: int) -> None:
    """The same of a VM that a pass found so again: whoever was at it when its watchdog stopped it has gone."""
    row = find_vm(session, vm_id, lock=True)
    if row is None or row.closed_at is not None or row.node_id != node_id:
        return
    if hangs(row.wanted, row.seen, row.seen_reason):
        settle_hang(session, row)
        render_vm(session, vm_id)
