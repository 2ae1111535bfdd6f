"""
The last step of a VM's end, ``update_resources``: address, port, capacity and quota go back, and the VM is closed, all
in one transaction and once.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy.orm import Session

from cm.results.vm import ErasedVM
from cm.rpc.errors import NotAbandonable, WrongVMState
from cm.rpc.vocabulary import Seen, Wanted
from cm.rules.cause import Cause
from cm.rules.vm import GONE
from cm.runtime.database import at_last, notify
from cm.services.context import ClusterCall
from cm.services.disk_bytes import open_volume_delete
from cm.services.kind import ENDS, look_at_holder
from cm.services.public_address import leave_vm
from cm.services.saving import give_back_image
from cm.store.booking import close_rows, give_back
from cm.store.claim import release_node
from cm.store.erased import note_written
from cm.store.link import links_changed
from cm.store.operation import get_operation
from cm.store.operation_change import abandon_all
from cm.store.security_group import members_change
from cm.store.vm import find_vm, get_vm, render_vm
from cm.store.vm_state import intend, rest_vm


def update_resources(
    session: Session, vm_id: int, cause: Cause, *, may_run_on: Sequence[int] | None = None
) -> bool:
    """
    Give back all that a VM holds and close it. Its domain is gone and its volumes are deleted; what its disks may have
    moved to, as only their guest knew, is going to be.

    :param may_run_on: neither is so, for all that is known: nodes that may have its domain.
    :return: False where it was closed already: nothing changed.
    """
    row = find_vm(session, vm_id, lock=True)
    if row is None or row.closed_at is not None:
        return False
    links_changed(session, vm_id)
    members_change(session, vm_id)
    leave_vm(session, vm_id)
    held = close_rows(session, row, may_run_on)
    render_vm(session, vm_id, "exit")
    for volume_id in held.targets:
        open_volume_delete(session, volume_id, cause)
    at_last(session, give_back, held)
    return True


def rest_stopped(session: Session, vm_id: int) -> None:
    """
    A VM whose domain has ended and is forgotten keeps its disk, address and quota; its node's share goes back, and it
    is placed nowhere: any node that reaches its disk may start it, and its last one may leave the cluster.
    """
    release_node(session, vm_id)
    rest_vm(session, vm_id)


def erase(caller: ClusterCall, vm_id: int) -> ErasedVM:
    """
    Close a VM whose node will not answer any more, without asking that node. The administrator's last way out.

    Should the node come back with the domain, the next pass discards it: its VM is closed. Until it is seen without,
    nobody gets what the VM had, and nothing of that is deleted.

    :raises WrongVMState: it is destroyed already.
    """
    row = get_vm(caller.session, vm_id, lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    # As it is before its work is given up: a move may have come to its other node by now.
    may_run_on = [node_id for node_id in (row.node_id, row.moves_to) if node_id is not None]
    if may_run_on:
        note_written(caller.session, vm_id, may_run_on)
    given_up = None if row.operation_id is None else get_operation(caller.session, row.operation_id)
    abandon_all(caller.session, vm_id, "erased")
    if given_up is not None:
        with suppress(NotAbandonable):  # where nobody can tell what is whose, it stays for an administrator to see
            ENDS[given_up.kind].dropped(caller.session, given_up)
        look_at_holder(caller.session, given_up)
    intend(caller.session, vm_id, Wanted.DESTROYED)
    if row.save_image_id is not None:
        give_back_image(caller.session, row.save_image_id, "erased")
    update_resources(caller.session, vm_id, caller.cause, may_run_on=may_run_on)
    if row.node_id is not None:
        notify(caller.session, "look", row.node_id)
    caller.note("erase", vm_id=vm_id, node_id=row.node_id, domain="left to the next pass")
    return {"vm_id": vm_id, "was_gone": row.seen in GONE or row.seen is Seen.UNKNOWN}
