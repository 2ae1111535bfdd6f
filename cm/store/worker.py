"""What workers do with operations: claim them with a lease, record how far they are, put them back, end them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import OperationState
from cm.rules.operation import SPECS, ObjectKind
from cm.runtime.database import CHANNEL, note_notified
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_due
from cm.store.operation import COLUMNS, KNOWN, OperationRow, operation_row
from cm.store.waking import wake, wake_vm

LOCK_CLASS: Final = 0x5741  # first key of the advisory lock that a living worker holds; "WA"
LEASE_S: Final = 15.0
# Who has renewed nothing for so long, and holds no lock either, is dead. Workers renew twice as often.
SILENT_S: Final = 2.0
# Kinds of a node's operations that take none of its tokens.
_IDLE: Final = ", ".join(f"'{kind}'" for kind, spec in SPECS.items() if not spec.calls_node)

_CLAIM = Prepared(
    "claim_operations",
    f"""
UPDATE operation SET state = 'running', worker_id = :worker_id,
       lease_until = clock_timestamp() + make_interval(secs => :lease_s),
       started_at = coalesce(started_at, clock_timestamp())
 WHERE id IN (
       SELECT o.id FROM operation o
        WHERE ({is_due("o")} AND o.not_before <= clock_timestamp()) AND o.kind IN ({KNOWN})
          AND (o.node_id IS NULL OR o.kind IN ({_IDLE}) OR NOT o.node_id = ANY(CAST(:full_nodes AS bigint[])))
        ORDER BY o.not_before, o.id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING {COLUMNS}
""",
)


def claim_operations(
    session: Session, worker_id: int, limit: int, full_nodes: Sequence[int], lease_s: float
) -> Sequence[OperationRow]:
    """Take up to ``limit`` operations that are due, skipping nodes that are ``full_nodes`` of work."""
    found = _CLAIM(session, worker_id=worker_id, limit=limit, full_nodes=list(full_nodes), lease_s=lease_s)
    return sorted((operation_row(row) for row in found), key=lambda row: row.id)


_DUE_IN = Prepared(
    "operation_due_in",
    f"SELECT extract(epoch FROM min(not_before) - clock_timestamp()) FROM operation WHERE {is_due()}",
)


def due_in(session: Session, most_s: float) -> float:
    """Seconds until the next operation becomes due by time alone; not below 0, and ``most_s`` where none does."""
    found = _DUE_IN(session).scalar()
    return most_s if found is None else min(most_s, max(0.0, float(found)))


def register_worker(session: Session, name: str) -> int:
    return int(session.execute(text("INSERT INTO worker (name) VALUES (:n) RETURNING id"), {"n": name}).scalar_one())


# Of an operation with a worker: when that is dead. At the end of its lease; or earlier, where nobody holds its advisory
# lock: not at once, as a living one loses it with its connection, but goes on renewing.
_DEAD_AT = """CASE WHEN CAST(:by_lock AS boolean) AND worker_id <> :me AND worker_id <> ALL (ARRAY(
        SELECT CAST(objid AS bigint) FROM pg_locks WHERE locktype = 'advisory' AND classid = :lock_class
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))
     THEN lease_until - make_interval(secs => :early_s) ELSE lease_until END"""
_DEAD = f"({_DEAD_AT}) < clock_timestamp()"

_ORPHANED = text(
    f"""
UPDATE operation SET state = 'queued', worker_id = NULL, lease_until = NULL, not_before = clock_timestamp(),
       attempts = attempts + 1
 WHERE state = 'running' AND {_DEAD}
RETURNING id
"""
)
# With the mark the objects of what was given up are free.
_CLEARED = """
WITH left_by AS (
    UPDATE operation SET worker_id = NULL, lease_until = NULL WHERE state <> 'running' AND {condition}
    RETURNING id, state
)
DELETE FROM operation_object h USING left_by l WHERE h.operation_id = l.id AND l.state = 'abandoned'
RETURNING h.kind, h.object_id
"""
_CLEAR_DEAD = text(_CLEARED.format(condition=f"worker_id IS NOT NULL AND {_DEAD}"))
_CLEAR = text(
    _CLEARED.format(
        condition="id = :id AND worker_id = :worker_id AND attempts = coalesce(CAST(:attempts AS bigint), attempts)"
    )
)
_HOLD_VM_OF = text("SELECT 1 FROM vm WHERE id = (SELECT vm_id FROM operation WHERE id = :id) FOR NO KEY UPDATE")
_DEAD_IN = Prepared(
    "dead_in",
    f"SELECT extract(epoch FROM min({_DEAD_AT}) - clock_timestamp()) FROM operation WHERE worker_id IS NOT NULL",
)


def dead_in(session: Session, me: int, by_lock: bool) -> float | None:
    """
    Seconds until ``take_over`` finds something, if nobody renews their leases until then; None: nobody is at anything.
    """
    found = _DEAD_IN(session, me=me, lock_class=LOCK_CLASS, by_lock=by_lock, early_s=LEASE_S - SILENT_S).scalar()
    return None if found is None else float(found)


def take_over(session: Session, me: int, by_lock: bool) -> Sequence[int]:
    """
    Queue again what dead workers left. What was given up while they were at it loses their mark.

    :param by_lock: a missing lock says something: not so while everybody is just connecting again. Without it leases
        have to run out.
    """
    values = {"me": me, "lock_class": LOCK_CLASS, "by_lock": by_lock, "early_s": LEASE_S - SILENT_S}
    cleared = session.execute(_CLEAR_DEAD, values).all()
    for kind, object_id in dict.fromkeys((row.kind, row.object_id) for row in cleared):
        # VMs are locked before operations, so here they are not: who begins to wait just now looks again in a while.
        wake(session, kind, object_id)
    return list(session.scalars(_ORPHANED, values))


def clear_mark(session: Session, operation_id: int, worker_id: int, attempts: int | None = None) -> None:
    """
    A worker has stopped touching an operation that was given up; who waits for that goes on.

    :param attempts: as it was claimed: for another claim the same worker may be touching it.
    """
    session.execute(_HOLD_VM_OF, {"id": operation_id})
    values = {"id": operation_id, "worker_id": worker_id, "attempts": attempts}
    for left in session.execute(_CLEAR, values).all():
        if left.kind == ObjectKind.VM:
            wake_vm(session, left.object_id)
        else:
            wake(session, left.kind, left.object_id)


_RENEW = Prepared(
    "renew_leases",
    """
UPDATE operation SET lease_until = clock_timestamp() + make_interval(secs => :lease_s)
 WHERE id IN (SELECT id FROM operation WHERE worker_id = :worker_id AND id = ANY(CAST(:ids AS bigint[]))
                 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
""",
)


def renew_leases(session: Session, worker_id: int, operation_ids: Sequence[int], lease_s: float) -> Sequence[int]:
    """
    Of what a worker is at. What it forgot, by a fault of ours, runs out as a dead worker's does. An operation that is
    just being written is passed over until the next time: who waits for one holds up all that it has renewed by then,
    and 32 of them waited for one another for a fifth of a second of each.

    :return: those that are still its, and were renewed.
    """
    return [row[0] for row in _RENEW(session, worker_id=worker_id, ids=list(operation_ids), lease_s=lease_s)]


_KEEP_LEASE = Prepared(
    "keep_lease",
    "UPDATE operation SET lease_until = clock_timestamp() + make_interval(secs => :lease_s)"
    " WHERE id = :id AND worker_id = :worker_id AND attempts = :attempts AND state = 'running' RETURNING id",
)


def keep_lease(session: Session, op: OperationRow, worker_id: int) -> bool:
    """
    Renew one lease.

    :param op: as it was claimed.
    :return: False where it was given up, or is another's by now.
    """
    values = {"id": op.id, "worker_id": worker_id, "attempts": op.attempts}
    return _KEEP_LEASE(session, **values, lease_s=LEASE_S).first() is not None


# The operation is locked behind the VM, which the common table is read for first; should it have changed while that was
# waited for, PostgreSQL looks at the new row.
_HOLDS_VM = Prepared(
    "holds_vm",
    """
WITH held AS MATERIALIZED (SELECT id FROM vm WHERE id = :vm_id FOR NO KEY UPDATE)
SELECT 1 FROM held, operation o WHERE o.id = :id AND o.worker_id = :worker_id AND o.attempts = :attempts
   AND o.state = 'running' FOR NO KEY UPDATE OF o
""",
)
_HOLDS = Prepared(
    "holds",
    "SELECT 1 FROM operation WHERE id = :id AND worker_id = :worker_id AND attempts = :attempts AND state = 'running'"
    " FOR NO KEY UPDATE",
)


def holds(session: Session, op: OperationRow, worker_id: int) -> bool:
    """
    Whether this worker still holds the operation; locks its row, so that it goes on holding it until commit. The VM's
    row is locked before it: everybody takes the two in this order.

    :param op: as it was claimed. Who lost it and claimed it anew holds it by that claim alone: each loss counts an
        attempt.
    """
    values = {"id": op.id, "worker_id": worker_id, "attempts": op.attempts}
    if op.vm_id is None:
        return bool(_HOLDS(session, **values))
    return bool(_HOLDS_VM(session, **values, vm_id=op.vm_id))


def is_left_to(session: Session, op: OperationRow, worker_id: int) -> bool:
    """
    Whether an operation was given up while this worker was at it, and its mark is there still. Its VM's row is held, as
    by who takes the mark away.
    """
    found = session.execute(
        text(
            "SELECT 1 FROM operation WHERE id = :id AND worker_id = :worker_id AND attempts = :attempts"
            " AND state = 'abandoned'"
        ),
        {"id": op.id, "worker_id": worker_id, "attempts": op.attempts},
    )
    return found.first() is not None


_RECORD_STEP = Prepared(
    "record_step",
    "UPDATE operation SET step = :step, progress = greatest(progress, :progress), user_text = :told, admin_text = ''"
    " WHERE id = :id",
)


def record_step(session: Session, operation_id: int, step: str, progress: int, told: str = "") -> None:
    """
    It goes on: what it waited for, or failed on before, is behind it.
    :param told: how far it is, where percent do not say it.
    """
    _RECORD_STEP.post(session, id=operation_id, step=step, progress=progress, told=told)


_NOTE_BEGUN = Prepared(
    "note_begun",
    "UPDATE operation SET arguments = arguments || jsonb_build_object(CAST(:note AS text), true)"
    " WHERE id = :id AND NOT jsonb_exists(arguments, :note) RETURNING id",
)


def note_begun(session: Session, operation_id: int, note: str) -> bool:
    """Note in the arguments that something is begun. False: it was noted before, by whoever was at the operation."""
    return _NOTE_BEGUN(session, id=operation_id, note=note).first() is not None


_KEEP_NOTE = Prepared("keep_note", "UPDATE operation SET arguments = arguments || CAST(:note AS jsonb) WHERE id = :id")


def keep_note(session: Session, operation_id: int, note: Mapping[str, Any]) -> None:
    """Have later steps and attempts find something in the arguments."""
    _KEEP_NOTE.post(session, id=operation_id, note=msgspec.json.encode(note).decode())


def note_ended(session: Session, operation_id: int, note: str) -> None:
    """
    What this process noted as begun has ended, and it saw the end. Whoever holds the operation by now, if anybody: who
    would have begun it once more has seen the note, and has not.
    """
    session.execute(
        text("UPDATE operation SET arguments = arguments - CAST(:note AS text) WHERE id = :id"),
        {"note": note, "id": operation_id},
    )


_PUT_BACK = Prepared(
    "put_back",
    """
UPDATE operation SET state = :state, worker_id = NULL, lease_until = NULL, step = :step,
       not_before = clock_timestamp() + make_interval(secs => :seconds), waits_for = :waits_for,
       attempts = attempts + CASE WHEN :waiting THEN 0 ELSE 1 END,
       user_text = coalesce(nullif(:user_text, ''), user_text),
       admin_text = coalesce(nullif(:admin_text, ''), admin_text),
       arguments = arguments || CAST(:note AS jsonb)
 WHERE id = :id
""",
)


def put_back(
    session: Session,
    operation_id: int,
    *,
    seconds: float,
    waiting: bool,
    step: str,
    waits_for: str = "",
    user_text: str = "",
    admin_text: str = "",
    note: dict[str, Any] | None = None,
) -> None:
    """
    Release a claimed operation until ``seconds`` from now: it waits for something, or failed and will be retried.

    :param waits_for: the object whose change wakes it before (``awaited``).
    :param user_text, admin_text: what for, or why; "": what was told before stays.
    :param note: what it wants to find again in its arguments.
    """
    _PUT_BACK(
        session,
        id=operation_id,
        state=OperationState.WAITING if waiting else OperationState.QUEUED,
        seconds=seconds,
        waiting=waiting,
        step=step,
        waits_for=waits_for,
        user_text=user_text,
        admin_text=admin_text,
        note=msgspec.json.encode(note or {}).decode(),
    )


_FINISH = Prepared(
    "finish",
    """
WITH ended AS (
    UPDATE operation SET state = :state, worker_id = NULL, lease_until = NULL, finished_at = clock_timestamp(),
           progress = CASE WHEN :state = 'done' THEN 100 ELSE progress END, error = :error, user_text = :user_text,
           admin_text = :admin_text, result = CAST(:result AS jsonb)
     WHERE id = :id
), freed AS (
    DELETE FROM operation_object WHERE operation_id = :id)
SELECT pg_notify(:channel, :payload)
""",
)


def finish(
    session: Session,
    operation_id: int,
    state: OperationState,
    *,
    error: str = "",
    user_text: str = "",
    admin_text: str = "",
    result: dict[str, Any] | None = None,
) -> None:
    """End an operation, for good unless ``retry`` opens it again."""
    payload = f"finished:{operation_id}"
    _FINISH(
        session,
        id=operation_id,
        state=state,
        error=error,
        user_text=user_text,
        admin_text=admin_text,
        result=msgspec.json.encode(result or {}).decode(),
        channel=CHANNEL,
        payload=payload,
    )
    note_notified(session, payload)
