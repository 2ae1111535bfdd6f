"""
What becomes of VMs whose expiry leases end: they are deleted, suspended, or their people told, in this order.

Each VM is looked at in a transaction of its own, under its row's lock, by what the database says just then: so two
managers do nothing twice, and one that dies leaves nothing half done. The work itself is a suspension, or a destroy,
as anybody's is.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rpc.errors import CloudError, VMBusy
from cm.rpc.vocabulary import CauseKind, VMEventCode
from cm.rules.cause import Cause
from cm.rules.expiry import BUSY_S, ORDER, End, Step, Verdict, Waits, plan, was_ahead
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.services.context import Services
from cm.services.guest_command import notify_guest
from cm.services.message import tell
from cm.services.suspension import claim_memory
from cm.services.vm import begin_destroy
from cm.store import expiry as store
from cm.store.instance import note_event
from cm.store.operation import open_operation
from cm.store.vm import VMRow, find_vm, render_vm
from cm.store.vm_state import want

log = Logger()
LOOKS_OF_A_ROUND: Final = 200
DONE: Final = {End.SUSPEND: "suspended", End.DELETE: "deleted"}
KINDS: Final = {Step.DELETE: OperationKind.VM_DESTROY, Step.SUSPEND: OperationKind.VM_SUSPEND}


async def collect(services: Services) -> bool:
    """
    One round.

    :return: whether there may be more to look at.
    """
    database = services.database
    due = await database.read(store.due_expiries, LOOKS_OF_A_ROUND)
    for row in sorted(due, key=_order):
        try:
            if await database.transact(look, row.vm_id) is Step.NOTIFY:
                await database.transact(tell_guest, row.vm_id, services.policy.secret)
        except CloudError as error:
            log.warn("the expiry of VM {vm_id} waits: {error}", vm_id=row.vm_id, error=error.for_administrator())
            await database.transact(refused, row.vm_id, error)
    return len(due) >= LOOKS_OF_A_ROUND


def _order(row: store.ExpiryRow) -> int:
    step = plan(row.terms, row.now).step
    return len(ORDER) if step is None else ORDER.index(step)


def look(session: Session, vm_id: int) -> Step | None:
    """
    Do what is due about one VM, and note when to look again.

    :return: what was done.
    :raises CloudError: what it takes is refused; nothing is changed then.
    """
    vm, row = _locked(session, vm_id)
    if vm is None or row is None or not row.is_due:
        return None  # another manager has looked since it was found
    if was_ahead(row.terms, row.now):
        store.correct_notices(session, vm_id, row.now)
        row = _found(session, vm_id)
    verdict = plan(row.terms, row.now)
    if verdict.step is Step.NOTIFY:
        for end in verdict.tell:
            _tell(session, row, end)
        store.write_verdict(session, row, verdict, told=verdict.tell, attempts=row.terms.attempts)
        row = _found(session, vm_id)
        store.write_verdict(session, row, _later(plan(row.terms, row.now)), attempts=row.terms.attempts)
        return Step.NOTIFY
    if verdict.step is not None:
        _begin(session, vm, row, KINDS[verdict.step])
        store.write_verdict(session, row, verdict, attempts=row.terms.attempts + 1)
        return verdict.step
    attempts = 0 if verdict.waits is Waits.NOTHING else row.terms.attempts
    store.write_verdict(session, row, verdict, attempts=attempts)
    return None


def _later(verdict: Verdict) -> Verdict:
    """What comes after a notice waits for another look."""
    return Verdict(waits=verdict.waits, found_at=verdict.found_at, look_at=verdict.look_at)


def refused(session: Session, vm_id: int, error: CloudError) -> None:
    """Note that what was due could not be begun, and why; it is tried again."""
    vm, row = _locked(session, vm_id)
    if vm is None or row is None:
        return
    verdict = plan(row.terms, row.now)
    if verdict.step not in KINDS:
        return
    busy = isinstance(error, VMBusy)
    put_off = Verdict(
        waits=Waits.BUSY if busy else Waits.REFUSED,
        found_at=verdict.found_at,
        look_at=row.now + timedelta(seconds=BUSY_S) if busy else verdict.look_at,
    )
    reason = "" if busy else error.for_user()
    store.write_verdict(session, row, put_off, attempts=row.terms.attempts + 1, reason=reason)


def _locked(session: Session, vm_id: int) -> tuple[VMRow | None, store.ExpiryRow | None]:
    vm = find_vm(session, vm_id, lock=True)
    if vm is None or vm.closed_at is not None:
        return None, None
    return vm, store.find_vm_expiry(session, vm_id)


def _found(session: Session, vm_id: int) -> store.ExpiryRow:
    row = store.find_vm_expiry(session, vm_id)
    assert row is not None, "its VM is locked"
    return row


def _tell(session: Session, row: store.ExpiryRow, end: End) -> None:
    term = row.terms.suspend if end is End.SUSPEND else row.terms.delete
    assert term is not None
    params = {
        "vm_id": row.vm_id,
        "uuid": row.uuid,
        "name": row.name,
        "expiry": row.expiry,
        "then": DONE[end],
        "at": term.due_at(row.now),
    }
    tell(session, store.owners_of(session, row), "warn", "vm_expires", params)
    note_event(session, row.vm_id, VMEventCode.NOTICE, None, {"then": DONE[end], "lease": row.expiry})


def tell_guest(session: Session, vm_id: int, secret: bytes) -> None:
    """Within the guest, too, where an agent of ours can; a manager that dies before it leaves the message alone."""
    row = store.find_vm_expiry(session, vm_id)
    if row is None:
        return
    ends = {End.SUSPEND: row.terms.suspend, End.DELETE: row.terms.delete}
    due = [(term.due_at(row.now), end) for end, term in ends.items() if term is not None and term.told_at is not None]
    if due:
        at, end = min(due)
        when = f"{at:%Y-%m-%d %H:%M} UTC"
        what = f"This machine, {row.name}, will be {DONE[end]} at {when}: its lease {row.expiry} ends."
        notify_guest(session, secret, vm_id, f"{what} Renew it if you need it.")


def _begin(session: Session, vm: VMRow, row: store.ExpiryRow, kind: OperationKind) -> None:
    """
    As ``vm.change_state`` does for a caller.

    :raises VMBusy: somebody was faster.
    :raises QuotaReached: StorageFull: NotSupported: there is no room for its memory.
    """
    cause = Cause(CauseKind.EXPIRY, row.expiry)
    if kind is OperationKind.VM_DESTROY:
        begin_destroy(session, vm, account_id=None, cause=cause)
    else:
        objects = {ObjectKind.VM: [vm.id], **claim_memory(session, vm)}
        open_operation(session, kind, account_id=None, objects=objects, node_id=vm.node_id, cause=cause)
        wanted = SPECS[kind].wanted
        assert wanted is not None
        want(session, vm.id, wanted)
        render_vm(session, vm.id)
    log.info("VM {vm_id}: its expiry lease {expiry} has ended: {kind}", vm_id=vm.id, expiry=row.expiry, kind=kind)
