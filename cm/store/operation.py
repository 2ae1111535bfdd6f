"""The journal's rows: how operations begin, and are found; ``worker.py`` has how they are worked, to their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import OperationId, OperationState
from cm.rules.cause import Cause
from cm.rules.operation import BEHIND, HOLDER, SPECS, ObjectKind, OperationKind
from cm.runtime.database import CHANNEL, note_notified
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_open
from cm.store.operation_object import GIVING_WAY, HELD, Objects, held, refuse
from cm.store.waking import TOPIC


@dataclass(frozen=True)
class OperationRow:
    id: OperationId
    kind: OperationKind
    account_id: int | None
    vm_id: int | None
    node_id: int | None  # whose tokens it takes
    objects: Objects  # what it is about beside a VM, by ``ObjectKind``
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

    def find(self, noun: ObjectKind) -> int | None:
        """The object of a kind that it is about, the first of them."""
        if noun is ObjectKind.VM:
            return self.vm_id
        return next(iter(self.objects.get(noun, ())), None)

    def get(self, noun: ObjectKind) -> int:
        """:raises LookupError: it is about none of that kind."""
        found = self.find(noun)
        if found is None:
            raise LookupError(f"operation {self.id} ({self.kind}) is about no {noun}")
        return found

    @property
    def about(self) -> Objects:
        """All that it is about."""
        if self.vm_id is not None:
            return {ObjectKind.VM: [self.vm_id], **self.objects}
        # Of a kind that may be of a VM, and is of none.
        return {ObjectKind.VM: [], **self.objects} if ObjectKind.VM in SPECS[self.kind].holds else self.objects


COLUMNS = (
    "id, kind, account_id, vm_id, node_id, objects, parent_id, concurrent, arguments, state, step,"
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
    f"""
WITH opened AS (
    INSERT INTO operation (kind, account_id, vm_id, node_id, objects, parent_id, concurrent, arguments, cause_kind,
                           cause_ref, deadline)
    VALUES (:kind, :account_id, :vm_id, :node_id, CAST(:objects AS jsonb), :parent_id, :concurrent,
            CAST(:arguments AS jsonb), :cause_kind, :cause_ref, now() + make_interval(secs => :seconds))
    RETURNING id), {HELD}, {GIVING_WAY}
SELECT id, (SELECT count(*) FROM held) AS held, (SELECT array_agg(id) FROM giving_way) AS before,
       pg_notify(:channel, :topic) FROM opened
""",
)


def open_operation(
    session: Session,
    kind: OperationKind,
    *,
    account_id: int | None,
    cause: Cause,
    objects: Objects,
    node_id: int | None = None,
    parent_id: int | None = None,
    arguments: dict[str, Any] | None = None,
    transfer_s: float = 0.0,
) -> OperationId:
    """
    Insert an operation with its objects, and tell the workers at commit. Those that yield one of them are told to end,
    and it waits for that.

    :param objects: what it is about: of each kind that its ``KindSpec`` names.
    :param node_id: whose tokens it takes.
    :param transfer_s: what one download or upload may take, of kinds that wait for some.
    :raises VMBusy: WrongImageState: InUse: another operation has one of the objects to itself.
    :raises Faster: since a moment ago, of an object whose callers look for that operation first.
    """
    spec = SPECS[kind]
    about = held(kind, objects)
    values = {
        "kind": kind,
        "account_id": account_id,
        "vm_id": next(iter(objects.get(ObjectKind.VM, ())), None),
        "node_id": node_id,
        "objects": about.objects,
        "held": about.held,
        "parent_id": parent_id,
        "concurrent": spec.concurrent,
        "arguments": msgspec.json.encode(arguments or {}).decode(),
        "cause_kind": cause.kind,
        "cause_ref": cause.ref,
        "seconds": spec.until(transfer_s),
    }
    made = _INSERT(session, **values, channel=CHANNEL, topic=TOPIC).one()
    if made.held < about.number:
        session.execute(text("DELETE FROM operation WHERE id = :id"), {"id": made.id})
        refuse(session, about)
    if made.before:
        put_behind(session, made.id, kind, made.before)
    note_notified(session, TOPIC)
    return OperationId(made.id)


def put_behind(session: Session, operation_id: int, kind: OperationKind, before: Sequence[int]) -> None:
    """Have an operation wait until those have ended that yield it an object, unless its kind need not."""
    if not SPECS[kind].ends_guest:
        session.execute(
            text("UPDATE operation SET arguments = arguments || CAST(:note AS jsonb) WHERE id = :id"),
            {"id": operation_id, "note": msgspec.json.encode({BEHIND: sorted(before)}).decode()},
        )


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


def first_open(session: Session, operation_ids: Sequence[int]) -> OperationRow | None:
    """The first of some that has not ended."""
    found = session.execute(
        text(f"SELECT {COLUMNS} FROM operation WHERE id = ANY(:ids) AND {is_open()} ORDER BY id LIMIT 1"),
        {"ids": list(operation_ids)},
    ).first()
    return None if found is None else operation_row(found)


def open_ones(session: Session, operation_ids: Sequence[int]) -> set[int]:
    """Of operations those that have not ended."""
    found = session.scalars(
        text(f"SELECT id FROM operation WHERE id = ANY(:ids) AND {is_open()}"), {"ids": list(operation_ids)}
    )
    return set(found)


def holders_left(session: Session, vm_id: int) -> list[tuple[int, int]]:
    """
    Operations that are over, by which a domain without a guest may still have disks of a VM open, with the node of
    that: no pass, which ends it, has come there since.
    """
    found = session.execute(
        text(
            "SELECT o.id, n.id AS node_id FROM operation o"
            f" JOIN node n ON n.id = CAST(o.arguments->>'{HOLDER}' AS bigint)"
            f" WHERE o.vm_id = :vm AND NOT {is_open('o')} AND n.deleted_at IS NULL"
            " AND (n.passed_at IS NULL OR n.passed_at <= o.finished_at) ORDER BY o.id"
        ),
        {"vm": vm_id},
    )
    return [(row.id, row.node_id) for row in found]
