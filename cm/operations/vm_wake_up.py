"""
Waking up a VM that is suspended: it is placed, its domain is there as it was and stands still, and then goes on.

Until it is told to go on nothing of its guest runs, so that its memory may be read as often as it takes, at whichever
node. Before it is told that the memory is on record no more: what is found from then on is what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import COPY_S, Pace, job
from cm.interfaces.node import INode
from cm.operations.base import Kind, Wait, Work, register, vm_of
from cm.operations.linking import await_links, look_for_links
from cm.operations.vm_end import remove_domain
from cm.operations.vm_launch import Launch, place, placed, prepare
from cm.rpc.errors import CloudError, DomainNotRunning, HypervisorError, NotSupported, WrongVMState
from cm.rpc.vocabulary import CauseKind, Seen, SeenReason, VMState, Wanted
from cm.rules.cause import Cause
from cm.rules.names import CONSOLE_DIRECTORY
from cm.rules.operation import OperationKind
from cm.rules.vm import GONE
from cm.services.context import ClusterPolicy
from cm.services.evidence import record_look, rest_by_evidence, screen_as_asked, settle
from cm.services.release import rest_stopped
from cm.services.suspension import forget_memory
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.suspension import SuspensionRow, find_suspension
from cm.store.vm import VMRow, get_vm
from cm.store.vm_state import intend, mark_launch, write_error, write_launched, write_up

READ: Final = 80  # percent


@dataclass(frozen=True)
class Waking:
    """:ivar memory: None: its guest may have gone on by now."""

    launch: Launch
    memory: SuspensionRow | None


def _waking(session: Session, row: VMRow, policy: ClusterPolicy) -> Waking | None:
    """None: it is placed nowhere, since an attempt came to nothing."""
    return None if row.node_id is None else Waking(prepare(session, row, policy), find_suspension(session, row.id))


# ------------------------------------------------------------------ steps


async def restore(work: Work) -> None:
    """Have its domain be there as it was, and stand still."""
    waking = await work.db_vm(_waking, work.services.policy)
    if waking is None:
        work.step = "place"
        raise Wait(0.0, "")
    launch, memory = waking.launch, waking.memory
    if memory is None:
        return
    await await_links(work, launch.node_id, launch.links)
    node = work.node(launch.node_id)
    there = (await node.hypervisor.look(launch.uuid)).state not in GONE
    if not there or launch.row.seen in GONE:
        await work.db(mark_launch, launch.row.id, [])
    if not there:
        try:
            await node.run(have_again, launch, memory.place)
        except (HypervisorError, NotSupported) as error:
            if isinstance(error, HypervisorError):
                await look_for_links(work, launch.node_id, launch.links, error)
            await node.run(remove_domain, launch.uuid)
            await work.db(rest_stopped, launch.row.id)
            raise
    await work.progress(READ)


@job(Pace.LASTING, COPY_S)
def have_again(node: INode, launch: Launch, memory: tuple[str, str]) -> None:
    """On the node's threads."""
    for network in launch.networks:
        node.networks.ensure(network)
    node.console_logs.ensure(CONSOLE_DIRECTORY)
    node.suspensions.restore(placed(node, launch.domain), *memory)


async def go_on(work: Work) -> None:
    """Have its guest go on. From here on its memory is of before."""
    row = await work.db_vm(_used, work.op)
    if row.node_id is None:  # its node is lost, and it had not gone on there
        work.step = "place"
        raise Wait(0.0, "")
    node = work.node(row.node_id)
    try:
        await node.hypervisor.resume(row.uuid)
    except DomainNotRunning:
        seen = await node.hypervisor.look(row.uuid)
        await work.db(record_look, row.id, None, row.launched_at, seen.state, seen.reason)
    await work.complete(_woken, work.op)


def _used(session: Session, row: VMRow, op: OperationRow) -> VMRow:
    found = find_suspension(session, row.id)
    if found is not None and row.node_id is not None:
        forget_memory(session, row.id, Cause(CauseKind.OPERATION, str(op.id)))
        if found.greeted:
            write_up(session, row.id)
    return row


def _woken(session: Session, op: OperationRow) -> None:
    cause = Cause(CauseKind.OPERATION, str(op.id))
    asked = write_launched(session, vm_of(op), looked=False, reason=SeenReason.RESTORED)
    row = get_vm(session, vm_of(op))
    if asked is None:
        settle(session, row, row.seen_reason, cause)
    elif asked:
        screen_as_asked(session, row, cause)


@register
class VMWakeUp(Kind):
    kind = OperationKind.VM_WAKE_UP
    steps = {"place": place, "restore": restore, "go_on": go_on}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """It stays suspended, and can be woken up again, unless its guest may have gone on."""
        if self._rests(session, op):
            write_error(session, vm_of(op), error.for_user())

    def abandoned(self, session: Session, op: OperationRow) -> None:
        self._rests(session, op)

    def _rests(self, session: Session, op: OperationRow) -> bool:
        """
        :return: whether its memory is there, and its newest. Its domain may be there, too, and stand still: it wakes up
            there then.
        """
        asleep = find_suspension(session, vm_of(op)) is not None
        if asleep and get_vm(session, vm_of(op)).seen in (Seen.RUNNING, Seen.PAUSED):
            asleep = not forget_memory(session, vm_of(op), Cause(CauseKind.OPERATION, str(op.id)))
        if asleep:
            intend(session, vm_of(op), Wanted.SUSPENDED)
        else:
            rest_by_evidence(session, op, by_policy=True)
        return asleep

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """:raises WrongVMState: it is not suspended any more."""
        row = get_vm(session, vm_of(op))
        if row.closed_at is not None or row.state is not VMState.SUSPENDED:
            raise WrongVMState(row.id, row.state, VMState.SUSPENDED)
        return {}
