"""Waiting for the end of an operation without holding a thread or a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from cm.results.operation import AdminOperation, Operation
from cm.rpc.vocabulary import OPEN_OPERATIONS
from cm.services.access import Who, authorize_operation, person_of
from cm.services.context import AsyncClusterCall
from cm.services.operation import shown, shown_to_administrators
from cm.store.operation import get_operation

Shown = TypeVar("Shown", Operation, AdminOperation)


async def wait_for(caller: AsyncClusterCall, operation_id: int, timeout_s: float) -> Operation:
    """
    :return: the operation, ended or as it stands after ``timeout_s``.
    :raises ObjectNotFound: no such operation that the caller sees; asked anew when it has ended.
    """
    return await _wait_for(caller, operation_id, timeout_s, _get, person_of(caller.identity))


async def wait_for_any(caller: AsyncClusterCall, operation_id: int, timeout_s: float) -> AdminOperation:
    """The same for administrators, for whom access is no question. :raises ObjectNotFound: no such operation."""
    return await _wait_for(caller, operation_id, timeout_s, _get_any, None)


async def _wait_for(
    caller: AsyncClusterCall, operation_id: int, timeout_s: float, get: Callable[[Session, int, Who], Shown], who: Who
) -> Shown:
    # Asked for before the look, so that an end between the two is not missed.
    ended = caller.services.signals.wait("finished", str(operation_id), timeout_s)
    op = await caller.services.database.read(get, operation_id, who)
    if op["state"] not in OPEN_OPERATIONS:
        ended.cancel()
        return op
    await ended
    return await caller.services.database.read(get, operation_id, who)


def _get(session: Session, operation_id: int, who: Who) -> Operation:
    op = get_operation(session, operation_id)
    authorize_operation(session, who, op, change=False)
    return shown(session, [op])[0]


def _get_any(session: Session, operation_id: int, who: Who) -> AdminOperation:
    return shown_to_administrators(session, [get_operation(session, operation_id)])[0]
