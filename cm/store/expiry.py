"""Queries about expiry leases: the policies, and the terms of VMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Expiry
from cm.results import expiry as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import Seen, VMState, Wanted
from cm.rules.access import Level, Person
from cm.rules.expiry import LONGEST_S, End, Term, Verdict, VMTerms, Waits
from cm.rules.operation import OperationKind
from cm.rules.vm import VMFacts, status
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, close_row, edit_row, insert_row
from cm.store.access import FOR_CALLER, values_of
from cm.store.conditions import keeps_busy
from cm.store.rendered import Rendered, rendered

EDITED: Final[Columns] = (Expiry.name, Expiry.description, Expiry.for_all)
MADE: Final[Columns] = (*EDITED, Expiry.account_id, Expiry.suspend_s, Expiry.delete_s)

_COLUMNS = """e.id AS expiry_id, e.uuid::text AS uuid, e.name, e.description, e.account_id AS user_id, e.suspend_s,
       e.delete_s, e.for_all, e.is_default, e.version, e.created_at AS created"""
_EXPIRY = f"SELECT {_COLUMNS} FROM expiry e WHERE e.deleted_at IS NULL"
_FEED = Prepared(
    "feed_expiry",
    f"SELECT {_COLUMNS}, e.id AS _id, e.deleted_at IS NOT NULL AS _gone FROM expiry e WHERE e.id = ANY(:ids)",
)


def render_expiries(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids))


def list_expiries(session: Session, person: Person | None) -> Sequence[results.ExpiryLease]:
    """By name; of a person those that they may choose."""
    condition, values = "", {}
    if person is not None:
        condition = (
            " AND (e.for_all OR e.is_default OR e.account_id = :account_id OR EXISTS"
            f" (SELECT 1 FROM acl g WHERE g.kind = 'expiry' AND g.object_id = e.id AND {FOR_CALLER}))"
        )
        values = values_of(person)
    found = session.execute(text(f"{_EXPIRY}{condition} ORDER BY e.name"), values)
    return [cast(results.ExpiryLease, dict(row._mapping)) for row in found]


@dataclass(frozen=True)
class ExpiryPolicy:
    """A lease as its rules need it; ``shown``: as its views show it."""

    id: int
    account_id: int
    name: str
    suspend_s: int | None
    delete_s: int | None
    open: bool  # to everybody
    shown: results.ExpiryLease


def get_expiry(session: Session, expiry_id: int, *, lock: bool = False, version: int | None = None) -> ExpiryPolicy:
    """
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    suffix = " FOR NO KEY UPDATE" if lock else ""
    row = session.execute(text(f"{_EXPIRY} AND e.id = :id{suffix}"), {"id": expiry_id}).first()
    if row is None:
        raise ObjectNotFound("expiry", expiry_id)
    if version is not None and row.version != version:
        raise VersionChanged("expiry", expiry_id, row.version, version)
    shown = cast(results.ExpiryLease, dict(row._mapping))
    is_open = row.for_all or row.is_default
    return ExpiryPolicy(expiry_id, row.user_id, row.name, row.suspend_s, row.delete_s, is_open, shown)


def insert_expiry(session: Session, values: Mapping[str, Any]) -> int:
    return insert_row(session, Expiry, MADE, values)


def update_expiry(session: Session, expiry_id: int, values: Mapping[str, Any]) -> None:
    """Write what is not None of ``EDITED``, and both intervals as they are given."""
    edit_row(session, Expiry, expiry_id, EDITED, values)
    session.execute(
        text("UPDATE expiry SET suspend_s = :suspend_s, delete_s = :delete_s WHERE id = :id"),
        {"id": expiry_id, "suspend_s": values["suspend_s"], "delete_s": values["delete_s"]},
    )


def close_expiry(session: Session, expiry_id: int) -> None:
    close_row(session, Expiry, expiry_id)
    session.execute(text("UPDATE expiry SET is_default = false WHERE id = :id"), {"id": expiry_id})


def write_default(session: Session, expiry_id: int | None) -> Sequence[int]:
    """
    :param expiry_id: None: there is none any more.
    :return: those that are the default, or were.
    """
    was = session.scalars(
        text("UPDATE expiry SET is_default = false, version = version + 1 WHERE is_default RETURNING id")
    ).all()
    if expiry_id is not None:
        session.execute(
            text("UPDATE expiry SET is_default = true, version = version + 1 WHERE id = :id"), {"id": expiry_id}
        )
    return sorted({*was, *(() if expiry_id is None else (expiry_id,))})


# ------------------------------------------------------------------ of VMs

_BEGUN: Final = """renewed_at, suspend_s, suspend_at, delete_s, delete_at, look_at"""
_FROM: Final = """clock_timestamp(), e.suspend_s, clock_timestamp() + make_interval(secs => e.suspend_s),
       e.delete_s, clock_timestamp() + make_interval(secs => e.delete_s), clock_timestamp()"""
_AGAIN: Final = """expiry_id = excluded.expiry_id, renewed_at = excluded.renewed_at, suspend_s = excluded.suspend_s,
       suspend_at = excluded.suspend_at, suspend_told_at = NULL, delete_s = excluded.delete_s,
       delete_at = excluded.delete_at, delete_told_at = NULL, found_at = NULL, attempts = 0, waits = '', reason = '',
       look_at = excluded.look_at"""
_GIVE = Prepared(
    "give_expiry",
    f"INSERT INTO vm_expiry (vm_id, expiry_id, {_BEGUN})"
    f" SELECT CAST(:vm_id AS bigint), e.id, {_FROM} FROM expiry e WHERE e.id = :expiry_id"
    f" ON CONFLICT (vm_id) DO UPDATE SET {_AGAIN}",
)
_GIVE_DEFAULT = Prepared(
    "give_default_expiry",
    f"INSERT INTO vm_expiry (vm_id, expiry_id, {_BEGUN})"
    f" SELECT v.id, e.id, {_FROM} FROM unnest(CAST(:vm_ids AS bigint[])) AS v (id), expiry e"
    " WHERE e.is_default AND e.deleted_at IS NULL",
)


def give_expiry(session: Session, vm_id: int, expiry_id: int) -> None:
    """Both times begin anew from now, as the lease has them now. The VM's row is locked."""
    _GIVE(session, vm_id=vm_id, expiry_id=expiry_id)


def give_default(session: Session, vm_ids: Sequence[int]) -> None:
    """New VMs get the default lease, where there is one."""
    _GIVE_DEFAULT.post(session, vm_ids=list(vm_ids))


def take_expiry(session: Session, vm_id: int) -> bool:
    """A VM never ends by itself any more. :return: whether it would have."""
    return bool(session.execute(text("DELETE FROM vm_expiry WHERE vm_id = :id RETURNING 1"), {"id": vm_id}).first())


def give_many(session: Session, expiry_id: int, account_id: int | None, replace: bool) -> int:
    """
    Give live VMs a lease, from now on.

    :param account_id: whose; None: everybody's.
    :param replace: also those that have one.
    :return: how many.
    """
    whose = "" if account_id is None else " AND v.account_id = :account_id"
    found = session.execute(
        text(
            f"INSERT INTO vm_expiry (vm_id, expiry_id, {_BEGUN}) SELECT v.id, e.id, {_FROM} FROM vm v, expiry e"
            f" WHERE e.id = :expiry_id AND v.closed_at IS NULL{whose} ORDER BY v.id"
            f" ON CONFLICT (vm_id) DO {f'UPDATE SET {_AGAIN}' if replace else 'NOTHING'}"
        ),
        {"expiry_id": expiry_id, "account_id": account_id},
    )
    return int(found.rowcount)  # type: ignore[attr-defined]  # of an INSERT it is a CursorResult


_RESTART = Prepared(
    "restart_suspension",
    "UPDATE vm_expiry SET suspend_at = clock_timestamp() + make_interval(secs => suspend_s), suspend_told_at = NULL,"
    " attempts = 0, waits = '', reason = '', look_at = clock_timestamp()"
    " WHERE vm_id = :vm_id AND suspend_at IS NOT NULL",
)
_SOON = Prepared("look_at_expiry", "UPDATE vm_expiry SET look_at = clock_timestamp() WHERE vm_id = :vm_id")


def restart_suspension(session: Session, vm_id: int) -> None:
    """A VM is started, or woken up: it has its whole time until the next suspension. Its deletion stays."""
    _RESTART.post(session, vm_id=vm_id)


def look_soon(session: Session, vm_id: int) -> None:
    """What its ends depend on has changed."""
    _SOON.post(session, vm_id=vm_id)


@dataclass(frozen=True)
class ExpiryRow:
    """
    A VM's lease, with what its ends depend on.

    :ivar expiry_live: the lease was not deleted since.
    :ivar now: the database's clock.
    """

    vm_id: int
    uuid: str
    name: str
    account_id: int
    expiry_id: int
    expiry: str
    expiry_live: bool
    renewed_at: datetime
    terms: VMTerms
    waits: Waits
    reason: str
    look_at: datetime | None
    now: datetime

    @property
    def is_due(self) -> bool:
        """Whether it has to be looked at, as ``due_expiries`` tells."""
        ahead = self.now + timedelta(seconds=LONGEST_S + 3600)
        return self.look_at is not None and not self.now < self.look_at <= ahead


_VM = """v.id AS vm_id, v.uuid::text AS uuid, v.name, v.account_id, v.wanted, v.seen, v.error, v.guarded, v.closed_at,
       o.kind AS operation_kind, clock_timestamp() AS now"""
_BUSY = f"LEFT JOIN operation o ON o.vm_id = v.id AND {keeps_busy('o')}"
_OF_VM = f"""
SELECT {_VM}, x.expiry_id, e.name AS expiry, e.deleted_at IS NULL AS expiry_live, x.renewed_at, x.suspend_s,
       x.suspend_at, x.suspend_told_at, x.delete_s, x.delete_at, x.delete_told_at, x.found_at, x.attempts, x.waits,
       x.reason, x.look_at
  FROM vm_expiry x JOIN vm v ON v.id = x.vm_id JOIN expiry e ON e.id = x.expiry_id {_BUSY}
"""
_FIND = Prepared("find_vm_expiry", _OF_VM + " WHERE x.vm_id = :vm_id")


def _state(row: Any) -> VMState:
    kind = OperationKind(row.operation_kind) if row.operation_kind else None
    return status(VMFacts(Wanted(row.wanted), Seen(row.seen), row.closed_at is not None, bool(row.error), kind))


def _term(seconds: int | None, at: datetime | None, told_at: datetime | None) -> Term | None:
    return None if seconds is None or at is None else Term(seconds, at, told_at)


def _row(row: Any) -> ExpiryRow:
    terms = VMTerms(
        _state(row),
        row.operation_kind is not None,
        row.guarded,
        _term(row.suspend_s, row.suspend_at, row.suspend_told_at),
        _term(row.delete_s, row.delete_at, row.delete_told_at),
        row.found_at,
        row.attempts,
    )
    return ExpiryRow(
        row.vm_id, row.uuid, row.name, row.account_id, row.expiry_id, row.expiry, row.expiry_live, row.renewed_at,
        terms, Waits(row.waits), row.reason, row.look_at, row.now,
    )  # fmt: skip


def find_vm_expiry(session: Session, vm_id: int) -> ExpiryRow | None:
    """None: it has none, or is destroyed."""
    found = _FIND(session, vm_id=vm_id).first()
    return None if found is None else _row(found)


# A moment that no look would have put down was put down by a clock that was ahead.
_AHEAD: Final = f"now() + interval '{LONGEST_S + 3600:g} seconds'"
_DUE = Prepared(
    "due_expiries",
    f"{_OF_VM} WHERE x.look_at <= now() OR x.look_at > {_AHEAD} ORDER BY x.look_at, x.vm_id LIMIT :limit",
)
_CORRECT = Prepared(
    "correct_expiry_notices",
    "UPDATE vm_expiry SET suspend_told_at = least(suspend_told_at, CAST(:now AS timestamptz)),"
    " delete_told_at = least(delete_told_at, CAST(:now AS timestamptz)) WHERE vm_id = :vm_id",
)


def due_expiries(session: Session, limit: int) -> list[ExpiryRow]:
    """Those that have to be looked at, those first that have waited longest."""
    return [_row(found) for found in _DUE(session, limit=limit)]


def correct_notices(session: Session, vm_id: int, now: datetime) -> None:
    """People were told by a clock that was ahead: now at the latest."""
    _CORRECT(session, vm_id=vm_id, now=now)


def list_vm_expiries(
    session: Session, account_id: int | None, *, limit: int, after: int, expiry_id: int | None = None
) -> list[ExpiryRow]:
    """A page of live VMs that have a lease, by id."""
    where = ["x.vm_id > :after"]
    where += [] if account_id is None else ["v.account_id = :account_id", "v.closed_at IS NULL"]
    where += [] if expiry_id is None else ["x.expiry_id = :expiry_id"]
    found = session.execute(
        text(f"{_OF_VM} WHERE {' AND '.join(where)} ORDER BY x.vm_id LIMIT :limit"),
        {"after": after, "account_id": account_id, "expiry_id": expiry_id, "limit": limit},
    )
    return [_row(row) for row in found]


@dataclass(frozen=True)
class BareVM:
    """A live VM, whichever lease it has; ``expiry_id`` of that."""

    vm_id: int
    name: str
    account_id: int
    state: VMState
    busy: bool
    guarded: bool
    expiry_id: int | None
    now: datetime


def list_bare(session: Session, account_id: int | None, *, limit: int, after: int) -> list[BareVM]:
    """A page of live VMs, by id. :param account_id: whose; None: everybody's."""
    whose = "" if account_id is None else " AND v.account_id = :account_id"
    found = session.execute(
        text(
            f"SELECT {_VM}, x.expiry_id FROM vm v LEFT JOIN vm_expiry x ON x.vm_id = v.id {_BUSY}"
            f" WHERE v.closed_at IS NULL AND v.id > :after{whose} ORDER BY v.id LIMIT :limit"
        ),
        {"after": after, "account_id": account_id, "limit": limit},
    )
    return [
        BareVM(row.vm_id, row.name, row.account_id, _state(row), row.operation_kind is not None, row.guarded,
               row.expiry_id, row.now)
        for row in found
    ]  # fmt: skip


_WRITE = Prepared(
    "write_expiry_verdict",
    """
UPDATE vm_expiry SET waits = :waits, reason = :reason, found_at = :found_at, look_at = :look_at, attempts = :attempts,
       suspend_told_at = CASE WHEN CAST(:suspend_told AS boolean) THEN CAST(:now AS timestamptz)
                              ELSE suspend_told_at END,
       delete_told_at = CASE WHEN CAST(:delete_told AS boolean) THEN CAST(:now AS timestamptz)
                             WHEN NOT CAST(:untold AS boolean) THEN delete_told_at END
 WHERE vm_id = :vm_id
""",
)


def write_verdict(
    session: Session, row: ExpiryRow, verdict: Verdict, *, told: Sequence[End] = (), attempts: int = 0, reason: str = ""
) -> None:
    """
    What came of a look. The VM's row is locked.

    :param told: the ends that people were told of now.
    """
    _WRITE(
        session,
        vm_id=row.vm_id,
        waits=verdict.waits,
        reason=reason,
        found_at=verdict.found_at,
        look_at=verdict.look_at,
        attempts=attempts,
        suspend_told=End.SUSPEND in told,
        delete_told=End.DELETE in told,
        untold=verdict.untold,
        now=row.now,
    )


_OWNERS = Prepared(
    "owners_of_vm",
    "SELECT g.account_id FROM acl g JOIN account a ON a.id = g.account_id WHERE g.kind = 'vm' AND g.object_id = :vm_id"
    f" AND g.level = '{Level.OWNER}' AND a.deleted_at IS NULL ORDER BY g.account_id",
)


def owners_of(session: Session, row: ExpiryRow) -> list[int]:
    """The accounts that are a VM's owners: its own, and those that were granted that."""
    return list(dict.fromkeys([row.account_id, *_OWNERS.column(session, vm_id=row.vm_id)]))
