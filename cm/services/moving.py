"""
Use cases of moving VMs: a node is emptied by an operation (``operations/node_evacuate.py``) that waits for a move of
each VM, whose place is claimed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, cast

from sqlalchemy.orm import Session

from cm.results.node import Evacuation, LeftVM, MovingVM
from cm.rpc.errors import CannotMigrate, Conflict, NoCapacity
from cm.rpc.vocabulary import CauseKind, NodeMode, VMState, Wanted
from cm.rules.cause import Cause
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.placement import NodeLoad
from cm.rules.vm import GONE
from cm.services.context import ClusterCall, ClusterPolicy
from cm.services.migrating import COLD, LIVE, How, Moving, open_migration, reserve_live
from cm.services.node import set_mode
from cm.services.reserving import reserve_place
from cm.store.affinity_group import affinity_groups_of, hold_affinity_groups
from cm.store.children import adopt
from cm.store.migration import Way, ways
from cm.store.moving import list_departing, lock_departing
from cm.store.node import get_node
from cm.store.node_load import node_loads
from cm.store.operation import open_operation
from cm.store.operation_object import find_holder
from cm.store.vm import VMRow, get_vm, render_vm
from cm.store.vm_state import want

DISK_ON_NODE: Final = "disk_on_node"
MOVES: Final[Mapping[OperationKind, str]] = {OperationKind.VM_MOVE: COLD, OperationKind.VM_MIGRATE: LIVE}


@dataclass(eq=False)
class NotEmptied(Conflict):
    """Some moves of an evacuation failed, or were given up."""

    code = "node_not_emptied"
    message = "Of {moves} VMs that were to leave node {node_id} these were not moved: {stayed}."
    node_id: int
    moves: int
    stayed: str


@dataclass(frozen=True)
class Left:
    """A VM that stays as it is, and why; ``code``: ``DISK_ON_NODE``, or empty."""

    vm_id: int
    name: str
    state: str
    reason: str
    code: str
    operation_id: int | None


def evacuate(
    caller: ClusterCall, node_id: int, live: bool = True, mode: NodeMode = NodeMode.DRAINING, reason: str = ""
) -> Evacuation:
    """
    Lock a node and have its VMs run elsewhere: a place is claimed for every VM that has one, and an operation opened
    that waits for their moves. Those without a place are named with the reason, and go on as they are. What an earlier
    run left half-way goes on; one that is at work already gets what it does not move yet.

    :param live: false: no guest goes on while it is moved.
    :param mode: of the node from now on; one in maintenance, or disabled, stays so.
    :param reason: why.
    :raises ObjectNotFound: there is no such node.
    """
    session = caller.session
    node = get_node(session, node_id)
    # The operation before the VMs, as where it is worked; VMs before nodes: the order of those who place them.
    emptying = find_holder(session, ObjectKind.NODE, node_id, lock=True)
    opened = None if emptying is None else emptying.id
    lock_departing(session, node_id)
    if mode is NodeMode.DRAINING and node["mode"] in (NodeMode.MAINTENANCE, NodeMode.DISABLED):
        mode = NodeMode(node["mode"])
    if node["mode"] != mode or reason or caller.if_version is not None:
        set_mode(caller, node_id, mode, reason)

    def parent() -> int:
        nonlocal opened
        if opened is None:
            opened = open_operation(
                session,
                OperationKind.NODE_EVACUATE,
                account_id=caller.account_id or None,
                objects={ObjectKind.NODE: [node_id]},
                node_id=node_id,
                arguments={LIVE: live},
                cause=caller.cause,
            )
        return opened

    moving, left = empty_node(session, node_id, caller.policy, caller.account_id or None, parent, live)
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
    session: Session,
    node_id: int,
    policy: ClusterPolicy,
    account_id: int | None,
    parent: Callable[[], int],
    live: bool = True,
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
    known = ways(session)
    departing = list_departing(session, node_id)
    hold_affinity_groups(session, affinity_groups_of(session, [found.id for found in departing]))
    for found in departing:
        row = get_vm(session, found.id, lock=True)
        if row.operation_kind is not None and row.operation_id is not None and row.operation_kind in MOVES:
            place = row.moves_to or (row.node_id if row.node_id != node_id else None)
            adopt(session, row.operation_id, parent())
            name = known[place].name if place is not None and place in known else None
            how = MOVES[row.operation_kind]
            moving.append(Moving(row.id, row.name, row.state, place, name, row.operation_id, True, how))
            continue
        reason = _stays(row, node_id, found.move_failed and row.seen in GONE, found.move_id, live)
        if reason is None:
            continue
        code = ""
        if not reason and found.kept_on:
            code = DISK_ON_NODE
            reason = f"its disk is on the node's own storage {found.kept_on}: it cannot move"
        why_cold = ""
        if not reason:
            try:
                loads, why_cold = _reserve(session, row, policy, node_id, loads, known, live)
            except NoCapacity as error:
                reason = f"no other node takes it: {error.reason}"
        if reason:
            left.append(Left(row.id, row.name, row.state, reason, code, row.operation_id))
            continue
        place = get_vm(session, row.id).moves_to
        assert place is not None
        goes_on = live and not why_cold
        if goes_on:
            cause = Cause(CauseKind.OPERATION, str(parent()))
            operation_id = open_migration(
                session, row, policy, How(), account_id=account_id, cause=cause, parent_id=parent()
            )
            render_vm(session, row.id)
        else:
            operation_id = _open(session, row, node_id, account_id, parent())
        how = LIVE if goes_on else COLD
        moving.append(
            Moving(row.id, row.name, row.state, place, known[place].name, operation_id, False, how, why_cold)
        )
    return moving, left


def _reserve(
    session: Session,
    row: VMRow,
    policy: ClusterPolicy,
    node_id: int,
    loads: Iterable[NodeLoad],
    known: Mapping[int, Way],
    live: bool,
) -> tuple[Iterable[NodeLoad], str]:
    """
    Claim a place where the VM's guest goes on, else one where it is started.

    :return: the snapshot with the claim in it, and why it is not to go on.
    :raises NoCapacity: there is neither.
    """
    why = ""
    if live and row.node_id != node_id:
        why = "its move was left half-way, and it is off"
    elif live:
        try:
            return reserve_live(session, row, policy, loads=loads, known=known, emptying=True), ""
        except CannotMigrate as error:
            why = error.reason
        except NoCapacity as error:
            why = error.reason
        if row.state is VMState.PAUSED:
            raise NoCapacity(f"it is paused, so it has to go on: {why}")
    return reserve_place(session, row, policy, without=node_id, loads=loads, emptying=True), why


def _stays(row: VMRow, node_id: int, half_way: bool, given_up: int | None, live: bool) -> str | None:
    """Why a VM of a node is not moved; "": it is to be; None: it is no concern of that node's any more."""
    if row.operation_id is not None:
        return f"{row.operation_kind} is under way (operation {row.operation_id}); run this again after it"
    if half_way or row.state is VMState.RUNNING and row.node_id == node_id:
        return ""
    if row.node_id not in (node_id, None) and row.state not in (VMState.ERROR, VMState.PENDING):
        return None  # what a move had left, somebody has started since
    if row.state is VMState.PAUSED and live and row.node_id == node_id:
        return ""
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
