"""``user.operation.*``: how what was asked for is coming on."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cm.rpc.types import Id, Limit
from cm.rpc.view import user_view
from cm.services import operations as service
from cm.services.context import ClusterCall
from cm.services.waiting import wait_for
from cm.store.operation import get_operation, list_operations


@user_view
def get(caller: ClusterCall, operation_id: Id) -> dict[str, Any]:
    """One operation of the caller's."""
    return service.shown(get_operation(caller.session, operation_id, account_id=caller.account_id), admin=False)


@user_view
def get_list(
    caller: ClusterCall, vm_id: Id | None = None, only_open: bool = False, before: Id | None = None, limit: Limit = 100
) -> list[dict[str, Any]]:
    """The caller's operations, newest first."""
    found = list_operations(
        caller.session, account_id=caller.account_id, vm_id=vm_id, only_open=only_open, before=before, limit=limit
    )
    return [service.shown(op, admin=False) for op in found]


@user_view
async def wait(
    caller: ClusterCall, operation_id: Id, timeout: Annotated[float, Meta(ge=0, le=25)] = 20.0
) -> dict[str, Any]:
    """Wait until an operation has ended, for at most ``timeout`` seconds; answers as ``get`` either way."""
    return await wait_for(caller, operation_id, timeout)


@user_view(changing=True)
def retry(caller: ClusterCall, operation_id: Id) -> dict[str, Any]:
    """Try a failed operation again."""
    return service.retry(caller, operation_id)


@user_view(changing=True)
def abandon(caller: ClusterCall, operation_id: Id) -> dict[str, Any]:
    """Give up an operation that is under way; a creation is undone."""
    return service.abandon(caller, operation_id)
