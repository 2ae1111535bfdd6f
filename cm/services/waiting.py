"""Waiting for the end of an operation without holding a thread or a connection."""

from __future__ import annotations

from typing import Any

from cm.rpc.vocabulary import OPEN_OPERATIONS
from cm.services.context import ClusterCall
from cm.services.operations import shown
from cm.store.operation import OperationRow, get_operation


async def wait_for(
    caller: ClusterCall, operation_id: int, timeout_s: float, *, owner_only: bool = True
) -> dict[str, Any]:
    """
    :return: the operation, ended or as it stands after ``timeout_s``.
    :raises ObjectNotFound: no such operation of the caller's.
    """
    assert caller.services is not None
    admin = not owner_only
    account_id = caller.account_id if owner_only else None
    signals = caller.services.extra["signals"]

    async def look() -> OperationRow:
        assert caller.services is not None
        return await caller.services.database.read(_get, operation_id, account_id)

    # Asked for before the look, so that an end between the two is not missed.
    ended = signals.wait("finished", str(operation_id), timeout_s)
    op = await look()
    if op.state not in OPEN_OPERATIONS:
        ended.cancel()
        return shown(op, admin=admin)
    await ended
    return shown(await look(), admin=admin)


def _get(session: Any, operation_id: int, account_id: int | None) -> OperationRow:
    return get_operation(session, operation_id, account_id=account_id)
