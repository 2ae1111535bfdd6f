"""The change feed: nothing lost, nothing told twice, whatever cursor it is read from."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from twisted.internet.defer import Deferred

from cm.runtime.database import Database
from cm.runtime.feed import FeedReader, FeedRow, Subscription, format_cursor, prune_changes, read_head, settle_feed
from cm.runtime.threads import Threads
from cm.store.change import record_change
from cm.store.feed import read_changes
from support.cloud import reactor, run
from support.wait import until


class Feed:
    """A database with the readers of several processes on it."""

    def __init__(self, url: str, readers: int = 1) -> None:
        self.threads = Threads(reactor, {"database": 8})
        self.database = Database(url, self.threads)
        self.readers = [FeedReader(self.database, reactor, read_changes) for _ in range(readers)]
        for reader in self.readers:
            run(reader.start)

    def write(self, *object_ids: int, kind: str = "node", event: str = "change") -> None:
        def rows(session: Any) -> None:
            for object_id in object_ids:
                record_change(session, kind, object_id, None, event)

        self.database.transact_now(rows)

    def subscribe(self, cursor: str | None = None, reader: FeedReader | None = None) -> Told:
        told = Told()
        reader = reader or self.readers[0]

        async def go() -> Subscription:
            made = await reader.subscribe(cursor, told.rows.extend, partial(setattr, told, "ended", True))
            made.start()
            return made

        told.subscription = run(go)
        return told

    def all_rows(self) -> list[int]:
        """The ids of rows in the order of the feed, without the first, which stands before all."""
        statement = text("SELECT id FROM change WHERE kind <> 'feed' ORDER BY xid, id")
        return list(self.database.transact_now(lambda session: session.scalars(statement).all()))

    def rows(self) -> list[FeedRow]:
        """The first rows that can be read now."""
        found = self.database.read_now(read_changes, (0, 0), 10)
        return [row for row in found if row.kind != "feed"]

    def close(self) -> None:
        run(self.threads.stop)
        self.database.close()


class Told:
    """What one reader was told."""

    subscription: Any = None

    def __init__(self) -> None:
        self.rows: list[FeedRow] = []
        self.ended = False

    @property
    def objects(self) -> list[int]:
        return [row.object_id for row in self.rows]

    def close(self) -> None:
        run(partial(_later, self.subscription.close))


async def _later(function: Callable[[], Any]) -> Any:
    return function()


@pytest.fixture
def feed(database_url: str) -> Iterator[Feed]:
    made = Feed(database_url, readers=2)
    yield made
    made.close()


# ------------------------------------------------------------------ order


def test_older_transaction_holds_back(feed: Feed) -> None:
    """A row waits for every transaction that began to write before its own, whether that has rows yet or not."""
    told = feed.subscribe()
    engine = feed.database.engine
    with engine.connect() as silent, engine.connect() as older:
        silent.execute(text("SELECT pg_current_xact_id()"))
        older.execute(text("INSERT INTO change (kind, object_id, event) VALUES ('node', 1, 'change')"))
        feed.write(2)
        time.sleep(0.5)
        assert told.objects == []
        older.commit()
        feed.write(3)
        time.sleep(0.5)
        assert told.objects == []
        silent.execute(text("INSERT INTO change (kind, object_id, event) VALUES ('node', 4, 'change')"))
        silent.commit()
    until(lambda: len(told.rows) == 4)
    assert told.objects == [4, 1, 2, 3]


def test_rolled_back(feed: Feed) -> None:
    """What was rolled back is not told, and what came after it is."""
    told = feed.subscribe()
    with feed.database.engine.connect() as connection:
        connection.execute(text("INSERT INTO change (kind, object_id, event) VALUES ('node', 1, 'change')"))
        feed.write(2)
        connection.rollback()
    until(lambda: told.objects == [2])


def test_starts_now(feed: Feed) -> None:
    """Without a cursor what was before is not told; with one everything after it is, also beyond a page."""
    feed.write(1)
    told = feed.subscribe()
    start = told.subscription.cursor
    feed.write(*range(2, 1300))
    until(lambda: len(told.rows) == 1298)
    assert told.objects == list(range(2, 1300))
    again = feed.subscribe(start, feed.readers[1])
    until(lambda: len(again.rows) == 1298)
    assert again.objects == told.objects
    middle = format_cursor(feed.readers[0].epoch, told.rows[600].position)
    rest = feed.subscribe(middle)
    feed.write(1300)
    until(lambda: rest.objects == [*told.objects[601:1298], 1300])
    assert not rest.subscription.reset


def test_idle_feed_asks_nothing(feed: Feed) -> None:
    """Without subscribers there is no round."""
    told = feed.subscribe()
    until(lambda: feed.readers[0].position is not None)
    told.close()
    assert feed.readers[0].position is None and len(feed.readers[0]) == 0
    feed.write(1)
    again = feed.subscribe()
    feed.write(2)
    until(lambda: again.objects == [2])


@pytest.mark.parametrize("seed", range(4))
def test_no_loss_no_repeat(feed: Feed, seed: int) -> None:
    """
    Whatever order transactions commit in, and however often readers go away in the middle of what they are told and
    come back to this process or another: each has every committed row once, in order.
    """
    dice = random.Random(seed)

    def write(number: int) -> None:
        mine = random.Random(f"{seed} {number}")
        for _ in range(25):
            with feed.database.engine.connect() as connection:
                for _ in range(mine.randrange(1, 6)):
                    statement = "INSERT INTO change (kind, object_id, event) VALUES ('node', :n, 'change')"
                    connection.execute(text(statement), {"n": number})
                    time.sleep(mine.choice((0, 0, 0.002, 0.02)))
                time.sleep(mine.choice((0, 0, 0.01, 0.1)))
                connection.rollback() if mine.random() < 0.2 else connection.commit()

    readers = [Wanderer(feed, random.Random(f"{seed} reader {number}")) for number in range(6)]
    for reader in readers:
        run(reader.come)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        run(dice.choice(readers).go_away)
        time.sleep(dice.choice((0.01, 0.05)))
    for writer in writers:
        writer.join()
    wanted = feed.all_rows()
    assert len(wanted) > 50
    for reader in readers:
        reader.dice = None
        until(lambda reader=reader: len(reader.had) >= len(wanted))
    time.sleep(0.4)
    assert [reader.had for reader in readers] == [wanted] * len(readers)
    assert sum(reader.visits for reader in readers) > 12
    assert not any(reader.reset for reader in readers)


class Wanderer:
    """A reader who goes away in the middle of a page, comes back elsewhere, and is slow at times."""

    def __init__(self, feed: Feed, dice: random.Random | None) -> None:
        self._feed = feed
        self.dice = dice
        self.had: list[int] = []
        self.visits = 0
        self.reset = False
        self._cursor: str | None = None
        self._here: Subscription | None = None

    async def come(self) -> None:
        self.visits += 1
        reader = self.dice.choice(self._feed.readers) if self.dice else self._feed.readers[0]
        visit = self.visits
        made = await reader.subscribe(self._cursor, partial(self._deliver, visit), lambda: None)
        self.reset = self.reset or made.reset
        self._here = made
        self._cursor = self._cursor or made.cursor
        if self.dice and self.dice.random() < 0.3:
            made.pause()
            reactor.callLater(self.dice.choice((0.01, 0.2)), made.resume)
        made.start()

    def _deliver(self, visit: int, rows: Any) -> None:
        assert visit == self.visits and self._here is not None
        leaves = self.dice is not None and self.dice.random() < 0.4
        taken = rows[: self.dice.randrange(len(rows) + 1)] if leaves and self.dice else rows
        self.had += [row.position[1] for row in taken]
        if taken:
            self._cursor = format_cursor(self._feed.readers[0].epoch, taken[-1].position)
        if leaves:
            Deferred.fromCoroutine(self.go_away())

    async def go_away(self) -> None:
        here, self._here = self._here, None
        if here is not None:
            here.close()
            await self.come()


# ------------------------------------------------------------------ cursors


def test_bad_cursors(feed: Feed) -> None:
    """Garbage, another database's, one ahead, one whose row is not there: a reset, and a cursor that works."""
    feed.write(1, 2, 3)
    epoch = feed.readers[0].epoch
    rows = feed.rows()
    xid = rows[0].position[0]
    for cursor in (
        "x", "0.0", "..", f"{epoch}.{xid}", f"{epoch}.-1.0", f"{epoch}.{2**63}.1", f"{epoch}.٣.1", "x" * 10_000,
        format_cursor("0" * 16, rows[0].position), format_cursor(epoch, (xid + 10_000, 1)),
        format_cursor(epoch, (xid, 77)),
    ):  # fmt: skip
        told = feed.subscribe(cursor)
        assert told.subscription.reset, cursor
        assert not feed.subscribe(told.subscription.cursor).subscription.reset
    good = feed.subscribe(format_cursor(epoch, rows[0].position))
    assert not good.subscription.reset
    until(lambda: good.objects == [2, 3])


def test_pruned(feed: Feed) -> None:
    """
    Pruning takes old rows from the front and leaves the last; a cursor before what is left cannot go on, one at its
    first row can.
    """
    start = feed.subscribe().subscription.cursor
    for number in range(1, 7):
        feed.write(number)
    rows = feed.rows()
    epoch = feed.readers[0].epoch
    assert not feed.subscribe(start).subscription.reset
    age = "UPDATE change SET at = now() - interval '8 days' WHERE object_id <> 3"
    feed.database.transact_now(lambda session: session.execute(text(age)) and None)
    assert feed.database.transact_now(prune_changes, 3) == 3
    assert feed.database.transact_now(prune_changes, 1) == 0  # the next is young
    told = feed.subscribe(format_cursor(epoch, rows[2].position))
    until(lambda: told.objects == [4, 5, 6])
    for cursor in (start, format_cursor(epoch, rows[0].position), format_cursor(epoch, rows[1].position)):
        assert feed.subscribe(cursor).subscription.reset
    assert feed.database.transact_now(prune_changes) == 3
    assert [row.object_id for row in feed.rows()] == [6]
    assert not feed.subscribe(format_cursor(epoch, rows[5].position)).subscription.reset


def test_restored(feed: Feed) -> None:
    """Rows that another server's transactions wrote are forgotten, and would not come up again later."""
    feed.write(1)
    head = feed.database.read_now(read_head)
    insert = f"INSERT INTO change (xid, kind, object_id, event) VALUES ({head.xmax + 50}, 'node', 9, 'change')"
    feed.database.transact_now(lambda session: session.execute(text(insert)) and None)
    feed.database.transact_now(settle_feed)
    assert [row.object_id for row in feed.rows()] == [1]


def test_another_database(feed: Feed) -> None:
    """Should the database be another one after it was away, all are sent to connect again."""
    told = feed.subscribe()
    feed.readers[0].epoch = "f" * 16
    run(partial(_later, feed.readers[0].afresh))
    until(lambda: told.ended)
    assert len(feed.readers[0]) == 0
