"""Use cases of the journal: read, retry what failed, give up what is under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from cm.results.operation import AdminOperation, Operation, OperationNumber
from cm.rpc.errors import WrongOperationState
from cm.rpc.vocabulary import OPEN_OPERATIONS, OperationState, VMState
from cm.rules.operation import SPECS, ObjectKind
from cm.runtime.database import notify
from cm.services.access import Who, authorize_operation, authorized_vm, person_of, visible_operations
from cm.services.children import give_up
from cm.services.context import ClusterCall
from cm.services.kind import ENDS
from cm.store.operation import OperationRow, count_running, get_operation, list_operations
from cm.store.operation_change import hurry, lock_operation, reopen
from cm.store.operation_object import find_other, held
from cm.store.vm import find_vm, get_vm, render_vm
from cm.store.vm_state import want
from cm.store.waking import TOPIC


def shown(session: Session, ops: Sequence[OperationRow]) -> list[Operation]:
    """Operations as users see them."""
    running = _running(session, ops)
    return [_shown(op, running, False) for op in ops]


def shown_to_administrators(session: Session, ops: Sequence[OperationRow]) -> list[AdminOperation]:
    """With the node and the administrators' text."""
    running = _running(session, ops)
    return [{**_shown(op, running, True), "admin_text": op.admin_text} for op in ops]


def _running(session: Session, ops: Sequence[OperationRow]) -> Mapping[int | None, int]:
    """What is before those that wait for nothing but their turn, by node."""
    idle = [op for op in ops if op.state in (OperationState.QUEUED, OperationState.WAITING) and not op.user_text]
    return count_running(session) if idle else {}


def _shown(op: OperationRow, running: Mapping[int | None, int], admin: bool) -> Operation:
    waiting_for = _waiting_for(op, running, admin)
    return {
        "operation_id": op.id,
        "kind": op.kind,
        "state": op.state,
        "step": op.step or ENDS[op.kind].first,
        "progress": op.progress,
        "attempts": op.attempts,
        "user_id": op.account_id,
        "vm_id": op.vm_id,
        "image_id": op.find(ObjectKind.IMAGE),
        "node_id": op.node_id if admin else None,
        "storage_id": op.find(ObjectKind.STORAGE),
        "parent_id": op.parent_id,
        "error": op.error,
        "text": waiting_for or op.user_text,
        "waiting_for": waiting_for,
        "result": op.result,
        "created": op.created_at,
        "started": op.started_at,
        "finished": op.finished_at,
        "next_attempt": op.not_before if op.state in (OperationState.QUEUED, OperationState.WAITING) else None,
        "deadline": op.deadline,
    }


def _waiting_for(op: OperationRow, running: Mapping[int | None, int], admin: bool) -> str:
    """Why an operation that has not ended is not further: what it waits for, or what its last attempt failed on."""
    if op.state not in OPEN_OPERATIONS:
        return ""
    told = (op.admin_text if admin else "") or op.user_text
    if told or op.state is OperationState.RUNNING:
        return told
    if op.node_id is not None and running.get(op.node_id):
        return f"Its turn: {running[op.node_id]} operations are under way on the node."
    return f"Its turn: {sum(running.values())} operations are under way."


def get(caller: ClusterCall, operation_id: int) -> OperationRow:
    """
    :raises ObjectNotFound: absent, or the caller does not see what it is about.
    """
    op = get_operation(caller.session, operation_id)
    authorize_operation(caller.session, person_of(caller.identity), op, change=False)
    return op


def get_list(
    caller: ClusterCall, *, vm_id: int | None, only_open: bool, before: int | None, limit: int
) -> list[OperationRow]:
    """
    What the caller asked for and still sees, newest first.

    :param vm_id: whatever was asked for that VM instead, by whomever.
    :raises ObjectNotFound: the caller does not see that VM.
    """
    session: Session = caller.session
    who = person_of(caller.identity)
    if vm_id is not None:
        authorized_vm(session, who, vm_id, caller.action("vm_id"))
        return list(
            list_operations(session, account_id=None, vm_id=vm_id, only_open=only_open, before=before, limit=limit)
        )
    found: list[OperationRow] = []
    while True:
        page = list_operations(
            session, account_id=who.account_id, vm_id=None, only_open=only_open, before=before, limit=limit
        )
        found += visible_operations(session, who, page)
        # A page shorter than its limit says to its reader that it is the last.
        if len(found) >= limit or len(page) < limit:
            return found[:limit]
        before = page[-1].id


def _locked(caller: ClusterCall, operation_id: int, owner_only: bool) -> OperationRow:
    """The operation, with its VM's row and then its own locked: everybody's order."""
    session: Session = caller.session
    who: Who = person_of(caller.identity) if owner_only else None
    op = get_operation(session, operation_id)
    if op.vm_id is not None:
        find_vm(session, op.vm_id, lock=True)
    authorize_operation(session, who, op, change=True)
    lock_operation(session, operation_id)
    return get_operation(session, operation_id)


def retry(caller: ClusterCall, operation_id: int, owner_only: bool = True) -> OperationNumber:
    """
    Queue a failed operation again, with a fresh deadline and what it had claimed before.

    :param owner_only: False for administrators, for whom access is no question.
    :raises AccessNeeded: the caller could not ask for it.
    :raises WrongOperationState: it did not fail; or it waits between attempts, then it only goes on at once.
    :raises VMBusy: another operation is under way on its VM.
    """
    session: Session = caller.session
    op = _locked(caller, operation_id, owner_only)
    if op.state in (OperationState.QUEUED, OperationState.WAITING):
        hurry(session, op.id)
        notify(session, TOPIC)
        return {"operation_id": op.id}
    if op.state is not OperationState.FAILED:
        raise WrongOperationState(op.id, op.state, "failed")
    spec = SPECS[op.kind]
    if op.vm_id is not None:
        vm = get_vm(session, op.vm_id)
        if vm.closed_at is not None:
            raise WrongOperationState(op.id, "of a destroyed VM", "a VM that is not destroyed")
        if vm.state is VMState.TRASHED and VMState.TRASHED not in spec.allowed:
            raise WrongOperationState(op.id, "of a VM in the trash", "a VM that is recovered first")
        if spec.wanted is not None:
            want(session, op.vm_id, spec.wanted)
    else:
        _refuse_second(session, op)
    objects = {**op.about, **ENDS[op.kind].reopened(session, op)}
    seconds = spec.until(caller.policy.import_timeout_s)
    reopen(session, op, objects, seconds=seconds, notes=list(ENDS[op.kind].forgotten(op)))
    if op.vm_id is not None:
        render_vm(session, op.vm_id)
    notify(session, TOPIC)
    caller.note("retry", operation_id=op.id, kind=op.kind)
    return {"operation_id": op.id}


def _refuse_second(session: Session, op: OperationRow) -> None:
    """:raises WrongOperationState: another operation is under way on one of its objects."""
    other = find_other(session, held(op.kind, op.about), op.id)
    if other is not None:
        raise WrongOperationState(op.id, f"behind operation {other.id} ({other.kind})", "alone on its object")


def abandon(caller: ClusterCall, operation_id: int, owner_only: bool = True) -> OperationNumber:
    """
    Give up an operation that is under way; its kind says what that undoes.

    :param owner_only: False for administrators, for whom access is no question.
    :raises AccessNeeded: the caller could not ask for it.
    :raises WrongOperationState: it has ended.
    :raises NotAbandonable: what it does cannot be undone.
    """
    session: Session = caller.session
    op = _locked(caller, operation_id, owner_only)
    if op.state not in OPEN_OPERATIONS:
        raise WrongOperationState(op.id, op.state, "an operation under way")
    give_up(session, op)
    caller.note("abandon", operation_id=op.id, kind=op.kind)
    return {"operation_id": op.id}
