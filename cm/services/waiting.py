"""Waiting for the end of an operation without holding a thread or a connection."""

from __future__ import annotations

from typing import Any

from cm.results.operation import Operation
from cm.rpc.vocabulary import OPEN_OPERATIONS
from cm.services.access import Who, authorize_operation, person_of
from cm.services.context import AsyncClusterCall
from cm.services.operation import shown, shown_to_administrators
from cm.store.operation import get_operation


async def wait_for(
    caller: AsyncClusterCall, operation_id: int, timeout_s: float, *, owner_only: bool = True
) -> Operation:
    """
    :return: the operation, ended or as it stands after ``timeout_s``.
    :param owner_only: False for administrators, for whom access is no question.
    :raises ObjectNotFound: no such operation that the caller sees; asked anew when it has ended.
    """
    admin = not owner_only
    who = person_of(caller.identity) if owner_only else None

    async def look() -> Operation:
        return await caller.services.database.read(_get, operation_id, who, admin)

    # Asked for before the look, so that an end between the two is not missed.
    ended = caller.services.signals.wait("finished", str(operation_id), timeout_s)
    op = await look()
    if op["state"] not in OPEN_OPERATIONS:
        ended.cancel()
        return op
    await ended
    return await look()


def _get(session: Any, operation_id: int, who: Who, admin: bool) -> Operation:
    op = get_operation(session, operation_id)
    authorize_operation(session, who, op, change=False)
    return (shown_to_administrators if admin else shown)(session, [op])[0]
