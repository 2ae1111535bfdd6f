"""
Use cases of moving running VMs to another node while their guests go on (``operations/vm_migrate.py``): which nodes a
guest may go to, and that its way ends early.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, cast

from sqlalchemy.orm import Session

from cm.results.node import MovingVM
from cm.rpc.errors import CannotMigrate, NoCapacity, ObjectNotFound, VMBusy, WrongVMState
from cm.rpc.vocabulary import VMState, Wanted
from cm.rules.cause import Cause
from cm.rules.migration import differs
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.rules.placement import NodeLoad
from cm.services.context import ClusterCall, ClusterPolicy
from cm.services.reserving import reserve_place
from cm.store.claim import release_node, take_target
from cm.store.migration import Way, kept_on, ways
from cm.store.operation import open_operation
from cm.store.vm import VMRow, get_vm, render_vm
from cm.store.vm_state import place_nowhere, want
from cm.store.waking import wake_vm
from cm.store.worker import note_begun

# In the arguments: which node it leaves, and which one it is to go to, if that was said.
SOURCE: Final = "source"
TARGET: Final = "target"
LIMIT: Final = "limit_mib_s"
POST_COPY: Final = "post_copy"
TIMEOUT: Final = "timeout_s"
# Notes: the node that it was begun to; that it is to end; which of the two nodes are off (``services/fencing.py``).
BEGUN: Final = "begun"
ABORT: Final = "abort"
LOST: Final = "lost"
LIVE, COLD = "live", "cold"


@dataclass(frozen=True)
class How:
    """
    How a running VM goes to another node. What is None the cluster's settings say.

    :ivar limit_mib_s: how much of its memory may be sent in a second; 0: as much as goes.
    :ivar post_copy: whether a guest that writes faster than that goes on at the other node before all has come: it
        stands still for short, and is lost where either node fails then.
    :ivar timeout_s: after which it stays, or goes on there all the same.
    """

    limit_mib_s: int | None = None
    post_copy: bool | None = None
    timeout_s: float | None = None

    def arguments(self, policy: ClusterPolicy) -> dict[str, float | bool]:
        return {
            LIMIT: policy.migration_mib_s if self.limit_mib_s is None else self.limit_mib_s,
            POST_COPY: policy.migration_post_copy if self.post_copy is None else self.post_copy,
            TIMEOUT: policy.migration_s if self.timeout_s is None else self.timeout_s,
        }


def unfit(session: Session, row: VMRow, known: Mapping[int, Way]) -> dict[int, str]:
    """
    Nodes that a VM cannot go to while it runs, and why; the others placement judges.

    :param known: ``ways``.
    :raises CannotMigrate: it can go nowhere.
    """
    assert row.node_id is not None
    source = known[row.node_id]
    _refuse_kept(session, row.id)
    found = {}
    for way in known.values():
        if way.id != source.id:
            why = differs(source.info, way.info)
            if not way.uri:
                why = "it is not known where other nodes reach its hypervisor: give it a migration_uri"
            if why:
                found[way.id] = why
    return found


def _refuse_kept(session: Session, vm_id: int) -> None:
    """:raises CannotMigrate: something of it is where no other node gets at it."""
    kept = kept_on(session, vm_id)
    if kept is None:
        return
    why = f"a disk of it is on its node's own storage {kept.storage}: move that first"
    if not kept.disk:
        why = f"what its UEFI keeps is on its node's own storage {kept.storage}, and follows its disk at its next start"
    raise CannotMigrate(vm_id, "another node", why)


def reserve_live(
    session: Session,
    row: VMRow,
    policy: ClusterPolicy,
    node_id: int | None = None,
    *,
    loads: Iterable[NodeLoad] | None = None,
    known: Mapping[int, Way] | None = None,
    emptying: bool = False,
) -> Iterable[NodeLoad]:
    """
    As ``reserve_place``, at a node where the guest may go on.

    :param node_id: this one and no other.
    :raises CannotMigrate: it can go nowhere, or not there.
    :raises NoCapacity: no node that it could go to takes it.
    """
    known = ways(session) if known is None else known
    refused = unfit(session, row, known)
    assert row.node_id is not None
    if node_id is not None and node_id in refused:
        raise CannotMigrate(row.id, known[node_id].name, refused[node_id])
    only = {each for each in known if each not in refused and node_id in (None, each)}
    try:
        return reserve_place(session, row, policy, without=row.node_id, loads=loads, only=only, emptying=emptying)
    except NoCapacity as error:
        if node_id is None and refused:
            told = "; ".join(f"{known[each].name}: {why}" for each, why in sorted(refused.items())[:3])
            raise NoCapacity(f"{error.reason}; {told}") from error
        raise


def move_in(session: Session, vm_id: int) -> int:
    """
    Have a VM be placed where it is going to, and there alone.

    :return: that node.
    """
    release_node(session, vm_id)
    place_nowhere(session, vm_id)
    node_id = take_target(session, vm_id)
    assert node_id is not None
    return node_id


def open_migration(
    session: Session,
    row: VMRow,
    policy: ClusterPolicy,
    how: How,
    *,
    account_id: int | None,
    cause: Cause,
    target: int | None = None,
    parent_id: int | None = None,
) -> int:
    """Its place is claimed. :param target: that somebody asked for."""
    assert row.node_id is not None
    return open_operation(
        session,
        OperationKind.VM_MIGRATE,
        account_id=account_id,
        objects={ObjectKind.VM: [row.id]},
        node_id=row.node_id,
        parent_id=parent_id,
        arguments={SOURCE: row.node_id, TARGET: target, **how.arguments(policy)},
        cause=cause,
    )


def _movable(caller: ClusterCall, vm_id: int, kind: OperationKind) -> VMRow:
    """:raises WrongVMState: VMBusy: it cannot be moved now."""
    row = get_vm(caller.session, vm_id, lock=True, version=caller.if_version)
    if row.operation_id is not None:
        raise VMBusy(row.id, row.operation_id, str(row.operation_kind))
    if row.closed_at is not None or row.node_id is None or row.state not in SPECS[kind].allowed - {VMState.ERROR}:
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(SPECS[kind].allowed - {VMState.ERROR})))
    return row


def migrate(caller: ClusterCall, vm_id: int, node_id: int | None, live: bool, how: How) -> MovingVM:
    """
    Have a running VM go to another node. Its place is claimed, and whatever is known to be in its way is told before
    anything is done.

    :param node_id: which; None: as placement chooses.
    :param live: its guest goes on; False: its power is cut, and it is started there.
    :raises ObjectNotFound: there is no such VM, or node.
    :raises VMBusy: WrongVMState: it cannot be moved now.
    :raises CannotMigrate: it cannot go there while it runs.
    :raises NoCapacity: no other node takes it, or that one does not.
    """
    session, policy = caller.session, caller.policy
    kind = OperationKind.VM_MIGRATE if live else OperationKind.VM_MOVE
    row = _movable(caller, vm_id, kind)
    source = row.node_id
    assert source is not None
    known = ways(session)
    if node_id is not None and node_id not in known:
        raise ObjectNotFound("node", node_id)
    if node_id == source:
        raise CannotMigrate(vm_id, known[source].name, "it runs there already")
    account_id = caller.account_id or None
    if live:
        reserve_live(session, row, policy, node_id, known=known)
        operation_id = open_migration(
            session, row, policy, how, account_id=account_id, cause=caller.cause, target=node_id
        )
    else:
        _refuse_kept(session, vm_id)
        reserve_place(session, row, policy, without=source, only=None if node_id is None else {node_id})
        operation_id = open_operation(
            session,
            kind,
            account_id=account_id,
            objects={ObjectKind.VM: [vm_id]},
            node_id=source,
            arguments={SOURCE: source, "launches": row.launches},
            cause=caller.cause,
        )
        want(session, vm_id, Wanted.RUNNING)
    render_vm(session, vm_id)
    place = get_vm(session, vm_id).moves_to
    assert place is not None
    moving = Moving(vm_id, row.name, row.state, place, known[place].name, operation_id, False, LIVE if live else COLD)
    caller.note("move", **{**asdict(moving), "operation_id": None})
    return cast(MovingVM, asdict(moving))


@dataclass(frozen=True)
class Moving:
    """
    A VM that is being moved. ``state``: as it was found; ``node_id``: None where no place is claimed yet.

    :ivar begun: before this call.
    :ivar how: ``LIVE`` or ``COLD``. ``why_cold``: why not the former; "" where nobody asked for that.
    """

    vm_id: int
    name: str
    state: str
    node_id: int | None
    node: str | None
    operation_id: int
    begun: bool
    how: str = COLD
    why_cold: str = ""


def abort(caller: ClusterCall, vm_id: int) -> int:
    """
    Have a VM stay where it is that is on its way to another node while it runs. The operation ends, as failed, once
    both nodes have told that it does; where its guest is there already, it ends well.

    :return: the operation.
    :raises WrongVMState: it is on no such way.
    """
    session = caller.session
    row = get_vm(session, vm_id, lock=True, version=caller.if_version)
    if row.operation_id is None or row.operation_kind is not OperationKind.VM_MIGRATE:
        raise WrongVMState(vm_id, row.state, "on its way to another node while it runs")
    note_begun(session, row.operation_id, ABORT)
    wake_vm(session, vm_id)
    caller.note("abort", vm_id=vm_id, operation_id=row.operation_id)
    return row.operation_id
