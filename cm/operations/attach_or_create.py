"""
One more disk for a VM that is there, by size: made as ``providing.py`` does it, and given to the domain where one runs.
The VM has it on record before its domain may, so whatever happens in between is found; what fails is taken back.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.operations.base import Work, register, vm_of
from cm.operations.disk_attach import Plugged, plug
from cm.operations.plugging import PlugKind, node_of_domain
from cm.operations.providing import forget_unmade, provide
from cm.operations.vm_power import settle_end
from cm.rpc.errors import CloudError, DomainNotRunning, WrongOperationState
from cm.rpc.vocabulary import CauseKind
from cm.rules.cause import Cause
from cm.rules.operation import OperationKind
from cm.services.attach_or_create import asked_in, reserve_again
from cm.services.attaching import take_back
from cm.services.evidence import rest_by_evidence
from cm.store.attachment import Place, delete_place, mark_leaving, places_of
from cm.store.domain import disk_plan, disks_of
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.reservation import find_provided, give_up_reservations
from cm.store.vm import VMRow, get_vm


async def attach(work: Work) -> None:
    """Give it to the domain that runs; one that is off, or has ended meanwhile, has it when it is started."""
    for plan in await work.db_vm(_plugged, work.op):
        try:
            await work.node(plan.node_id).run(plug, plan)
        except DomainNotRunning:
            pass


def _plugged(session: Session, row: VMRow, op: OperationRow) -> list[Plugged]:
    """:raises Wait: another worker has not stopped at the VM yet."""
    node_id = node_of_domain(session, row, op)
    if node_id is None:
        return []
    devices = {place.device for place in _made(session, op)}
    return [
        Plugged(row.uuid, node_id, disk_plan(found))
        for found in disks_of(session, row.id)
        if found.device in devices
    ]


def _made(session: Session, op: OperationRow) -> list[Place]:
    """What the operation has given the VM already."""
    numbers = asked_in(op.arguments)
    return [place for place in places_of(session, vm_of(op)) if place.number in numbers]


async def finish(work: Work) -> None:
    """The VM has it."""
    numbers = list(asked_in(work.op.arguments))
    result = await work.read(find_provided, vm_of(work.op), numbers)
    await work.complete(settle_end, work.op, result=result)


@register
class AttachOrCreate(PlugKind):
    kind = OperationKind.ATTACH_OR_CREATE
    steps = {"provide": provide, "attach": attach, "finish": finish}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        forget_unmade(session, op, error)
        super().failed(session, op, error)

    def undo(self, session: Session, op: OperationRow, row: VMRow) -> None:
        """
        A VM that is off keeps what is its own already. A domain that runs is asked for the disk until that is seen to
        be gone, and then its volume is free.
        """
        if not row.node_claimed:
            return
        disks = [place.disk_id for place in _made(session, op) if place.disk_id is not None]
        if row.runs_on is None:
            for disk_id in disks:
                delete_place(session, row.id, disk_id)
            rest_by_evidence(session, op, by_policy=True)
        elif disks:  # it is one
            take_back(session, row, disks[0], op.account_id, Cause(CauseKind.OPERATION, str(op.id)))

    def interrupted(self, session: Session, vm_id: int | None) -> None:
        """A worker may be at it still: what it comes to is looked at when it has stopped."""
        if vm_id is not None:
            give_up_reservations(session, vm_id)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """What is not reserved any more is reserved again. :raises NoStorage: QuotaReached: it cannot be."""
        vm = get_vm(session, vm_of(op))
        if vm.state not in self.spec.allowed:
            raise WrongOperationState(op.id, f"of a VM that is {vm.state}", " or ".join(sorted(self.spec.allowed)))
        for place in _made(session, op):
            if place.disk_id is not None:
                mark_leaving(session, vm.id, place.disk_id, False)
        reserve_again(session, vm, op)
        return {}
