"""
Suspending a VM: its memory is written to its storage, its domain ends, and its share of its node goes back.

libvirt writes a mark when all is there, and ends the domain after that, for a reason of its own (``SeenReason.SAVED``).
By this reason alone the memory is taken for whole and for the newest: a guest that was there after it was written has
gone on, be it for a moment, and with it its disks. So a VM whose node tells another end is one that has ended, and what
was written is deleted. libvirt goes on writing by itself: a manager that takes it over finds it under way, or over.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.node import INode
from cm.operations.anew import make_anew
from cm.operations.base import Kind, Wait, Work, others_stopped, register, vm_of
from cm.operations.left_job import end_left_job
from cm.rpc.errors import (
    CloudError,
    DomainNotRunning,
    HypervisorError,
    NotAbandonable,
    NotSupported,
    ObjectNotFound,
    StorageFull,
    SuspensionFailed,
    WrongVMState,
)
from cm.rpc.vocabulary import CauseKind, Seen, SeenReason
from cm.rules.cause import Cause
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.rules.vm import GONE
from cm.services.evidence import record_look, rest_by_evidence
from cm.services.release import rest_stopped
from cm.services.suspension import claim_memory, forget_memory
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects, others_at_work
from cm.store.suspension import SuspensionRow, find_suspension, write_saved
from cm.store.vm import VMRow, get_vm
from cm.store.vm_state import write_error_unless_on
from cm.store.waking import awaited

BEGUN: Final = "begun"  # note: its node may have been asked
LOOK_S: Final = 0.5  # between looks at one under way
WRITING: Final = "Its memory is being written."
SAVED: Final = 90  # percent


def _alone(session: Session, row: VMRow, op: OperationRow) -> VMRow:
    """:raises Wait: another worker has not stopped at the VM yet."""
    if others_at_work(session, ObjectKind.VM, row.id, op.id):
        raise others_stopped(ObjectKind.VM, row.id)
    return row


def _memory(session: Session, vm_id: int) -> SuspensionRow:
    found = find_suspension(session, vm_id)
    if found is None:
        raise ObjectNotFound("memory of vm", vm_id)
    return found


def _anew(session: Session, op: OperationRow) -> SuspensionRow:
    make_anew(session, op, _memory(session, vm_of(op)).volume_id)
    return _memory(session, vm_of(op))


def _it_ended(row: VMRow) -> SuspensionFailed:
    return SuspensionFailed(row.id, "its guest has ended")


# ------------------------------------------------------------------ steps


async def save(work: Work) -> None:
    """Have its memory be written: done once the domain has ended by that."""
    row = await work.db_vm(_alone, work.op)
    if row.node_id is None:
        raise _it_ended(row)
    node, begun = work.node(row.node_id), bool(work.arguments.get(BEGUN))
    seen = await node.hypervisor.look(row.uuid)
    if seen.state in GONE:
        recorded = await work.db(record_look, row.id, None, row.launched_at, seen.state, seen.reason)
        if recorded == "changed":
            raise Wait(0.0, "")
        if begun and seen.reason is SeenReason.SAVED:
            await work.db(write_saved, row.id)
            await work.progress(SAVED)
            return
        raise _it_ended(row)
    if seen.state is Seen.PAUSED and seen.reason is SeenReason.SAVE:
        raise Wait(LOOK_S, WRITING, on=awaited(ObjectKind.VM, row.id))
    if not begun:
        note: dict[str, Any] = {BEGUN: True}
        raise Wait(0.0, "", **note)
    memory = await work.db(_anew, work.op)
    try:
        await node.suspensions.save(row.uuid, *memory.place)
    except DomainNotRunning:
        raise Wait(0.0, "") from None
    except (HypervisorError, NotSupported, StorageFull) as error:
        await _let_go_on(work, row)
        if isinstance(error, HypervisorError):
            await _end_left_jobs(work, row)
        if isinstance(error, StorageFull):
            raise StorageFull(memory.storage_id, 0, memory.claimed_bytes) from None
        raise
    raise Wait(0.0, WRITING)


async def _let_go_on(work: Work, row: VMRow) -> None:
    """It was refused: should its guest stand still for that, it does no more."""
    assert row.node_id is not None
    node = work.node(row.node_id)
    if (await node.hypervisor.look(row.uuid)).state is Seen.PAUSED:
        try:
            await node.hypervisor.resume(row.uuid)
        except DomainNotRunning:
            raise Wait(0.0, "") from None


async def _end_left_jobs(work: Work, row: VMRow) -> None:
    """
    Nobody's memory is written while a job is on one of its disks, and whoever has a VM to itself has the jobs that are
    still there, too: they are of work that was given up.

    :raises Wait: there was one, so that its node is to be asked again.
    """
    assert row.node_id is not None
    node = work.node(row.node_id)
    domain = await node.hypervisor.describe(row.uuid)
    for disk in () if domain is None else domain.disks:
        try:
            await end_left_job(node, row.uuid, disk.device)
        except DomainNotRunning:
            raise Wait(0.0, "") from None


async def rest(work: Work) -> None:
    """Forget its definition, so that nobody starts it from its disks, and give its node's share back."""
    row = await work.db_vm(_alone, work.op)
    if row.node_id is not None and not await work.node(row.node_id).run(forget_domain, row.uuid):
        raise SuspensionFailed(row.id, "somebody has started it on its node since")
    await work.complete(rest_stopped, row.id)


@job(Pace.SLOW, DEADLINE_S)
def forget_domain(node: INode, uuid: str) -> bool:
    """On the node's threads. :return: whether it was off all the time."""
    node.hypervisor.undefine(uuid)
    return node.hypervisor.look(uuid).state in GONE


@register
class VMSuspend(Kind):
    kind = OperationKind.VM_SUSPEND
    notes = (BEGUN,)
    steps = {"save": save, "rest": rest}

    def tried(self, op: OperationRow, error: CloudError) -> dict[str, Any]:
        """What its node has answered is not asked again; until it has, as often as it takes."""
        if isinstance(error, (HypervisorError, NotSupported, StorageFull, SuspensionFailed)):
            raise error
        return {}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """
        Its guest goes on, or has ended: then what follows is its policy's. Where its memory is written, and its node
        was not heard of since, it is suspended all the same, though it holds its place there.
        """
        memory = find_suspension(session, vm_of(op))
        if memory is None or not memory.made or isinstance(error, SuspensionFailed):
            self._undo(session, op)
        write_error_unless_on(session, vm_of(op), error.for_user())

    def abandoned(self, session: Session, op: OperationRow) -> None:
        if op.arguments.get(BEGUN):
            raise NotAbandonable(op.id, op.kind, "its memory is being written, and it is awake or suspended soon")
        self._undo(session, op)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """
        What it had claimed is gone: it is claimed anew.

        :raises WrongVMState: it does not run now.
        :raises QuotaReached: StorageFull: StorageLocked: StorageDraining: NotSupported: it cannot be.
        """
        row = get_vm(session, vm_of(op))
        if row.closed_at is not None or row.state not in SPECS[self.kind].allowed:
            raise WrongVMState(row.id, row.state, " or ".join(sorted(SPECS[self.kind].allowed)))
        return claim_memory(session, row)

    def _undo(self, session: Session, op: OperationRow) -> None:
        forget_memory(session, vm_of(op), Cause(CauseKind.OPERATION, str(op.id)))
        rest_by_evidence(session, op, by_policy=True)
