"""
Use cases of moving VMs: a node is emptied by an operation (``operations/node_evacuate.py``) that waits for a move of
each VM, whose place is claimed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Final, cast

from sqlalchemy.orm import Session

from cm.results.node import Evacuation, LeftVM, MovingVM
from cm.rpc.errors import Conflict, NoCapacity, NoFreePort
from cm.rpc.vocabulary import CauseKind, VMState, Wanted
from cm.rules.cause import Cause
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.placement import NodeLoad, VMRequest
from cm.rules.vm import GONE
from cm.services.context import ClusterCall, ClusterPolicy
from cm.services.node import set_locked
from cm.services.placement import Placing
from cm.store.children import adopt
from cm.store.claim import claim_target
from cm.store.link import links_changed
from cm.store.moving import list_departing, lock_departing
from cm.store.node import get_node
from cm.store.node_load import node_loads
from cm.store.operation import open_operation
from cm.store.operation_object import find_holder
from cm.store.placement import needs_of, record_placement
from cm.store.vm import VMRow, get_vm, render_vm
from cm.store.vm_state import want

DISK_ON_NODE: Final = "disk_on_node"


@dataclass(eq=False)
class NotEmptied(Conflict):
    """Some moves of an evacuation failed, or were given up."""

    code = "node_not_emptied"
    message = "Of {moves} VMs that were to leave node {node_id} these were not moved: {stayed}."
    node_id: int
    moves: int
    stayed: str


@dataclass(frozen=True)
class Moving:
    """A VM that is being moved. ``state``: as it was found; ``node_id``: None where no place is claimed yet."""

    vm_id: int
    name: str
    state: str
    node_id: int | None
    node: str | None
    operation_id: int
    begun: bool  # before this call


@dataclass(frozen=True)
class Left:
    """A VM that stays as it is, and why; ``code``: ``DISK_ON_NODE``, or empty."""

    vm_id: int
    name: str
    state: str
    reason: str
    code: str
    operation_id: int | None


def reserve_place(
    session: Session, row: VMRow, policy: ClusterPolicy, *, without: int, loads: Iterable[NodeLoad] | None = None
) -> Iterable[NodeLoad]:
    """
    Choose the node that a VM is to move to, and claim its share and a port of it. The VM's row is locked.

    :param without: the node that it leaves.
    :param loads: a snapshot of this transaction to begin with.
    :return: the snapshot with the claim in it.
    :raises NoCapacity: no other node takes it; nothing is claimed then.
    """
    storages, links, uplinks = needs_of(session, row.id)
    request = VMRequest(row.cpu, row.memory_mib, storages, links=links, uplinks=uplinks)
    left = [node for node in (node_loads(session) if loads is None else loads) if node.id != without]
    while True:
        try:
            with session.begin_nested():
                placing = Placing(session, policy.placement, left, without=without)
                decision = placing.choose(request)
                claim_target(session, row.id, decision.node_id)
        except NoFreePort as error:
            left = [node for node in left if node.id != error.node_id]
            if not left:
                raise NoCapacity(str(error)) from error
            continue
        record_placement(session, row.id, decision.node_id, decision)
        if links:
            links_changed(session, row.id)
        return placing.loads()


def evacuate(caller: ClusterCall, node_id: int) -> Evacuation:
    """
    Lock a node and have its VMs run elsewhere: a place is claimed for every VM that has one, and an operation opened
    that waits for their moves. Those without a place are named with the reason, and go on as they are. What an earlier
    run left half-way goes on; one that is at work already gets what it does not move yet.

    :raises ObjectNotFound: there is no such node.
    """
    session = caller.session
    node = get_node(session, node_id)
    # The operation before the VMs, as where it is worked; VMs before nodes: the order of those who place them.
    emptying = find_holder(session, ObjectKind.NODE, node_id, lock=True)
    opened = None if emptying is None else emptying.id
    lock_departing(session, node_id)
    if not node["locked"] or caller.if_version is not None:
        set_locked(caller, node_id, True)

    def parent() -> int:
        nonlocal opened
        if opened is None:
            opened = open_operation(
                session,
                OperationKind.NODE_EVACUATE,
                account_id=caller.account_id or None,
                objects={ObjectKind.NODE: [node_id]},
                node_id=node_id,
                cause=caller.cause,
            )
        return opened

    moving, left = empty_node(session, node_id, caller.policy, caller.account_id or None, parent)
    for move in moving:
        caller.note("move", **{**asdict(move), "operation_id": move.operation_id if move.begun else None})
    for stay in left:
        caller.note("leave", **asdict(stay))
    return {
        "node_id": node_id,
        "node": node["name"],
        "operation_id": opened,
        "moving": [cast(MovingVM, asdict(move)) for move in moving],
        "left": [cast(LeftVM, asdict(stay)) for stay in left],
    }


def empty_node(
    session: Session, node_id: int, policy: ClusterPolicy, account_id: int | None, parent: Callable[[], int]
) -> tuple[list[Moving], list[Left]]:
    """
    Claim a place for every VM of a node that is to move and has one, and open its move. Their rows are locked.

    Big VMs choose first: small ones fit into what is left.

    :param account_id: who asked.
    :param parent: gives the operation that waits for the moves, whose row is locked; asked for only if there are any.
    """
    moving: list[Moving] = []
    left: list[Left] = []
    loads: Iterable[NodeLoad] = [load for load in node_loads(session) if load.id != node_id]
    names = {load.id: load.name for load in loads}
    for found in list_departing(session, node_id):
        row = get_vm(session, found.id, lock=True)
        if row.operation_kind == OperationKind.VM_MOVE and row.operation_id is not None:
            place = row.moves_to or (row.node_id if row.node_id != node_id else None)
            adopt(session, row.operation_id, parent())
            moving.append(
                Moving(row.id, row.name, row.state, place, names.get(place) if place else None, row.operation_id, True)
            )
            continue
        reason = _stays(row, node_id, found.move_failed and row.seen in GONE, found.move_id)
        if reason is None:
            continue
        code = ""
        if not reason and found.kept_on:
            code = DISK_ON_NODE
            reason = f"its disk is on the node's own storage {found.kept_on}: it cannot move"
        if not reason:
            try:
                loads = reserve_place(session, row, policy, without=node_id, loads=loads)
            except NoCapacity as error:
                reason = f"no other node takes it: {error.reason}"
        if reason:
            left.append(Left(row.id, row.name, row.state, reason, code, row.operation_id))
            continue
        place = get_vm(session, row.id).moves_to
        assert place is not None
        operation_id = _open(session, row, node_id, account_id, parent())
        moving.append(Moving(row.id, row.name, row.state, place, names[place], operation_id, False))
    return moving, left


def _stays(row: VMRow, node_id: int, half_way: bool, given_up: int | None) -> str | None:
    """Why a VM of a node is not moved; "": it is to be; None: it is no concern of that node's any more."""
    if row.operation_id is not None:
        return f"{row.operation_kind} is under way (operation {row.operation_id}); run this again after it"
    if half_way or row.state is VMState.RUNNING and row.node_id == node_id:
        return ""
    if row.node_id not in (node_id, None) and row.state not in (VMState.ERROR, VMState.PENDING):
        return None  # what a move had left, somebody has started since
    if row.state is VMState.PAUSED:
        return "it is paused, and its memory would be lost: resume or stop it first"
    if row.state is VMState.STOPPED:
        return (
            f"its move was given up half-way (operation {given_up}), so it is stopped: start it" if given_up else None
        )
    return f"it is {row.state}: settle that first" + (f" ({row.error})" if row.error else "")


def _open(session: Session, row: VMRow, source: int, account_id: int | None, parent_id: int) -> int:
    operation_id = open_operation(
        session,
        OperationKind.VM_MOVE,
        account_id=account_id,
        objects={ObjectKind.VM: [row.id]},
        node_id=row.node_id,
        parent_id=parent_id,
        arguments={"source": source, "launches": row.launches},
        cause=Cause(CauseKind.OPERATION, str(parent_id)),
    )
    want(session, row.id, Wanted.RUNNING)
    render_vm(session, row.id)
    return operation_id
