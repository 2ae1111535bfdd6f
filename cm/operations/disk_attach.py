"""
Attaching disks to VMs, and detaching them. What a VM has its attachments say, from when it was asked for an attach, to
when it was seen that its domain has it no more; of a VM that is off they are all there is to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.node import INode
from cm.operations.base import Kind, Work, register, vm_of
from cm.operations.left_job import end_left_job
from cm.operations.plugging import ASKED_AT, PlugKind, let_go, node_of_domain
from cm.operations.vm_launch import placed_disk
from cm.operations.vm_power import settle_end
from cm.rpc.errors import CloudError, DiskKept, DomainNotRunning, ObjectNotFound
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.attaching import take_back
from cm.services.evidence import rest_by_evidence
from cm.store.attachment import delete_place, mark_leaving, places_of
from cm.store.disk import touch_disk
from cm.store.domain import DiskPlan, disk_plan, disks_of
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.vm import VMRow


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
    node_id = node_of_domain(session, row, op)
    if node_id is None:
        return None
    device = next((place.device for place in places_of(session, row.id) if place.disk_id == disk_of(op)), None)
    for found in disks_of(session, row.id):
        if found.device == device:
            return Plugged(row.uuid, node_id, disk_plan(found))
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
    """Ask the guest for it until it is gone from the domain."""
    plan = await work.db_vm(_plugged, work.op)
    if plan is not None:
        await _ask(work, plan)
    await work.complete(_detached, work.op)


async def _ask(work: Work, plan: Plugged) -> None:
    """
    :raises Wait: the guest has not let go of it yet.
    :raises DiskKept: it does not.
    """
    node, device = work.node(plan.node_id), plan.disk.device
    try:
        if ASKED_AT not in work.arguments and await node.disks.look(plan.uuid, device) is not None:
            await end_left_job(node, plan.uuid, device)  # of one that is gone nobody could say
    except DomainNotRunning:
        return
    await let_go(work, node.disks, plan.uuid, device, "the disk", partial(DiskKept, disk_of(work.op)))


def _detached(session: Session, op: OperationRow) -> None:
    delete_place(session, vm_of(op), disk_of(op))
    touch_disk(session, disk_of(op))
    settle_end(session, op)


@register
class DiskAttach(PlugKind):
    kind = OperationKind.DISK_ATTACH
    steps = {"attach": attach}

    def undo(self, session: Session, op: OperationRow, row: VMRow) -> None:
        """A domain that runs is asked for it until it is seen to be gone."""
        if row.runs_on is None:
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
