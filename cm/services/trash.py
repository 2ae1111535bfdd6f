"""
VMs out of the trash: recovered by their owners, or destroyed at last. What puts them into it is work like a stop
(``cm/operations/vm_end.py``); disks have a trash of their own (``disk.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from cm.results.vm import VMOutcome
from cm.rpc.errors import VMBusy, WrongVMState
from cm.rpc.vocabulary import CauseKind, VMEventCode, VMState, Wanted
from cm.rules.access import Action
from cm.rules.cause import Cause
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.vm import begin_destroy, for_each
from cm.store.expiry import find_vm_expiry, give_expiry
from cm.store.instance import note_event
from cm.store.vm import find_vm, list_trashed, render_vm
from cm.store.vm_state import want

TRASH: Final = Cause(CauseKind.LOOK, "trash")


def recover_all(caller: ClusterCall, vm_ids: Sequence[int], *, administrator: bool = False) -> list[VMOutcome]:
    """Each by itself: one that is refused does not stop the others."""
    return for_each(caller, vm_ids, partial(recover, caller, administrator=administrator))


def recover(caller: ClusterCall, vm_id: int, *, administrator: bool = False) -> VMOutcome:
    """
    Take a VM out of the trash: it is stopped, with all that it had. Its lease, which may be over by now, begins anew.

    :raises ObjectNotFound: AccessNeeded: as ``authorized_vm``.
    :raises VMBusy: other work on it is under way.
    :raises WrongVMState: it is not in the trash.
    """
    session = caller.session
    who = None if administrator else person_of(caller.identity)
    action = Action.SEE if who is None else caller.action("vm_ids")
    row = authorized_vm(session, who, vm_id, action, lock=True, version=caller.if_version)
    if row.state is VMState.TRASHED and row.operation_id is not None:
        raise VMBusy(vm_id, row.operation_id, row.operation_kind or "")
    if row.state is not VMState.TRASHED:
        raise WrongVMState(vm_id, row.state, VMState.TRASHED)
    want(session, vm_id, Wanted.STOPPED)
    lease = find_vm_expiry(session, vm_id)
    if lease is not None:
        give_expiry(session, vm_id, lease.expiry_id)
    note_event(session, vm_id, VMEventCode.RECOVER, caller.account_id or None, {})
    caller.note("recover", vm_id=vm_id)
    render_vm(session, vm_id)
    return {"status": "ok", "vm_id": vm_id}


def destroy_overdue(session: Session, seconds: float) -> int:
    """
    Begin to destroy what has lain in the trash for so long; what is guarded stays. 0 s: nothing.

    :return: how many.
    """
    begun = 0
    for vm_id in list_trashed(session, seconds) if seconds else ():
        row = find_vm(session, vm_id, lock=True)
        if row is None or row.state is not VMState.TRASHED or row.operation_id is not None:
            continue  # somebody recovered it meanwhile, or destroys it
        begin_destroy(session, row, account_id=None, cause=TRASH)
        begun += 1
    return begun
