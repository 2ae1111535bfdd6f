"""
Another size for a VM that runs. Memory comes in modules and goes in modules, which its guest has to let go of; CPUs
come, and go if the guest gives them back. What it does not give back in time it keeps, and then the VM is as large as
before: what was done of it is undone as far as a node can by itself, and counted as it is.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import SizingCalls
from cm.interfaces.sizing import DomainSize
from cm.operations.base import Kind, Wait, Work, register, vm_of
from cm.operations.plugging import AGAIN_S, ASKED_AT, node_of_domain
from cm.operations.vm_power import settle_end
from cm.rpc.errors import CloudError, DomainNotRunning, HypervisorError, NotSupported, SizeKept, WrongVMState
from cm.rpc.vocabulary import VMState
from cm.rules.operation import OperationKind
from cm.rules.sizing import MODULES_MAX, Size, modules_for, modules_to_leave
from cm.runtime.wall import unix_seconds
from cm.services.evidence import rest_by_evidence
from cm.services.vm_size import claim_live, count_less
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects
from cm.store.vm import VMRow, find_vm, get_vm
from cm.store.vm_state import ceiling_of, write_counted, write_error_unless_on, write_size

_REFUSED: Final = (HypervisorError, NotSupported, SizeKept)


def _wanted(op: OperationRow) -> Size:
    return Size(op.arguments["cpu"], op.arguments["memory_mib"])


def _before(op: OperationRow) -> Size:
    return Size(op.arguments["from_cpu"], op.arguments["from_memory_mib"])


def _place(session: Session, row: VMRow, op: OperationRow) -> tuple[str, int] | None:
    """
    :return: its uuid and node; None where it is off: its next start takes the record.
    :raises Wait: another worker has not stopped at the VM yet.
    """
    node_id = node_of_domain(session, row, op)
    return None if node_id is None else (row.uuid, node_id)


async def resize(work: Work) -> None:
    place = await work.db_vm(_place, work.op)
    if place is not None:
        uuid, node_id = place
        sizing = work.node(node_id).sizing
        try:
            await _make(work, sizing, uuid)
        except DomainNotRunning:
            pass  # it has ended meanwhile, and has it when it is started
        except _REFUSED:
            await _make_back(work, sizing, uuid)
            raise
    await work.complete(_resized, work.op)


async def _make(work: Work, sizing: SizingCalls, uuid: str) -> None:
    """
    :raises SizeKept: its guest gives back less than it was asked for.
    :raises Wait: it was asked, and has time left.
    """
    wanted, vm_id = _wanted(work.op), vm_of(work.op)
    have = await sizing.size(uuid)
    if have.memory_mib > wanted.memory_mib:
        have = await _take_memory(work, sizing, uuid, have)
    await _plug(sizing, uuid, have, wanted.memory_mib)
    if have.vcpus != wanted.cpu:
        try:
            await sizing.set_vcpus(uuid, wanted.cpu)
        except HypervisorError as error:
            if wanted.cpu > have.vcpus:
                raise
            raise SizeKept(vm_id, f"{have.vcpus - wanted.cpu} CPUs", str(error)) from error


async def _take_memory(work: Work, sizing: SizingCalls, uuid: str, have: DomainSize) -> DomainSize:
    wanted, vm_id = _wanted(work.op), vm_of(work.op)
    less_mib = have.memory_mib - wanted.memory_mib
    what = f"{less_mib} MiB of memory"
    modules = modules_to_leave(have.modules, less_mib)
    if modules is None:
        there = " and ".join(f"{module} MiB" for module in have.modules)
        told = f"what came while it runs are modules of {there}" if there else "none of it came while it runs"
        raise SizeKept(vm_id, what, told)
    for module_mib in modules:
        await sizing.unplug_memory(uuid, module_mib)
    seen = await sizing.size(uuid)
    if seen.memory_mib <= wanted.memory_mib:
        return seen
    asked_at = work.arguments.get(ASKED_AT) or unix_seconds()
    patience = work.services.policy.detach_s
    if unix_seconds() - asked_at >= patience:
        raise SizeKept(vm_id, what, f"it had {patience:g} s for that")
    told = f"The guest was asked for {what} and has {patience:g} s for it."
    raise Wait(AGAIN_S, told, asked_at=asked_at)


async def _plug(sizing: SizingCalls, uuid: str, have: DomainSize, memory_mib: int) -> None:
    for module_mib in modules_for(max(memory_mib - have.memory_mib, 0), MODULES_MAX - len(have.modules)):
        await sizing.plug_memory(uuid, module_mib)


async def _make_back(work: Work, sizing: SizingCalls, uuid: str) -> None:
    """As far as that goes without its guest; what it has then is counted."""
    before = _before(work.op)
    try:
        try:
            have = await sizing.size(uuid)
            await _plug(sizing, uuid, have, before.memory_mib)
            if have.vcpus != before.cpu:
                await sizing.set_vcpus(uuid, before.cpu)
        except HypervisorError:
            pass
        seen = await sizing.size(uuid)
    except DomainNotRunning:
        return
    await work.db_vm(_count, work.op, Size(seen.vcpus, seen.memory_mib))


def _count(session: Session, row: VMRow, op: OperationRow, seen: Size) -> None:
    """:param seen: what it has, which is never more than what is counted."""
    has = Size(min(seen.cpu, row.cpu), min(seen.memory_mib, row.memory_mib))
    count_less(session, row, has)
    write_counted(session, row.id, has)


def _resized(session: Session, op: OperationRow) -> None:
    row, wanted = get_vm(session, vm_of(op), lock=True), _wanted(op)
    count_less(session, row, wanted)
    write_size(session, row.id, op.arguments["template_id"], wanted, op.arguments["points"])
    settle_end(session, op)


@register
class VMResize(Kind):
    kind = OperationKind.VM_RESIZE
    notes = (ASKED_AT,)
    steps = {"resize": resize}

    def tried(self, op: OperationRow, error: CloudError) -> dict[str, object]:
        """What its node has answered is not asked again."""
        if isinstance(error, _REFUSED):
            raise error
        return {}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        self._keep(session, op)
        write_error_unless_on(session, vm_of(op), error.for_user())
        rest_by_evidence(session, op, by_policy=True)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        self._keep(session, op)
        rest_by_evidence(session, op, by_policy=True)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """
        What it had claimed is gone: it is claimed anew.

        :raises WrongVMState: it does not run now, or has another size than it had then.
        :raises QuotaReached: NoCapacity: there is not so much left.
        """
        row = get_vm(session, vm_of(op), lock=True)
        if row.closed_at is not None or row.state is not VMState.RUNNING:
            raise WrongVMState(row.id, row.state, VMState.RUNNING)
        if Size(row.cpu, row.memory_mib) != _before(op):
            raise WrongVMState(row.id, row.state, "of the size that it had then")
        claim_live(session, row, _wanted(op))
        return {}

    def _keep(self, session: Session, op: OperationRow) -> None:
        """Where it may have more than before, it costs as much as that; its size is the one that was asked for then."""
        row = find_vm(session, vm_of(op), lock=True)
        if row is None or row.closed_at is not None:
            return
        counted = Size(row.cpu, row.memory_mib)
        if counted != _before(op):
            _, points = ceiling_of(session, row.id)
            write_size(session, row.id, op.arguments["template_id"], counted, max(points, op.arguments["points"]))
