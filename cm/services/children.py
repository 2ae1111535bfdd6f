"""Giving operations up, and what becomes of those that they wait for."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.runtime.database import notify
from cm.services.kind import ENDS
from cm.services.vm import interrupt
from cm.store.children import hold_unbegun, list_children
from cm.store.operation import OperationRow
from cm.store.vm import find_vm, render_vm


def give_up(session: Session, op: OperationRow) -> None:
    """
    Give an operation up, as its kind says. Its VM's row and its own are locked, in this order.

    :raises NotAbandonable: what it does cannot be undone.
    """
    interrupt(session, op.id)
    ENDS[op.kind].abandoned(session, op)
    if op.vm_id is not None:
        render_vm(session, op.vm_id)
    notify(session, "finished", op.id)


def give_up_unbegun(session: Session, parent_id: int) -> int:
    """
    Give up what an operation waits for, as far as nobody has begun with it; the rest goes on to its end by itself, so
    that nothing is left half-way. The parent's row is locked.

    :return: how many go on.
    """
    going_on = 0
    for child in list_children(session, parent_id):
        if child.finished_at is not None:
            continue
        if child.vm_id is not None:
            find_vm(session, child.vm_id, lock=True)
        if hold_unbegun(session, child.id):
            give_up(session, child)
        else:
            going_on += 1
    return going_on
