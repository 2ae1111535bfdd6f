"""Everybody's operations, with what only administrators are told."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.operation import AdminOperation, OperationNumber
from cm.rpc.types import Id, Limit
from cm.rpc.view import admin_view
from cm.services import operation as service
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.services.waiting import wait_for_any
from cm.store.operation import get_operation, list_operations


@admin_view
def get(caller: ClusterCall, operation_id: Id) -> AdminOperation:
    """One operation."""
    return service.shown_to_administrators(caller.session, [get_operation(caller.session, operation_id)])[0]


@admin_view
def get_list(
    caller: ClusterCall,
    user_id: Id | None = None,
    vm_id: Id | None = None,
    only_open: bool = False,
    limit: Limit = 100,
    before: Id | None = None,
    parent_id: Id | None = None,
) -> list[AdminOperation]:
    """
    Operations, newest first.

    :param before: the last ``operation_id`` of the page before.
    :param parent_id: those that this operation waits for.
    """
    found = list_operations(
        caller.session,
        account_id=user_id,
        vm_id=vm_id,
        only_open=only_open,
        before=before,
        limit=limit,
        parent_id=parent_id,
    )
    return service.shown_to_administrators(caller.session, found)


@admin_view(waiting=True)
async def wait(
    caller: AsyncClusterCall, operation_id: Id, timeout: Annotated[float, Meta(ge=0, le=25)] = 20.0
) -> AdminOperation:
    """
    Wait until an operation has ended, whoever's it is, for at most ``timeout`` seconds; answers as ``get`` either way.
    """
    return await wait_for_any(caller, operation_id, timeout)


@admin_view(changing=True)
def retry(caller: ClusterCall, operation_id: Id) -> OperationNumber:
    """Try a failed operation again."""
    return service.retry(caller, operation_id, owner_only=False)


@admin_view(changing=True)
def abandon(caller: ClusterCall, operation_id: Id) -> OperationNumber:
    """Give up an operation that is under way; a creation or an import is undone."""
    return service.abandon(caller, operation_id, owner_only=False)
