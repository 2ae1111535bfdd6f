"""
Bringing up VMs of a farm: its head and workers when it is made, more workers when it grows. Each is a child, which the
call that opened this has claimed everything for (``services/farm.py``); workers wait for the head by themselves. This
waits for all, and says what came of them.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.operations.base import Kind, Work, await_children, register
from cm.rpc.vocabulary import CauseKind, OperationState
from cm.rules.cause import Cause
from cm.rules.farm import HEAD_S, UNHEARD, FarmIncomplete
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.children import not_done, retry_failed
from cm.services.farm_end import end_members
from cm.store.children import list_children
from cm.store.farm import find_farm
from cm.store.operation import OperationRow
from cm.store.operation_object import Objects


async def await_vms(work: Work) -> None:
    """
    Wait until all of them have started, or have not.

    :raises FarmIncomplete: some have not, and are there still.
    """
    children = await await_children(work)
    missing = await work.read(not_done, children)
    if missing:
        farm = await work.read(_name, work.op.get(ObjectKind.FARM))
        raise FarmIncomplete(farm, len({child.vm_id for child in children}), ", ".join(missing))
    started = sorted({child.vm_id for child in children if child.vm_id and child.state is OperationState.DONE})
    unheard = next((child.arguments[UNHEARD] for child in children if UNHEARD in child.arguments), "")
    await work.complete(result={"started": started, "reason": unheard})


def _name(session: Session, farm_id: int) -> str:
    return find_farm(session, farm_id, account_id=None).name


@register
class FarmLaunch(Kind):
    kind = OperationKind.FARM_LAUNCH
    steps = {"await_vms": await_vms}

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """A retry is one of each of its VMs that failed: the head's, for which the workers wait anew, and theirs."""
        retry_failed(session, op.id, HEAD_S)
        return {}

    def abandoned(self, session: Session, op: OperationRow) -> None:
        """
        A farm, or what it was to grow by, that is given up is undone: its VMs are destroyed, those that run among them.

        :raises NotAbandonable: one of them has other work under way that cannot be given up.
        """
        vm_ids = sorted({child.vm_id for child in list_children(session, op.id) if child.vm_id is not None})
        end_members(session, vm_ids, op.account_id, Cause(CauseKind.OPERATION, str(op.id)))
