"""Reads in the reactor's thread: they give what threads give, and what they cannot do at once threads do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import Clock, deferLater

from cm.rpc.errors import ObjectNotFound
from cm.runtime.database import Database
from cm.runtime.prepared import Prepared
from cm.runtime.prompt import HUNG_S, LINES, NotPrompt, PromptReads
from cm.runtime.threads import IThreads, Threads
from support.cloud import MemoryCloud, reactor, run

WHERE = Prepared("test_where", "SELECT pg_backend_pid() AS pid, current_setting('TimeZone') AS zone")
TYPES = Prepared(
    "test_types",
    "SELECT CAST(:id AS bigint) AS id, now() - now() AS age, CAST('2026-01-02T03:04:05Z' AS timestamptz) AS at,"
    """ ARRAY[1, 2] AS list, CAST('{"a": [1]}' AS jsonb) AS json, CAST(NULL AS text) AS nothing,"""
    " CAST('5a1f6a52-7c0e-4b58-9d0a-3f2f0c7e9b11' AS uuid) AS uuid, inet '10.0.0.1' AS address, 'zażółć' AS words",
)
ROWS = Prepared("test_rows", "SELECT n FROM generate_series(1, :limit) AS n")
SLEEP = Prepared("test_sleep", "SELECT pg_backend_pid() AS pid, pg_sleep(:seconds)")
DIVIDE = Prepared("test_divide", "SELECT 1 / CAST(:by AS integer) AS quotient")


@dataclass
class Bench:
    database: Database
    url: str

    def read(self, function: Callable[..., Any], *args: Any) -> Any:
        return run(lambda: self.database.read_prompt(function, *args))

    @property
    def here(self) -> int:
        """The reactor's thread."""

        async def ask() -> int:
            return threading.get_ident()

        found: int = run(ask)
        return found

    def warm(self, lines: int = 1) -> None:
        """Have so many connections."""

        async def ask() -> None:
            while len(self.database._prompt._lines) < lines:  # type: ignore[union-attr]
                await gatherResults(
                    [Deferred.fromCoroutine(self.database.read_prompt(sleep, 0.02)) for _ in range(lines + 1)]
                )

        run(ask)


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    threads = Threads(reactor, {"database": 2, "reads": 4})
    database = Database(database_url, cast(IThreads, threads), pool_size=2, reactor=reactor)
    yield Bench(database, database_url)

    async def stop() -> None:
        database.close()
        await threads.stop()

    run(stop)


def place(session: Any) -> tuple[int, int, str]:
    """The thread, the backend and its time zone."""
    row = WHERE(session).one()
    return threading.get_ident(), row.pid, row.zone


def sleep(session: Any, seconds: float) -> tuple[int, int]:
    return threading.get_ident(), SLEEP(session, seconds=seconds).one().pid


def types(session: Any) -> dict[str, Any]:
    return dict(TYPES(session, id=2**40).one()._mapping)


def rows(session: Any, limit: int) -> tuple[int, int]:
    return threading.get_ident(), len(ROWS.column(session, limit=limit))


def test_in_the_reactors_thread(bench: Bench) -> None:
    """The first is done on a thread, while the connection is made that the next ones are done on."""
    assert bench.read(place)[0] != bench.here
    bench.warm()
    first, again = bench.read(place), bench.read(place)
    assert first == again and first[0] == bench.here and first[2] == "UTC"


def test_equal(bench: Bench) -> None:
    bench.warm()
    assert bench.read(types) == run(lambda: bench.database.read(types)) == bench.database.read_now(types)


def test_at_once(bench: Bench) -> None:
    """Several rest at the same time, each on a connection of its own; who finds none free is served by a thread."""
    bench.warm(LINES)

    async def ask() -> list[tuple[int, int]]:
        begun = [Deferred.fromCoroutine(bench.database.read_prompt(sleep, 0.2)) for _ in range(LINES + 2)]
        found: list[tuple[int, int]] = await gatherResults(begun)
        return found

    found = run(ask)
    assert len({pid for _, pid in found}) == LINES + 2
    assert [thread == bench.here for thread, _ in found] == [True] * LINES + [False] * 2


@pytest.mark.parametrize(("limit", "here"), [(200, True), (201, False)])
def test_large_page(bench: Bench, limit: int, here: bool) -> None:
    bench.warm()
    thread, found = bench.read(rows, limit)
    assert found == limit and (thread == bench.here) is here


def test_other_statements(bench: Bench) -> None:
    """What asks the session for more than prepared statements is done on a thread, from its beginning."""
    bench.warm()

    def ask(session: Any) -> tuple[int, int]:
        ROWS(session, limit=1)
        return threading.get_ident(), cast(Session, session).scalar(text("SELECT 7"))

    thread, found = bench.read(ask)
    assert found == 7 and thread != bench.here
    assert bench.read(place)[0] == bench.here


def test_refusals(bench: Bench) -> None:
    """A refusal of ours is told as it is, and one of the database's as threads tell it."""
    bench.warm()

    def refuse(session: Any) -> None:
        raise ObjectNotFound("vm", len(ROWS(session, limit=3)))

    with pytest.raises(ObjectNotFound, match="3"):
        bench.read(refuse)
    for _ in range(2):
        with pytest.raises(DBAPIError, match="division by zero"):
            bench.read(lambda session: DIVIDE(session, by=0))
    assert bench.read(lambda session: DIVIDE(session, by=1).scalar()) == 1
    assert bench.read(place)[0] == bench.here


def _end(url: str, pid: int) -> None:
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
    connection.close()


def test_connection_lost_meanwhile(bench: Bench) -> None:
    """The read is done on a thread; the next ones get a new connection."""
    bench.warm()
    pid = bench.read(place)[1]

    async def ask() -> tuple[int, int]:
        reading = Deferred.fromCoroutine(bench.database.read_prompt(sleep, 0.3))
        await deferLater(reactor, 0.05)
        _end(bench.url, pid)
        found: tuple[int, int] = await reading
        return found

    thread, other = run(ask)
    assert thread != bench.here and other != pid
    bench.warm()
    assert bench.read(place)[0] == bench.here


def test_connection_lost_at_rest(bench: Bench) -> None:
    """A restarted database costs no call; the reactor does not go round and round a dead connection."""
    bench.warm()
    pid = bench.read(place)[1]
    _end(bench.url, pid)

    async def wait() -> None:
        await deferLater(reactor, 0.1)

    run(wait)
    assert bench.database._prompt is not None and not bench.database._prompt._lines
    assert bench.read(place)[1] != pid


def test_cancelled(bench: Bench) -> None:
    """Who hangs up is not waited for, and the connection is free once its statement has ended."""
    bench.warm()

    async def ask() -> None:
        reading = Deferred.fromCoroutine(bench.database.read_prompt(sleep, 0.2))
        reading.cancel()
        with pytest.raises(CancelledError):
            await reading
        assert (await bench.database.read_prompt(place))[0] != threading.get_ident()
        await deferLater(reactor, 0.3)
        assert (await bench.database.read_prompt(place))[0] == threading.get_ident()

    run(ask)


def test_closed(bench: Bench) -> None:
    """What rests when the database is closed is told so; nothing is opened any more."""
    bench.warm()
    prompt = bench.database._prompt
    assert prompt is not None

    async def ask() -> None:
        reading = prompt.begin(sleep, (0.2,))
        assert reading is not None
        prompt.close()
        with pytest.raises(NotPrompt):
            await reading

    run(ask)
    assert prompt.begin(sleep, (0.0,)) is None and not prompt._opening


class Silent:
    """A connection that is never answered."""

    closed = 0

    def fileno(self) -> int:
        return 0

    def cursor(self) -> Any:
        return self

    def execute(self, statement: str, values: Any) -> None:
        pass

    def poll(self) -> int:
        return psycopg2.extensions.POLL_READ

    def close(self) -> None:
        self.closed = 1


class Readers(Clock):
    def addReader(self, reader: Any) -> None:
        pass

    removeReader = addWriter = removeWriter = addReader


def test_hung() -> None:
    """A server that vanished without a word holds a connection for no longer than a statement may take."""
    clock, made = Readers(), []

    class Now:
        async def run(self, pool: str, function: Callable[..., Any], *args: Any, **how: Any) -> Any:
            return function(*args)

    def open_() -> Silent:
        made.append(Silent())
        return made[-1]

    prompt = PromptReads(clock, cast(IThreads, Now()), open_, size=1)
    assert prompt.begin(sleep, (1.0,)) is None
    reading = prompt.begin(sleep, (1.0,))
    assert reading is not None and prompt.begin(sleep, (1.0,)) is None
    clock.advance(HUNG_S + 1)
    assert prompt.begin(sleep, (1.0,)) is None
    failed: list[Any] = []
    reading.addErrback(failed.append)
    assert failed[0].check(NotPrompt) and made[0].closed and len(made) == 2


def test_views(database_url: str, tmp_path: Path) -> None:
    """Each view that says so is done in the reactor's thread, whatever it is asked; but large pages, and rare ways."""
    cloud = MemoryCloud(database_url, tmp_path)
    try:
        vm_id = cloud.wait(cloud.create()["vm_id"], "running")["vm_id"]
        cloud.call("user.acl.set", {"kind": "vm", "object_id": vm_id, "level": "user", "login": "other"})
        asked = [
            ("user.vm.get_by_id", {"vm_id": vm_id}, "user"),
            ("user.vm.get_by_id", {"vm_id": vm_id}, "other"),
            ("user.vm.get_list", {"limit": 100}, "user"),
            ("user.vm.get_list", {"limit": 1, "before": vm_id, "closed": True}, "user"),
            ("user.vm.list_whole", {"limit": 100}, "user"),
            ("admin.vm.get_by_id", {"vm_id": vm_id}, "admin"),
            ("admin.vm.get_list", {"limit": 100, "user_id": cloud.user_id}, "admin"),
            ("admin.vm.get_list", {"limit": 100, "node_id": cloud.node_ids[0]}, "admin"),
        ]
        assert {name for name, _, _ in asked} == {view.name for view in cloud.manager.registry if view.prompt}
        database = cloud.manager.database
        slow = [cloud.call(name, given, account=whose) for name, given, whose in asked]
        cloud.until(lambda: len(database._prompt._lines) == 1, "a connection for prompt reads")
        on_threads: list[Any] = []
        read = database.read
        database.read = lambda function, *args: on_threads.append(args) or read(function, *args)
        for (name, given, whose), expected in zip(asked, slow, strict=True):
            # The test's own calls come one by one; the manager's have no prompt reads.
            assert cloud.call(name, given, account=whose) == expected
        assert [args[0].name for args in on_threads if args and hasattr(args[0], "prompt")] == []
        with pytest.raises(ObjectNotFound):
            cloud.call("user.vm.get_by_id", {"vm_id": vm_id + 1000})
    finally:
        cloud.stop()
