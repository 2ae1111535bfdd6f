"""The journal's rows: how operations begin, and are found; ``worker.py`` has how they are worked, to their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import InUse, ObjectNotFound, VMBusy, WrongImageState
from cm.rpc.vocabulary import OperationId, OperationState
from cm.rules.cause import Cause
from cm.rules.operation import SPECS, OperationKind
from cm.runtime.database import CHANNEL, Faster, note_notified, notify
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_open, keeps_busy

TOPIC: Final = "operation"


@dataclass(frozen=True)
class OperationRow:
    id: OperationId
    kind: OperationKind
    account_id: int | None
    vm_id: int | None
    image_id: int | None
    node_id: int | None
    storage_id: int | None
    parent_id: int | None
    concurrent: bool
    arguments: dict[str, Any] = field(repr=False)
    state: OperationState
    step: str  # "": it has not begun
    progress: int
    attempts: int
    not_before: datetime
    deadline: datetime
    worker_id: int | None
    error: str
    user_text: str
    admin_text: str
    result: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


COLUMNS = (
    "id, kind, account_id, vm_id, image_id, node_id, storage_id, parent_id, concurrent, arguments, state, step,"
    " progress, attempts, not_before, deadline, worker_id, error, user_text, admin_text, result, created_at,"
    " started_at, finished_at"
)

# Kinds of a newer release are left to those who know them.
KNOWN: Final = ", ".join(f"'{kind}'" for kind in OperationKind)


def operation_row(found: Any) -> OperationRow:
    values = dict(found._mapping)
    values["kind"] = OperationKind(values["kind"])
    values["state"] = OperationState(values["state"])
    return OperationRow(**values)


_INSERT = Prepared(
    "open_operation",
    """
INSERT INTO operation (kind, account_id, vm_id, image_id, node_id, storage_id, parent_id, concurrent, arguments,
                       cause_kind, cause_ref, deadline)
VALUES (:kind, :account_id, :vm_id, :image_id, :node_id, :storage_id, :parent_id, :concurrent,
        CAST(:arguments AS jsonb), :cause_kind, :cause_ref, now() + make_interval(secs => :seconds))
ON CONFLICT DO NOTHING RETURNING id
""",
)


def open_operation(
    session: Session,
    kind: OperationKind,
    *,
    account_id: int | None,
    cause: Cause,
    vm_id: int | None = None,
    image_id: int | None = None,
    node_id: int | None = None,
    storage_id: int | None = None,
    parent_id: int | None = None,
    arguments: dict[str, Any] | None = None,
    transfer_s: float = 0.0,
) -> OperationId:
    """
    Insert an operation and tell the workers at commit.

    :param transfer_s: what one download or upload may take, of kinds that wait for some.
    :raises VMBusy: the VM is busy with another operation, which is named.
    :raises WrongImageState: the image has one.
    :raises Faster: the node is being emptied since a moment ago, by an operation that the caller looks for first.
    """
    spec = SPECS[kind]
    values = {
        "kind": kind,
        "account_id": account_id,
        "vm_id": vm_id,
        "image_id": image_id,
        "node_id": node_id,
        "storage_id": storage_id,
        "parent_id": parent_id,
        "concurrent": spec.concurrent,
        "arguments": msgspec.json.encode(arguments or {}).decode(),
        "cause_kind": cause.kind,
        "cause_ref": cause.ref,
        "seconds": spec.until(transfer_s),
    }
    operation_id = _INSERT(session, **values).scalar()
    if operation_id is None:
        if vm_id is None and image_id is None:
            raise Faster(InUse("node", node_id or 0, f"another {kind}"))
        if vm_id is None:
            raise WrongImageState(image_id or 0, "busy", "no other operation under way")
        blocker = session.execute(
            text(f"SELECT id, kind FROM operation WHERE vm_id = :vm_id AND {keeps_busy()}"),
            {"vm_id": vm_id},
        ).first()
        raise VMBusy(vm_id, blocker.id if blocker else 0, blocker.kind if blocker else "")
    notify(session, TOPIC)
    return OperationId(operation_id)


def get_operation(session: Session, operation_id: int, *, account_id: int | None = None) -> OperationRow:
    """
    :param account_id: the caller, where only who asked may see it.
    :raises ObjectNotFound: absent or somebody else's.
    """
    found = session.execute(text(f"SELECT {COLUMNS} FROM operation WHERE id = :id"), {"id": operation_id}).first()
    if found is None or (account_id is not None and found.account_id != account_id):
        raise ObjectNotFound("operation", operation_id)
    return operation_row(found)


def list_operations(
    session: Session,
    *,
    account_id: int | None,
    vm_id: int | None,
    only_open: bool,
    before: int | None,
    limit: int,
    parent_id: int | None = None,
) -> Sequence[OperationRow]:
    """Newest first."""
    where = [f"kind IN ({KNOWN})"]
    if account_id is not None:
        where.append("account_id = :account_id")
    if vm_id is not None:
        where.append("vm_id = :vm_id")
    if parent_id is not None:
        where.append("parent_id = :parent_id")
    if only_open:
        where.append(is_open())
    if before is not None:
        where.append("id < :before")
    statement = text(f"SELECT {COLUMNS} FROM operation WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT :limit")
    values = {"account_id": account_id, "vm_id": vm_id, "parent_id": parent_id, "before": before, "limit": limit}
    found = session.execute(statement, values)
    return [operation_row(row) for row in found]


def count_running(session: Session) -> dict[int | None, int]:
    """Operations that workers are at now, by node; None: of no node."""
    found = session.execute(
        text(
            "SELECT node_id, count(*) AS number FROM operation WHERE worker_id IS NOT NULL AND state = 'running'"
            " GROUP BY node_id"
        )
    )
    return {row.node_id: int(row.number) for row in found}


_WAKE = Prepared(
    "wake",
    "WITH woken AS (UPDATE operation SET not_before = clock_timestamp() WHERE vm_id = :vm_id AND state = 'waiting')"
    " SELECT pg_notify(:channel, :topic)",
)


def wake(session: Session, vm_id: int) -> None:
    """Have a waiting operation of a VM go on at once."""
    _WAKE.post(session, vm_id=vm_id, channel=CHANNEL, topic=TOPIC)
    note_notified(session, TOPIC)
