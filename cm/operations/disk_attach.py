"""
Attaching disks to VMs, and detaching them. What a VM has its attachments say, from when it was asked for an attach, to
when it was seen that its domain has it no more; of a VM that is off they are all there is to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.node import INode
from cm.operations.base import Kind, Wait, Work, others_stopped, register, vm_of
from cm.operations.left_job import end_left_job
from cm.operations.vm_launch import placed_disk
from cm.operations.vm_power import settle_end
from cm.rpc.errors import CloudError, DiskKept, DomainNotRunning, ObjectNotFound
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.vm import GONE
from cm.runtime.wall import unix_seconds
from cm.services.attaching import take_back
from cm.services.evidence import rest_by_evidence
from cm.store.attachment import delete_place, mark_leaving, places_of
from cm.store.disk import touch_disk
from cm.store.domain import DiskPlan, disk_plan, disks_of
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects, others_at_work
from cm.store.vm import VMRow, find_vm

ASKED_AT = "asked_at"  # when the guest was first asked
AGAIN_S = 1.0  # between looks at a guest that takes its time; in early boot it has to be asked again


@dataclass(frozen=True)
class Plugged:
    """A disk of a VM that runs."""

    uuid: str
    node_id: int
    disk: DiskPlan


def disk_of(op: OperationRow) -> int:
    return op.get(ObjectKind.DISK)


def _plugged(session: Session, row: VMRow, op: OperationRow) -> Plugged | None:
    """
    :return: None where the VM is off: its next start takes the record.
    :raises Wait: another worker has not stopped at the VM yet.
    :raises ObjectNotFound: it has that disk no more.
    """
    if others_at_work(session, ObjectKind.VM, row.id, op.id):
        raise others_stopped(ObjectKind.VM, row.id)
    if row.seen in GONE or row.node_id is None:
        return None
    device = next((place.device for place in places_of(session, row.id) if place.disk_id == disk_of(op)), None)
    for found in disks_of(session, row.id):
        if found.device == device:
            return Plugged(row.uuid, row.node_id, disk_plan(found))
    raise ObjectNotFound("attachment of disk", disk_of(op))


@job(Pace.SLOW, DEADLINE_S)
def plug(node: INode, plan: Plugged) -> None:
    """On the node's threads."""
    node.disks.attach(plan.uuid, placed_disk(node, plan.disk))


async def attach(work: Work) -> None:
    """Give it to the domain that runs; one that has ended meanwhile has it when it is started."""
    plan = await work.db_vm(_plugged, work.op)
    if plan is not None:
        try:
            await work.node(plan.node_id).run(plug, plan)
        except DomainNotRunning:
            pass
    await work.complete(_attached, work.op)


def _attached(session: Session, op: OperationRow) -> None:
    touch_disk(session, disk_of(op))
    settle_end(session, op)


async def detach(work: Work) -> None:
    """Ask the guest for it until it is gone from the domain; what a call answers says nothing."""
    plan = await work.db_vm(_plugged, work.op)
    if plan is not None:
        await _ask(work, plan)
    await work.complete(_detached, work.op)


async def _ask(work: Work, plan: Plugged) -> None:
    """
    :raises Wait: the guest has not let go of it yet.
    :raises DiskKept: and has had its time.
    """
    node = work.node(plan.node_id)
    disks = node.disks
    try:
        if ASKED_AT not in work.arguments and await disks.look(plan.uuid, plan.disk.device) is not None:
            await end_left_job(node, plan.uuid, plan.disk.device)  # of one that is gone nobody could say
        await disks.detach(plan.uuid, plan.disk.device)
        if await disks.look(plan.uuid, plan.disk.device) is None:
            return
    except DomainNotRunning:
        return
    asked_at = work.arguments.get(ASKED_AT) or unix_seconds()
    patience = work.services.policy.detach_s
    if unix_seconds() - asked_at >= patience:
        raise DiskKept(disk_of(work.op), patience)
    reason = f"The guest was asked to let go of the disk and has {patience:g} s for it."
    raise Wait(AGAIN_S, reason, asked_at=asked_at)


def _detached(session: Session, op: OperationRow) -> None:
    delete_place(session, vm_of(op), disk_of(op))
    touch_disk(session, disk_of(op))
    settle_end(session, op)


@register
class DiskAttach(Kind):
    kind = OperationKind.DISK_ATTACH
    steps = {"attach": attach}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        self._undo(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        self._undo(session, op)

    def _undo(self, session: Session, op: OperationRow) -> None:
        """Whether the domain has it may not be known: where it runs, it is asked for until it is seen to be gone."""
        row = find_vm(session, vm_of(op), lock=True)
        if row is None or row.closed_at is not None:
            return
        if row.seen in GONE or row.node_id is None:
            delete_place(session, row.id, disk_of(op))
            touch_disk(session, disk_of(op))
            rest_by_evidence(session, op, by_policy=True)
        else:
            take_back(session, row, disk_of(op), op.account_id, Cause(CauseKind.OPERATION, str(op.id)))

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """:raises ObjectNotFound: it was taken back; attach it anew."""
        if all(place.disk_id != disk_of(op) for place in places_of(session, vm_of(op))):
            raise ObjectNotFound("attachment of disk", disk_of(op))
        mark_leaving(session, vm_of(op), disk_of(op), False)
        return {}


@register
class DiskDetach(Kind):
    kind = OperationKind.DISK_DETACH
    notes = (ASKED_AT,)
    steps = {"detach": detach}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """It stays attached; should the guest let go of it later, that is found by looking (``leaving``)."""
        self._keep(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        self._keep(session, op)

    def _keep(self, session: Session, op: OperationRow) -> None:
        touch_disk(session, disk_of(op))
        rest_by_evidence(session, op, by_policy=True)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """:raises ObjectNotFound: it is detached."""
        if all(place.disk_id != disk_of(op) for place in places_of(session, vm_of(op))):
            raise ObjectNotFound("attachment of disk", disk_of(op))
        mark_leaving(session, vm_of(op), disk_of(op), True)
        return {}
