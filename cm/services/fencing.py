"""
The last word about a node that does not answer: an administrator says that its machine is off. Nobody else can know
that, so nothing of this is ever begun by the manager itself.

What was placed there has ended then: it is recorded so, its place is given back, and what is to run is started
elsewhere. Should the machine come back with domains of these VMs after all, the first pass over it ends them, before it
is said to answer (``services/reconcile.py``).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.results.node import FencedNode, LeftVM, RestartedVM
from cm.rpc.errors import NodeAnswers, NotAbandonable
from cm.rpc.vocabulary import NodeMode, NodeState, Seen, SeenReason
from cm.rules.operation import OperationKind
from cm.services.context import ClusterCall
from cm.services.evidence import now, settle
from cm.services.node import set_mode
from cm.services.release import rest_stopped
from cm.services.vm import interrupt
from cm.store.fenced import note_fenced
from cm.store.moving import list_departing, lock_departing
from cm.store.node import get_node
from cm.store.vm import VMRow, find_vm, get_vm, render_vm, write_evidence
from cm.store.vm_state import write_down
from cm.store.waking import wake_vm

_K: Final = OperationKind
# Work that asks for nothing but the guest, which is no more: it is given up, and what it wanted is done elsewhere.
GIVES_WAY: Final = frozenset(
    {_K.VM_START, _K.VM_STOP, _K.VM_SHUTDOWN, _K.VM_RESET, _K.VM_PAUSE, _K.VM_RESUME, _K.VM_TRASH}
)
# Work that waits for the guest's end and goes on without its node.
GOES_ON: Final = frozenset({_K.VM_DESTROY, _K.VM_SAVE})


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
    lock_departing(session, node_id)
    mode = NodeMode(node["mode"])
    if mode is NodeMode.ACTIVE or reason or caller.if_version is not None:
        set_mode(caller, node_id, NodeMode.DRAINING if mode is NodeMode.ACTIVE else mode, reason)
    ended: list[RestartedVM] = []
    left: list[LeftVM] = []
    for found in list_departing(session, node_id):
        row = find_vm(session, found.id, lock=True)
        if row is None or row.node_id != node_id or not row.node_claimed:
            continue
        why = _stays(session, row, found.kept_on)
        if why:
            code = "disk_on_node" if found.kept_on else ""
            left.append(
                {"vm_id": row.id, "name": row.name, "state": row.state, "reason": why, "code": code,
                 "operation_id": row.operation_id}
            )  # fmt: skip
            caller.note("leave", vm_id=row.id, reason=why)
            continue
        ended.append(_end(caller, row, node_id))
    return {"node_id": node_id, "node": node["name"], "ended": ended, "left": left}


def _stays(session: Session, row: VMRow, kept_on: str) -> str:
    """Why nothing is decided about a VM; "": it has ended. What gives way is given up."""
    if kept_on:
        return f"its disk is on the node's own storage {kept_on}: it cannot start elsewhere"
    if row.operation_id is None or row.operation_kind is None or row.operation_kind in GOES_ON:
        return ""
    under_way = f"{row.operation_kind} is under way (operation {row.operation_id})"
    if row.operation_kind not in GIVES_WAY:
        return f"{under_way}: give it up, or wait for its end, and run this again"
    try:
        interrupt(session, row.operation_id)
    except NotAbandonable as error:
        return f"{under_way}: {error}"
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
