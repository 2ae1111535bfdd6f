"""
Moving a VM to another node, cold: its power is cut, and it is started there. Its place is claimed before anything is
stopped, mostly by the call that opened the operation (``services/moving.py``).

The steps ask where the VM is: on its ``source``, on no node, or on the next one already.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from cm.operations.base import Kind, Work, register, vm_of
from cm.operations.vm_end import GRACED, await_end, cut_power, remove_domain
from cm.operations.vm_launch import launch, refuse_twice
from cm.rpc.errors import CloudError, NoCapacity, NowhereToStart
from cm.rules.operation import OperationKind
from cm.rules.vm import GONE
from cm.services.context import ClusterPolicy
from cm.services.evidence import rest_by_evidence
from cm.services.reserving import reserve_place
from cm.store.claim import release_node, release_target, take_target
from cm.store.node import takes_vms
from cm.store.operation import OperationRow
from cm.store.operation_change import place_operation
from cm.store.vm import VMRow, get_vm, render_vm
from cm.store.vm_state import leave_node, place_nowhere, write_error_unless_on
from cm.store.worker import record_step

ENDED: Final = 40  # percent of it, when the VM has left its node
PLACED: Final = 60


def _there(session: Session, op: OperationRow) -> VMRow | None:
    """The VM, while it is still on the node that it is to leave."""
    row = get_vm(session, vm_of(op))
    return row if row.node_claimed and row.node_id == op.arguments["source"] else None


async def claim_place(work: Work) -> None:
    """A move that is tried again claimed nothing yet. Without a place nothing is stopped."""
    await work.db(_claim_place, work.op, work.services.policy)


def _claim_place(session: Session, op: OperationRow, policy: ClusterPolicy) -> None:
    row = _there(session, op)
    if row is not None and row.seen not in GONE and row.moves_to is None:
        reserve_place(session, row, policy, without=op.arguments["source"])


async def cut_power_there(work: Work) -> None:
    """Destroy the domain on the node that the VM is to leave."""
    if await work.db(_there, work.op) is not None:
        await cut_power(work)


async def await_end_there(work: Work) -> None:
    """Wait until its end is on record."""
    if await work.db(_there, work.op) is not None:
        await await_end(work)


async def leave(work: Work) -> None:
    """See to it that nothing writes to the VM's disks there any more, and give that node's share back."""
    row = await work.db(_there, work.op)
    if row is not None:
        assert row.node_id is not None
        await work.node(row.node_id).run(remove_domain, row.uuid)
        await work.db(_left, work.op)


def _left(session: Session, op: OperationRow) -> None:
    vm_id = vm_of(op)
    release_node(session, vm_id)
    leave_node(session, vm_id)
    record_step(session, op.id, op.step, ENDED)
    render_vm(session, vm_id)


async def launch_elsewhere(work: Work) -> None:
    """Start it on the node that was claimed for it, or on any that takes it if that one is out of use now."""
    await refuse_twice(work)
    await work.db(_move_in, work.op, work.services.policy)
    await launch(work)


def _move_in(session: Session, op: OperationRow, policy: ClusterPolicy) -> None:
    """
    :raises NowhereToStart: no node takes it now.
    """
    row = get_vm(session, vm_of(op))
    if row.node_claimed:
        # Whether a launch that was once asked for has happened, only that node can tell.
        if row.launches != op.arguments["launches"] or takes_vms(session, row.node_id):
            return
        release_node(session, row.id)
        place_nowhere(session, row.id)
    elif row.moves_to is not None and not takes_vms(session, row.moves_to):
        release_target(session, row.id)
    row = get_vm(session, row.id)
    if row.moves_to is None:
        try:
            reserve_place(session, row, policy, without=op.arguments["source"])
        except NoCapacity as error:
            raise NowhereToStart(row.id, error.reason) from error
    node_id = take_target(session, row.id)
    place_operation(session, op.id, node_id)
    record_step(session, op.id, op.step, PLACED)
    render_vm(session, row.id)


@register
class VMMove(Kind):
    kind = OperationKind.VM_MOVE
    notes = (GRACED,)
    steps = {
        "claim_place": claim_place,
        "cut_power_there": cut_power_there,
        "await_end_there": await_end_there,
        "leave": leave,
        "launch_elsewhere": launch_elsewhere,
    }

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """It stays where it came to; the next evacuation of its node goes on with it, wherever it is."""
        release_target(session, vm_of(op))
        write_error_unless_on(session, vm_of(op), error.for_user())

    def interrupted(self, session: Session, vm_id: int | None) -> None:
        assert vm_id is not None
        release_target(session, vm_id)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_by_evidence(session, op)
