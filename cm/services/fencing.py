"""
The last word about a node that does not answer: an administrator says that its machine is off. Nobody else can know
that, so nothing of this is ever begun by the manager itself.

What was placed there has ended then: it is recorded so, its place is given back, and what is to run is started
elsewhere. A VM that was on its way there, or from there, while it ran is looked for at its other node alone, by the
operation that has it (``operations/vm_migrate.py``). Should the machine come back with domains of these VMs after all,
the first pass over it ends them, before it is said to answer (``services/reconcile.py``).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.results.node import DivertedVM, FencedNode, LeftVM, RestartedVM
from cm.rpc.errors import NodeAnswers, NotAbandonable
from cm.rpc.vocabulary import NodeMode, NodeState, Seen, SeenReason, Wanted
from cm.rules.operation import OperationKind
from cm.rules.vm import GONE
from cm.services.children import give_up
from cm.services.context import ClusterCall
from cm.services.evidence import now, settle
from cm.services.migrating import BEGUN, LOST, SOURCE, move_in
from cm.services.node import set_mode
from cm.services.release import rest_stopped
from cm.services.suspension import forget_memory
from cm.services.vm import interrupt
from cm.store.claim import release_target
from cm.store.fenced import note_fenced
from cm.store.moving import list_arriving, list_departing, lock_departing
from cm.store.node import get_node
from cm.store.operation import OperationRow, get_operation
from cm.store.operation_change import hurry, place_operation
from cm.store.suspension import find_suspension
from cm.store.vm import VMRow, find_vm, get_vm, render_vm, write_evidence
from cm.store.vm_state import intend, write_down
from cm.store.waking import wake_vm
from cm.store.worker import keep_note

_K: Final = OperationKind
# Work that asks for nothing but the guest, which is no more: it is given up, and what it wanted is done elsewhere.
GIVES_WAY: Final = frozenset(
    {_K.VM_START, _K.VM_STOP, _K.VM_SHUTDOWN, _K.VM_RESET, _K.VM_PAUSE, _K.VM_RESUME, _K.VM_TRASH}
)
# Work that goes on without the node: it waited for the guest's end, changes the record where there is no guest, or
# finds its VM placed nowhere and places it again.
GOES_ON: Final = frozenset(
    {_K.VM_DESTROY, _K.VM_SAVE, _K.VM_CREATE, _K.VM_MOVE, _K.VM_RESIZE, _K.VM_CD, _K.DISK_ATTACH, _K.DISK_DETACH,
     _K.NIC_ATTACH, _K.NIC_DETACH, _K.ATTACH_OR_CREATE}
)  # fmt: skip


def fence(caller: ClusterCall, node_id: int, reason: str) -> FencedNode:
    """
    Lock a node that does not answer, record that its guests have ended, and start those elsewhere that are to run, by
    their policy (``on_host_failure``).

    :raises ObjectNotFound: there is no such node.
    :raises NodeAnswers: it does: it can be asked.
    """
    session = caller.session
    node = get_node(session, node_id)
    if node["state"] != NodeState.UNREACHABLE:
        raise NodeAnswers(node["name"])
    arriving = list_arriving(session, node_id)
    lock_departing(session, node_id, arriving)
    mode = NodeMode(node["mode"])
    if mode is NodeMode.ACTIVE or reason or caller.if_version is not None:
        set_mode(caller, node_id, NodeMode.DRAINING if mode is NodeMode.ACTIVE else mode, reason)
    ended: list[RestartedVM] = []
    diverted: list[DivertedVM] = []
    left: list[LeftVM] = []
    for found in list_departing(session, node_id):
        row = find_vm(session, found.id, lock=True)
        if row is None or row.node_id != node_id or not row.node_claimed:
            continue
        op = None if row.operation_id is None else get_operation(session, row.operation_id)
        if op is not None and op.kind is _K.VM_MIGRATE and _leaves(session, row, op):
            diverted.append(_divert(caller, row, op, node_id, op.arguments[BEGUN]))
            continue
        why = _stays(caller, row, op, found.kept_on)
        if why:
            code = "disk_on_node" if found.kept_on else ""
            left.append(
                {"vm_id": row.id, "name": row.name, "state": row.state, "reason": why, "code": code,
                 "operation_id": row.operation_id}
            )  # fmt: skip
            caller.note("leave", vm_id=row.id, reason=why)
            continue
        ended.append(_end(caller, row, node_id))
    for vm_id in arriving:
        row = find_vm(session, vm_id, lock=True)
        if row is None or row.moves_to != node_id or row.operation_id is None or row.node_id is None:
            continue
        op = get_operation(session, row.operation_id)
        if op.kind is _K.VM_MIGRATE:  # a cold move looks itself for another node
            diverted.append(_divert(caller, row, op, node_id, row.node_id))
    return {"node_id": node_id, "node": node["name"], "ended": ended, "diverted": diverted, "left": left}


# ------------------------------------------------------------------ guests on their way


def _leaves(session: Session, row: VMRow, op: OperationRow) -> bool:
    """Whether the guest of a VM that migrates from a lost node may be at the other one."""
    return bool(op.arguments.get(BEGUN)) and row.moves_to == op.arguments[BEGUN]


def _divert(caller: ClusterCall, row: VMRow, op: OperationRow, node_id: int, other: int) -> DivertedVM:
    """
    Have a VM that migrates be where its other node has it. One that has not begun stays.

    :param other: where it is placed from now on, alone.
    """
    session, was = caller.session, row.state
    begun = bool(op.arguments.get(BEGUN))
    if not begun:
        give_up(session, op)
    else:
        note_fenced(session, node_id, row.id)
        keep_note(session, op.id, {LOST: sorted({*op.arguments.get(LOST, ()), node_id})})
        if node_id == op.arguments[SOURCE]:
            move_in(session, row.id)
            place_operation(session, op.id, other)
        else:
            release_target(session, row.id)
        hurry(session, op.id)
        wake_vm(session, row.id)
    render_vm(session, row.id)
    name = get_node(session, other)["name"]
    why = f"{name} alone is asked where its guest is" if begun else f"it stays on {name}"
    caller.note("leave", vm_id=row.id, reason=why)
    return {
        "vm_id": row.id,
        "name": row.name,
        "state": was,
        "node_id": other,
        "node": name,
        "operation_id": op.id if begun else None,
    }


# ------------------------------------------------------------------ guests that have ended


def _stays(caller: ClusterCall, row: VMRow, op: OperationRow | None, kept_on: str) -> str:
    """Why nothing is decided about a VM; "": it has ended. What gives way is given up."""
    if kept_on:
        return f"its disk is on the node's own storage {kept_on}: it cannot start elsewhere"
    if op is None or op.kind in GOES_ON:
        return ""
    under_way = f"{op.kind} is under way (operation {op.id})"
    memory = find_suspension(caller.session, row.id)
    if op.kind is _K.VM_SUSPEND and memory is not None and memory.made and row.seen in GONE:
        return ""  # its memory is whole, and its place alone is to be given back
    if op.kind is _K.VM_WAKE_UP and memory is not None:
        return ""  # nothing of it has gone on
    if op.kind not in GIVES_WAY | {_K.VM_SUSPEND, _K.VM_WAKE_UP, _K.VM_MIGRATE}:
        return f"{under_way}: give it up, or wait for its end, and run this again"
    try:
        if op.kind is _K.VM_MIGRATE and op.arguments.get(BEGUN) and op.arguments.get(LOST):
            keep_note(caller.session, op.id, {LOST: sorted({*op.arguments[LOST], row.node_id})})
        interrupt(caller.session, op.id)
    except NotAbandonable as error:
        return f"{under_way}: {error}"
    if op.kind is _K.VM_SUSPEND:  # its guest was not off by that: it is to run
        forget_memory(caller.session, row.id, caller.cause)
        intend(caller.session, row.id, Wanted.RUNNING)
    return ""


def _end(caller: ClusterCall, row: VMRow, node_id: int) -> RestartedVM:
    session, vm_id = caller.session, row.id
    was = row.state
    row = get_vm(session, vm_id)
    write_evidence(session, row, Seen.OFF, SeenReason.HOST_LOST, now())
    write_down(session, vm_id)
    rest_stopped(session, vm_id)
    note_fenced(session, node_id, vm_id)
    row = get_vm(session, vm_id)
    if row.operation_id is not None:
        place_operation(session, row.operation_id, None)
        hurry(session, row.operation_id)
        wake_vm(session, vm_id)
    else:
        settle(session, row, SeenReason.HOST_LOST, caller.cause)
    render_vm(session, vm_id)
    row = get_vm(session, vm_id)
    caller.note("fence", vm_id=vm_id, node_id=node_id, operation_id=row.operation_id)
    return {
        "vm_id": vm_id,
        "name": row.name,
        "state": was,
        "operation_id": row.operation_id,
        "kind": row.operation_kind,
    }
