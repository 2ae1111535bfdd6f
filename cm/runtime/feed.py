"""
Reading the table ``change`` as a feed: whoever subscribes gets every row once, in order, from where they were before.

Rows are ordered by the id of the transaction that wrote them (``xid``), then by their own. A row is read only once all
transactions with lower ids have ended, so that none can appear behind a reader's back: a transaction that writes for
long, in any database of the server, holds the feed up until it ends. Where a reader is, its *cursor*, is a text
``<epoch>.<xid>.<id>``; the epoch names the life of the database, since a restored one counts its transactions anew.

There is one query a round for all who are up to date, however many. Whoever comes with an old cursor reads pages of
their own until they have caught up, and joins the others then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.rpc.errors import Unavailable
from cm.runtime.database import Database
from cm.runtime.pool import on_behalf

log = Logger()

POLL_S: Final = 0.15
PAGE: Final = 500  # rows of one query
RETRY_S: Final = 1.0  # while the database is away
KEEP_DAYS: Final = 7  # cursors that are older have to load anew

Position = tuple[int, int]
_CURSOR: Final = re.compile(r"([0-9a-f]{16})\.([0-9]{1,19})\.([0-9]{1,19})", re.ASCII)

# What a manager's query of rows says after its FROM: :xid and :id are the position that they follow.
FINAL: Final = "(xid, id) > (:xid, :id) AND xid < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"


@dataclass(frozen=True, slots=True)
class FeedRow:
    """
    A change, and who may see it besides those who see all.

    :ivar object: the object as JSON, or None: it is gone, or nobody rendered it.
    :ivar users: accounts; ``groups``: pairs of an issuer ("" where groups are the manager's own) and a group.
    :ivar external: accounts once more, as pairs of their issuer and its number for them.
    :ivar personal: its object lives on, and is gone for these users alone.
    :ivar more: what the event tells besides.
    :ivar encoded: the event as bytes, by who reads it; kept by whoever encodes, so that it happens once.
    """

    position: Position
    kind: str
    object_id: int
    uuid: str | None
    event: str
    at: datetime
    object: str | None = None
    users: frozenset[int] = frozenset()
    groups: frozenset[tuple[str, int]] = frozenset()
    external: frozenset[tuple[str, int]] = frozenset()
    public: bool = False
    personal: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    encoded: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)


Fetch = Callable[[Session, Position, int], Sequence[FeedRow]]
"""``fetch(session, after, limit)``: rows after a position in their order, of those that ``FINAL`` lets through."""
Deliver = Callable[[Sequence[FeedRow]], None]


@dataclass(frozen=True, slots=True)
class Head:
    """Where a feed is. :ivar oldest: the first row that is kept. :ivar known: the asked row is there."""

    epoch: str
    xmin: int
    xmax: int
    oldest: Position | None
    known: bool

    @property
    def position(self) -> Position:
        """Behind all rows that can be read now, and before all others."""
        return (self.xmin, 0)


_HEAD = text(
    """
SELECT substr(md5((SELECT system_identifier::text FROM pg_control_system()) || '.'
                  || (SELECT oid::text FROM pg_database WHERE datname = current_database()) || '.'
                  || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)), 1, 16) AS epoch,
       CAST(CAST(pg_snapshot_xmin(s.now) AS text) AS bigint) AS xmin,
       CAST(CAST(pg_snapshot_xmax(s.now) AS text) AS bigint) AS xmax,
       o.xid, o.id, EXISTS (SELECT 1 FROM change c WHERE c.xid = :xid AND c.id = :id) AS known
  FROM (SELECT pg_current_snapshot() AS now) s LEFT JOIN (SELECT xid, id FROM change ORDER BY xid, id LIMIT 1) o ON true
"""
)


def read_head(session: Session, asked: Position = (0, 0)) -> Head:
    """
    The epoch is that of the server, the database in it and its timeline: a dump that is restored elsewhere, a server
    that was put back to an earlier time and one that was promoted have another.
    """
    found = session.execute(_HEAD, {"xid": asked[0], "id": asked[1]}).one()
    oldest = None if found.xid is None else (found.xid, found.id)
    return Head(found.epoch, found.xmin, found.xmax, oldest, found.known)


def parse_cursor(cursor: str) -> tuple[str, Position] | None:
    """Epoch and position, or None when it is no cursor."""
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        return None
    xid, number = int(found[2]), int(found[3])
    return (found[1], (xid, number)) if max(xid, number) < 2**63 else None


def format_cursor(epoch: str, position: Position) -> str:
    return f"{epoch}.{position[0]}.{position[1]}"


def resumes(head: Head, epoch: str, position: Position) -> bool:
    """Whether all that came after this cursor can still be told."""
    if epoch != head.epoch or position[0] > head.xmax:
        return False
    if head.oldest is not None and position < head.oldest:
        return False
    # Rows go in order, so this one is there, unless the database was put back to an earlier state.
    return position[1] == 0 or head.known


def settle_feed(session: Session) -> None:
    """
    Make the table fit to be read: without rows of transactions that this server has yet to count to (they came with
    another's dump), and with a first row, before which nobody begins.
    """
    session.execute(
        text("DELETE FROM change WHERE xid >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)")
    )
    session.execute(
        text(
            "INSERT INTO change (kind, object_id, event) SELECT 'feed', 0, 'enter'"
            " WHERE NOT EXISTS (SELECT 1 FROM change)"
        )
    )


def prune_changes(session: Session, batch: int = 10_000, keep_days: int = KEEP_DAYS) -> int:
    """
    Delete old rows from the front of the order, and never the last: what is kept is always whole, and where it begins
    tells which cursors are too old.
    """
    done = session.execute(
        text(
            "WITH old AS (SELECT xid, id, at FROM change ORDER BY xid, id LIMIT :batch),"
            " ends AS (SELECT xid, id FROM old WHERE at < now() - make_interval(days => :days)"
            " AND (xid, id) < (SELECT xid, id FROM change ORDER BY xid DESC, id DESC LIMIT 1)"
            " ORDER BY xid DESC, id DESC LIMIT 1)"
            " DELETE FROM change c USING ends WHERE (c.xid, c.id) <= (ends.xid, ends.id)"
        ),
        {"batch": batch, "days": keep_days},
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


class Subscription:
    """
    One reader. ``start`` it once its first lines are out; it is handed rows until it is closed.

    :ivar reset: its cursor was not good: it has to load what there is, and goes on from ``cursor``.
    """

    def __init__(
        self, reader: FeedReader, position: Position, deliver: Deliver, ended: Callable[[], None], reset: bool
    ) -> None:
        self._reader = reader
        self._deliver = deliver
        self._ended = ended
        self._gate: Deferred[None] | None = None
        self._paused = False
        self.position = position
        self.reset = reset
        self.closed = False

    @property
    def cursor(self) -> str:
        return format_cursor(self._reader.epoch, self.position)

    def start(self) -> None:
        Deferred.fromCoroutine(self._catch_up()).addErrback(self._broken)

    def _broken(self, failure: Any) -> None:
        log.failure("a reader of the feed could not catch up", failure=failure)
        self.end()

    def take(self, rows: Sequence[FeedRow]) -> None:
        """Rows of the common round; those that it has read by itself are left out."""
        if self.closed:
            return
        if rows[0].position <= self.position:
            rows = [row for row in rows if row.position > self.position]
            if not rows:
                return
        self.position = rows[-1].position
        try:
            self._deliver(rows)
        except Exception:
            log.failure("a reader of the feed could not take its rows")
            self.end()

    def pause(self) -> None:
        """Read no more pages of its own; the common round goes on, unless it falls back."""
        self._paused = True

    def fall_back(self) -> None:
        """Take part in the common round no longer: read pages of its own, from ``resume`` on, and catch up."""
        if not self.closed and self._reader.step_out(self):
            self.start()

    def resume(self) -> None:
        self._paused = False
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.callback(None)

    def close(self) -> None:
        self.closed = True
        self._reader.leave(self)
        self.resume()

    def end(self) -> None:
        """From our side: its reader has to connect again."""
        if not self.closed:
            self.close()
            self._ended()

    async def _catch_up(self) -> None:
        reader = self._reader
        while not self.closed:
            if self._paused:
                self._gate = Deferred()
                await self._gate
                continue
            common = reader.position
            try:
                rows = await reader.fetch(self.position)
            except Unavailable:
                await reader.sleep(RETRY_S)
                continue
            if self.closed:
                return
            if rows:
                self.take(rows)
            if len(rows) == PAGE:
                continue
            # All that the common round had read before our query, our query has seen.
            if common is not None and common > self.position:
                self.position = common
            if reader.join(self):
                return


class FeedReader:
    """
    The feed of one process. It asks nothing of the database while nobody subscribes.

    :param reactor: an ``IReactorTime``.
    :ivar position: how far the common round has read, or None when there is none.
    """

    def __init__(self, database: Database, reactor: Any, fetch: Fetch) -> None:
        self._database = database
        self._reactor = reactor
        self._fetch = fetch
        self._live: dict[Subscription, None] = {}  # as those below, in the order in which they came
        self._round = 0  # grows when the common round begins or ends
        self._subscribed: dict[Subscription, None] = {}
        self.epoch = ""
        self.position: Position | None = None

    def __len__(self) -> int:
        return len(self._subscribed)

    async def start(self) -> None:
        """Before the first subscription."""
        await self._database.transact(settle_feed)
        self.epoch = (await self._database.read(read_head)).epoch

    async def subscribe(self, cursor: str | None, deliver: Deliver, ended: Callable[[], None]) -> Subscription:
        """
        :param cursor: where the reader was before; without one it begins now.
        :param deliver: called on the reactor with rows, at least one; it may close the subscription.
        :param ended: called when it ends from our side; not after ``close``.
        """
        known = parse_cursor(cursor) if cursor else None
        head = await self._database.read(read_head, known[1] if known else (0, 0))
        self._look_at(head.epoch)
        good = known is not None and resumes(head, *known)
        position = known[1] if known is not None and good else head.position
        made = Subscription(self, position, deliver, ended, reset=bool(cursor) and not good)
        self._subscribed[made] = None
        return made

    def afresh(self, _subject: str = "") -> None:
        """The database was away: it may be another one now, or an earlier state of it."""
        Deferred.fromCoroutine(self._look()).addErrback(
            lambda failure: log.warn("the feed's epoch could not be read: {error}", error=str(failure.value))
        )

    async def _look(self) -> None:
        self._look_at((await self._database.read(read_head)).epoch)

    def _look_at(self, epoch: str) -> None:
        if epoch == self.epoch:
            return
        self.epoch = epoch
        for subscription in list(self._subscribed):
            subscription.end()

    # -------------------------------------------------------------- for subscriptions

    async def fetch(self, after: Position) -> Sequence[FeedRow]:
        return await self._database.read(self._fetch, after, PAGE)

    def join(self, subscription: Subscription) -> bool:
        """Whether it takes part in the common round from here on; else that is ahead of it."""
        if self.position is not None and subscription.position < self.position:
            return False
        self._live[subscription] = None
        if self.position is None:
            self.position = subscription.position
            self._round += 1
            Deferred.fromCoroutine(self._go_round(self._round)).addErrback(self._broken)
        return True

    def step_out(self, subscription: Subscription) -> bool:
        """Whether it took part in the common round until now."""
        if subscription not in self._live:
            return False
        self._live.pop(subscription, None)
        if not self._live:
            self.position = None
            self._round += 1
        return True

    def leave(self, subscription: Subscription) -> None:
        self._subscribed.pop(subscription, None)
        self.step_out(subscription)

    async def sleep(self, seconds: float) -> None:
        pause: Deferred[None] = Deferred()
        self._reactor.callLater(seconds, pause.callback, None)
        await pause

    # -------------------------------------------------------------- the common round

    async def _go_round(self, number: int) -> None:
        on_behalf.set(None)  # it was begun by one of its readers, and is for all
        while number == self._round:
            assert self.position is not None
            try:
                rows = await self.fetch(self.position)
            except Unavailable as error:
                log.warn("the feed waits: {error}", error=str(error))
                await self.sleep(RETRY_S)
                continue
            if number != self._round:
                return
            if rows:
                self.position = rows[-1].position
                for subscription in list(self._live):
                    subscription.take(rows)
            if len(rows) < PAGE:
                await self.sleep(POLL_S)

    def _broken(self, failure: Any) -> None:
        """Nobody may go on waiting for what does not come: they connect again."""
        log.failure("the feed broke", failure=failure)
        for subscription in list(self._live):
            subscription.end()
