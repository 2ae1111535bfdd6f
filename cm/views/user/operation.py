"""``user.operation.*``: how what was asked for is coming on."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.operation import Operation, OperationNumber
from cm.rpc.types import Id, Limit
from cm.rpc.view import user_view
from cm.rules.access import Action
from cm.services import operation as service
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.waiting import wait_for


@user_view(on={"operation_id": Action.SEE})
def get(caller: ClusterCall, operation_id: Id) -> Operation:
    """One operation, of a VM or image that the caller sees."""
    return service.shown(caller.session, [service.get(caller, operation_id)])[0]


@user_view(on={"vm_id": Action.SEE})
def get_list(
    caller: ClusterCall, vm_id: Id | None = None, only_open: bool = False, before: Id | None = None, limit: Limit = 100
) -> list[Operation]:
    """
    What the caller asked for, newest first.

    :param vm_id: a VM that the caller sees: what anybody asked for it instead.
    :param before: the last ``operation_id`` of the page before.
    """
    found = service.get_list(caller, vm_id=vm_id, only_open=only_open, before=before, limit=limit)
    return service.shown(caller.session, found)


@user_view(waiting=True, on={"operation_id": Action.SEE})
async def wait(
    caller: AsyncClusterCall, operation_id: Id, timeout: Annotated[float, Meta(ge=0, le=25)] = 20.0
) -> Operation:
    """Wait until an operation has ended, for at most ``timeout`` seconds; answers as ``get`` either way."""
    return await wait_for(caller, operation_id, timeout)


@user_view(changing=True, on={"operation_id": None})
def retry(caller: ClusterCall, operation_id: Id) -> OperationNumber:
    """Try a failed operation again; whoever could ask for it may."""
    return service.retry(caller, operation_id)


@user_view(changing=True, on={"operation_id": None})
def abandon(caller: ClusterCall, operation_id: Id) -> OperationNumber:
    """Give up an operation that is under way; a creation is undone. Whoever could ask for it may."""
    return service.abandon(caller, operation_id)
