"""What a VM's screen shows at one moment, as its hypervisor tells it: whether the screen is open to viewers or not."""

from __future__ import annotations

import base64

from sqlalchemy.orm import Session

from cm.results.vm import Screenshot
from cm.rpc.errors import DomainNotRunning, ObjectNotFound, WrongVMState
from cm.rpc.vocabulary import VMState
from cm.rules.access import Action
from cm.services.access import Who, authorized_vm, person_of
from cm.services.console import RUNNING, refuse_off
from cm.services.context import AsyncClusterCall


async def take(caller: AsyncClusterCall, vm_id: int) -> Screenshot:
    """
    :raises ObjectNotFound: AccessNeeded: no such VM that the caller sees; they see it, and may not.
    :raises WrongVMState: it does not run.
    :raises NodeUnreachable: NodeBusy: TooManyAtOnce: its node does not answer, or has too much to do.
    :raises NotSupported: it has no screen, or its hypervisor shows none.
    :raises HypervisorError: what it gave is no picture, or too large a one.
    """
    services = caller.services
    who, action = person_of(caller.identity), caller.action("vm_id")
    node_id, uuid = await services.database.read(_where, vm_id, who, action)
    try:
        picture = await services.fleet.node(node_id).streams.screenshot(uuid)
    except (DomainNotRunning, ObjectNotFound) as error:  # it has just ended, or its node was deleted
        raise WrongVMState(vm_id, VMState.STOPPED, " or ".join(sorted(RUNNING))) from error
    return {
        "vm_id": vm_id,
        "png": base64.b64encode(picture.png).decode("ascii"),
        "width": picture.width,
        "height": picture.height,
    }


def _where(session: Session, vm_id: int, who: Who, action: Action) -> tuple[int, str]:
    row = authorized_vm(session, who, vm_id, action)
    refuse_off(vm_id, row.state)
    if row.node_id is None:
        raise WrongVMState(vm_id, VMState.STOPPED, " or ".join(sorted(RUNNING)))
    return row.node_id, row.uuid
