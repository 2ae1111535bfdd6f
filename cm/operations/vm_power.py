"""Small changes of a running VM: reset, pause, resume, VNC. One look-and-do step each."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.interfaces.calls import HypervisorCalls
from cm.interfaces.hypervisor import VncSpec
from cm.operations.base import Kind, LeaseLost, Wait, Work, register, vm_of
from cm.rpc.errors import CloudError, DomainNotRunning, ObjectNotFound
from cm.rpc.vocabulary import Seen, SeenReason, Wanted
from cm.rules.operation import OperationKind
from cm.rules.vm import GONE
from cm.services.context import ClusterPolicy, vnc_password
from cm.services.evidence import rest_by_evidence
from cm.store.operation import OperationRow
from cm.store.vm import VMRow, find_vm, get_vm, render_vm
from cm.store.vm_state import intend_as_seen, screen_of, write_power, write_reset
from cm.store.worker import is_left_to


def _row(session: Session, op: OperationRow) -> VMRow:
    return get_vm(session, vm_of(op))


async def _place(work: Work) -> tuple[HypervisorCalls, VMRow]:
    """The hypervisor that the VM is on, and the VM."""
    row = await work.db(_row, work.op)
    if row.node_id is None:
        raise ObjectNotFound("node of vm", row.id)
    return work.node(row.node_id).hypervisor, row


async def reset(work: Work) -> None:
    """A crash just after it makes the next worker reset once more; one that was accepted is never skipped."""
    hypervisor, row = await _place(work)
    await hypervisor.reset(row.uuid)
    if row.seen is Seen.PAUSED:  # by its watchdog: what people have paused is not reset
        await hypervisor.resume(row.uuid)
    await work.complete(_was_reset, work.op)


def _was_reset(session: Session, op: OperationRow) -> None:
    write_reset(session, vm_of(op))
    settle_end(session, op)


async def pause(work: Work) -> None:
    hypervisor, row = await _place(work)
    await hypervisor.pause(row.uuid)
    await _done(work, Seen.PAUSED, SeenReason.BY_US)


async def resume(work: Work) -> None:
    hypervisor, row = await _place(work)
    await hypervisor.resume(row.uuid)
    await _done(work, Seen.RUNNING, SeenReason.UNPAUSED)


async def _done(work: Work, seen: Seen, reason: SeenReason) -> None:
    """Whoever gives it up while its node does it has the VM be wanted as it was seen before; that was too early."""
    try:
        await work.complete(_seen, work.op, seen, reason)
    except LeaseLost:
        await work.services.database.transact(_seen_late, work.op, work.worker_id, seen, reason)
        raise


def _seen_late(session: Session, op: OperationRow, worker_id: int, seen: Seen, reason: SeenReason) -> None:
    """Nobody else has done anything to the guest while this worker was at it."""
    row = find_vm(session, vm_of(op), lock=True)
    if row is None or row.closed_at is not None or row.seen in GONE or not is_left_to(session, op, worker_id):
        return
    write_power(session, row.id, seen, reason)
    if row.wanted in (Wanted.RUNNING, Wanted.PAUSED):
        intend_as_seen(session, row.id)
    render_vm(session, row.id)


def _seen(session: Session, op: OperationRow, seen: Seen, reason: SeenReason) -> None:
    write_power(session, vm_of(op), seen, reason)
    settle_end(session, op)


def settle_end(session: Session, op: OperationRow) -> None:
    """The guest may have ended after the call that we made; its end waited for us."""
    if _row(session, op).seen in GONE:
        rest_by_evidence(session, op, by_policy=True)


async def apply_vnc(work: Work) -> None:
    """
    Make the running domain's VNC server obey the latest intent. A VM that is off gets it with its next launch; one that
    is being launched, once that is done (``screen_as_asked``).
    """
    row, vnc = await work.db(_vnc, work.op, work.services.policy)
    if vnc is not None and row.node_id is not None:
        try:
            await work.node(row.node_id).hypervisor.set_vnc(row.uuid, vnc)
        except DomainNotRunning:
            pass
    await work.complete(_still_asked, work.op, row.vnc_generation)


def _still_asked(session: Session, op: OperationRow, generation: int) -> None:
    """
    :raises Wait: another call came meanwhile, whose operation may have been faster than this one: once more.
    """
    if _row(session, op).vnc_generation != generation:
        raise Wait(0.0, "")


def _vnc(session: Session, op: OperationRow, policy: ClusterPolicy) -> tuple[VMRow, VncSpec | None]:
    row = _row(session, op)
    place = screen_of(session, row.id)
    if place is None:
        return row, None
    password = vnc_password(policy.secret, row.uuid, row.vnc_generation)
    return row, VncSpec(place.address, place.port, password, row.vnc_enabled)


class _Power(Kind):
    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        rest_by_evidence(session, op, by_policy=True)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_by_evidence(session, op, by_policy=True)


@register
class VMReset(_Power):
    kind = OperationKind.VM_RESET
    steps = {"reset": reset}


@register
class VMPause(_Power):
    kind = OperationKind.VM_PAUSE
    steps = {"pause": pause}


@register
class VMResume(_Power):
    kind = OperationKind.VM_RESUME
    steps = {"resume": resume}


@register
class VMVnc(Kind):
    kind = OperationKind.VM_VNC
    steps = {"apply_vnc": apply_vnc}
