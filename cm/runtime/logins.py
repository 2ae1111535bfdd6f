"""
The audit of logins, at both managers: who was claimed, from where, how, and what came of it; in the table ``login``,
and as one line of the log each, which fail2ban can read.

Alike ones are one row with a count: of refusals for ten minutes, of what was let in for an hour, so that a client that
sends its password with every call is one row. What is new is bounded by address and in all; beyond, it is counted in
rows without login, then without address, so that whoever tries a thousand names fills no disk. No call waits for it:
rows are written a moment later, and counts once a minute.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, TypedDict, cast
from urllib.parse import quote

from msgspec import Meta
from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from cm.rpc.address import network_of
from cm.rpc.errors import CloudError, NotAuthenticated, NotPermitted, TooManyLogins
from cm.runtime.database import Database
from cm.runtime.wall import utc_now

log = Logger(namespace="wawel.login")  # of no other line; filters go by it

OK: Final = "ok"
How = Literal["password", "basic", "totp", "oidc", "session", "key", "token", "ec2", "enrolment", "node"]
REFUSED_S: Final = 600.0  # for how long alike refusals are one row
LET_IN_S: Final = 3600.0
DELAY_S: Final = 1.0  # before a new row is written
COUNT_S: Final = 60.0  # between two writings of a row's count
AGAIN_S: Final = 5.0  # after the database did not answer
OPEN_MAX: Final = 10_000  # rows whose count may still grow
LOGIN_MAX: Final = 64  # characters


class Login(NamedTuple):
    """What is told apart. ``remote`` is an IPv4 address or an IPv6 network; "" for what was too many to tell apart."""

    login: str
    account_id: int | None
    remote: str
    how: str
    outcome: str


@dataclass(slots=True)
class _Row:
    what: Login
    remote: str  # the first address, of an IPv6 network
    first: datetime
    last: datetime
    until: float
    count: int = 1
    row_id: int | None = None
    written: int = 0
    written_at: float = 0.0


class _Allowance:
    """So many at once, and then one every ``refill_s``, by key."""

    def __init__(self, clock: Callable[[], float], burst: int, refill_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._refill_s = refill_s
        self._used: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, key: object) -> bool:
        now = self._clock()
        used, since = self._used.get(key, (0.0, now))
        level = max(0.0, used - (now - since) / self._refill_s)
        if level > self._burst - 1:
            return False
        self._used[key] = (level + 1.0, now)
        self._used.move_to_end(key)
        if len(self._used) > OPEN_MAX:
            self._used.popitem(last=False)
        return True


class LoginTrail:
    """
    :param reactor: an ``IReactorTime``.
    """

    def __init__(self, database: Database, reactor: Any) -> None:
        self._database = database
        self._reactor = reactor
        clock: Callable[[], float] = reactor.seconds
        self._open: OrderedDict[Login, _Row] = OrderedDict()
        self._unwritten: dict[int, _Row] = {}  # by id(): rows that the database lacks, or whose count it does
        # Of refusals, 30 rows a minute for ever are 6 MB a day; one address, or account, has 2 of them.
        self._rows = _Allowance(clock, 200, 2.0)
        self._rows_of = _Allowance(clock, 20, 30.0)
        # Of lines, which the journal bounds itself, fail2ban wants each; these are what one host can make of them.
        self._lines = _Allowance(clock, 300, 0.2)
        self._lines_of = _Allowance(clock, 30, 2.0)
        self._timer: Any = None
        self._timer_at = 0.0
        self._lock = DeferredLock()

    def note(self, login: str, account_id: int | None, remote: str, how: str, outcome: str = OK) -> None:
        """
        :param login: as it was claimed; "" where a token claims none.
        :param account_id: whose it is, where that is known.
        :param remote: "" for what this process asks itself: that is nobody's login.
        :param how: password, basic, totp, oidc, session, key, token, ec2; of nodes enrolment, node.
        :param outcome: ``ok``, or the code of the refusal.
        """
        if not remote:
            return
        place, now = network_of(remote), self._reactor.seconds()
        what = Login(login[:LOGIN_MAX], account_id, place, how, outcome)
        row = self._find(what, now)
        if row is None:
            self._tell(what, remote)
            row = self._make(what, remote, now)
        elif outcome != OK:
            self._tell(what, remote)
        row.last = utc_now()
        self._unwritten[id(row)] = row
        self._write_in(DELAY_S if row.row_id is None else COUNT_S)

    def _find(self, what: Login, now: float) -> _Row | None:
        row = self._open.get(what)
        if row is None or row.until <= now:
            return None
        row.count += 1
        return row

    def _make(self, what: Login, remote: str, now: float) -> _Row:
        """A row of its own if there may be one; else the one that counts all which are too many."""
        if what.outcome == OK:
            if not self._rows_of.take((what.account_id, what.login)):
                what, remote = what._replace(remote=""), ""
        elif not self._rows_of.take(what.remote):
            what = what._replace(login="", account_id=None)
        found = self._find(what, now)
        if found is None and what.outcome != OK and not self._rows.take(None):
            what, remote = what._replace(login="", account_id=None, remote=""), ""
            found = self._find(what, now)
        if found is not None:
            return found
        at = utc_now()
        row = _Row(what, remote, at, at, now + (LET_IN_S if what.outcome == OK else REFUSED_S))
        self._open[what] = row
        self._open.move_to_end(what)
        if len(self._open) > OPEN_MAX:
            self._open.popitem(last=False)
        return row

    def _tell(self, what: Login, remote: str) -> None:
        if not self._lines_of.take(what.remote) or not self._lines.take(None):
            return
        # No blank, quote or sign of structure comes from outside: what a login says forges neither field nor line.
        fields = {"remote": quote(remote, safe=":.%/"), "how": what.how, "login": quote(what.login, safe="@+") or "-"}
        if what.outcome == OK:
            log.info("login let in: from={remote} how={how} login={login}", **fields)
        else:
            log.warn(
                "login refused: from={remote} how={how} reason={reason} login={login}", reason=what.outcome, **fields
            )

    # -------------------------------------------------------------- writing

    def _write_in(self, seconds: float) -> None:
        at = self._reactor.seconds() + seconds
        if self._timer is not None and self._timer.active():
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._reactor.callLater(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        Deferred.fromCoroutine(self.flush()).addErrback(
            lambda failure: log.failure("the audit of logins could not be written", failure)
        )

    async def flush(self, everything: bool = False) -> None:
        """
        Write the rows that are new, and the counts that are due.

        :param everything: also the counts that are not.
        """
        await self._lock.run(lambda: Deferred.fromCoroutine(self._flush(everything)))

    async def stop(self) -> None:
        """Write what there is, once: a program that ends does not wait for its database."""
        await self.flush(everything=True)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    async def _flush(self, everything: bool) -> None:
        now = self._reactor.seconds()
        due = [
            row
            for row in self._unwritten.values()
            if everything or row.row_id is None or row.until <= now or now - row.written_at >= COUNT_S
        ]
        if due:
            for row in due:
                del self._unwritten[id(row)]
            counts = [row.count for row in due]
            try:
                row_ids = await self._database.transact(_write, [_values(row) for row in due])
            except CloudError as error:
                # What does not fit any more while the database is away is lost; the log has had its lines.
                room = OPEN_MAX - len(self._unwritten)
                self._unwritten |= {id(row): row for row in due[:room]}
                log.warn("the audit of logins waits for the database: {error}", error=str(error))
                self._write_in(AGAIN_S)
                return
            for row, row_id, count in zip(due, row_ids, counts, strict=True):
                row.row_id, row.written, row.written_at = row_id, count, now
                if row.count != count:
                    self._unwritten[id(row)] = row
        while self._open and next(iter(self._open.values())).until <= now:
            self._open.popitem(last=False)
        if self._unwritten:
            self._write_in(COUNT_S)


@dataclass(slots=True)
class Claim:
    """Who somebody says they are; ``account_id`` once they have proved it."""

    login: str
    how: str
    account_id: int | None = None


@contextmanager
def watched(trail: LoginTrail, login: str, remote: str, how: str) -> Iterator[Claim]:
    """Note what comes of a login: the refusal that the block raises, or that the account it names was let in."""
    claim = Claim(login, how)
    try:
        yield claim
    except (NotAuthenticated, NotPermitted, TooManyLogins) as error:
        trail.note(claim.login, claim.account_id, remote, claim.how, error.code)
        raise
    if claim.account_id is not None:
        trail.note(claim.login, claim.account_id, remote, claim.how)


def _values(row: _Row) -> dict[str, Any]:
    return {**row.what._asdict(), "remote": row.remote, "id": row.row_id, "first": row.first, "last": row.last,
            "count": row.count}  # fmt: skip


# ------------------------------------------------------------------ the table


def _write(session: Session, rows: list[dict[str, Any]]) -> list[int]:
    """:return: the rows' ids. One that was pruned meanwhile is not made anew."""
    written = []
    for row in rows:
        if row["id"] is not None:
            session.execute(text("UPDATE login SET count = :count, last_at = :last WHERE id = :id"), row)
            written.append(row["id"])
            continue
        made = session.execute(
            text(
                "INSERT INTO login (first_at, last_at, count, login, account_id, remote, how, outcome)"
                " VALUES (:first, :last, :count, :login, :account_id, :remote, :how, :outcome) RETURNING id"
            ),
            row,
        )
        written.append(made.scalar_one())
    return written


class LoginEntry(TypedDict):
    """Logins alike, within a while of each other."""

    login_id: Annotated[int, Meta(ge=1, examples=[17])]
    first: Annotated[datetime, Meta(tz=True, examples=["2026-03-01T12:00:00Z"], description="ISO 8601, in UTC.")]
    last: Annotated[datetime, Meta(tz=True, examples=["2026-03-01T12:05:00Z"], description="ISO 8601, in UTC.")]
    count: Annotated[int, Meta(ge=1, examples=[3], description="How many.")]
    login: Annotated[str, Meta(examples=["ann"], description="As it was claimed; may be empty.")]
    user_id: Annotated[int | None, Meta(examples=[4], description="Null where nobody was recognised.")]
    remote: Annotated[str, Meta(examples=["192.0.2.9"], description="An address, of IPv6 its network.")]
    how: How
    outcome: Annotated[str, Meta(examples=["ok"], description='"ok", or the slug of the refusal.')]


def list_logins(
    session: Session,
    *,
    login: str | None,
    user_id: int | None,
    remote: str | None,
    refused: bool | None,
    limit: int,
    before: int | None,
) -> list[LoginEntry]:
    """The newest first. ``refused``: only those, or only the others."""
    where = {
        "login": "login = :login",
        "user_id": "account_id = :user_id",
        "remote": "remote = :remote",
        "refused": "(outcome <> 'ok') = :refused",
        "before": "id < :before",
    }
    values = {"login": login, "user_id": user_id, "remote": remote, "refused": refused, "before": before}
    asked = [where[name] for name, value in values.items() if value is not None]
    rows = session.execute(
        text(
            "SELECT id AS login_id, first_at AS first, last_at AS last, count, login, account_id AS user_id, remote,"
            f" how, outcome FROM login WHERE {' AND '.join(asked) or 'true'} ORDER BY id DESC LIMIT :limit"
        ),
        {**values, "limit": limit},
    )
    return [cast(LoginEntry, dict(row._mapping)) for row in rows]


def prune_logins(session: Session, days: int, most: int) -> int:
    """
    Delete those older than so many days; of none with 0.

    :param most: rows of one transaction.
    :return: how many there were.
    """
    if not days:
        return 0
    done: Any = session.execute(
        text(
            "DELETE FROM login WHERE ctid IN (SELECT ctid FROM login"
            " WHERE last_at < now() - make_interval(days => :days) LIMIT :most)"
        ),
        {"days": days, "most": most},
    )
    return int(done.rowcount)
