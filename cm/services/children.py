"""Giving operations up, and what becomes of those that they wait for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import OperationState, Wanted
from cm.rules.operation import SPECS
from cm.runtime.database import notify
from cm.services.kind import ENDS
from cm.services.vm import interrupt
from cm.store.children import hold_unbegun, list_children
from cm.store.operation import OperationRow
from cm.store.operation_change import reopen
from cm.store.vm import find_vm, render_vm
from cm.store.vm_state import want


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


def not_done(session: Session, children: Sequence[OperationRow]) -> list[str]:
    """Of the last child of each VM that is wanted still, those that did not end well, in words."""
    told = []
    for child in _last_of_each(children):
        row = find_vm(session, child.vm_id) if child.vm_id is not None else None
        if row is None or row.closed_at is not None or row.wanted is Wanted.DESTROYED:
            continue
        if child.state is not OperationState.DONE:
            why = child.user_text.rstrip(".") or str(child.state)
            told.append(f"{row.name} (operation {child.id}: {why})")
    return told


def _last_of_each(children: Sequence[OperationRow]) -> Collection[OperationRow]:
    """They are listed in their order."""
    return {child.vm_id: child for child in children}.values()


def retry_failed(session: Session, parent_id: int, more_s: float) -> int:
    """
    Begin anew with what an operation waits for and has failed, of VMs that are wanted still and idle: the last of each.
    The parent's row is locked.

    :param more_s: that each may take beside what its kind does.
    :return: how many begin.
    :raises QuotaReached: what one of them would have to claim again does not fit any more; or as its kind says.
    """
    begun = 0
    for child in _last_of_each(list_children(session, parent_id)):
        if child.vm_id is None or child.state is not OperationState.FAILED:
            continue
        row = find_vm(session, child.vm_id, lock=True)
        if row is None or row.closed_at is not None or row.wanted is Wanted.DESTROYED or row.operation_id is not None:
            continue
        spec, ends = SPECS[child.kind], ENDS[child.kind]
        if spec.wanted is not None:
            want(session, row.id, spec.wanted)
        objects = {**child.about, **ends.reopened(session, child)}
        reopen(session, child, objects, seconds=spec.seconds + more_s, notes=list(ends.forgotten(child)))
        render_vm(session, row.id)
        begun += 1
    return begun


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
