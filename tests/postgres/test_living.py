"""Threads and loops that must not die, and health that tells when one has."""

from __future__ import annotations

import os
import resource
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.runtime.database import CHANNEL
from cm.runtime.listener import Listener
from support.beside import connect_beside
from support.cloud import MemoryCloud, reactor, run
from support.wait import until

DESCRIPTORS = 2_000
LOCK = (7, 4711)


@pytest.fixture(scope="module")
def many_descriptors() -> Iterator[None]:
    """So many files are open already that whatever comes next lies far above select()'s 1,023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS + 1_000), hard))
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(DESCRIPTORS)]
    assert max(opened) > 1_023
    yield
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Heard:
    """A listener with its lock, what it was told, and a connection beside it."""

    def __init__(self, url: str) -> None:
        self.listener = Listener(reactor, url)
        self.subjects: list[str] = []
        self._beside = connect_beside(url)

        async def start() -> None:
            self.listener.subscribe("word", self.subjects.append)
            await self.listener.start(LOCK)

        run(start)

    def ask(self, statement: str, *values: Any) -> Any:
        with self._beside.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchone()[0]

    def hears(self, word: str) -> None:
        """What is notified is heard; said again until it is, as nobody listens during a reconnection."""

        def told() -> bool:
            self.ask("SELECT pg_notify(%s, %s)", CHANNEL, f"word:{word}")
            return word in self.subjects

        until(told)

    def lock_is_held(self) -> bool:
        return bool(
            self.ask(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND granted",
                *LOCK,
            )
        )

    def cut(self) -> None:
        """Its connection is ended by the server."""
        self.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'wawel listener' AND datname = current_database()"
        )

    def stop(self) -> None:
        self.listener.stop()
        self._beside.close()


@pytest.fixture
def heard(database_url: str) -> Iterator[Heard]:
    made = Heard(database_url)
    yield made
    made.stop()


def test_many_descriptors(many_descriptors: None, database_url: str) -> None:
    """A process of many connections hears notifications and holds its lock, also after it had to connect anew."""
    heard = Heard(database_url)
    try:
        heard.hears("first")
        heard.cut()
        heard.hears("second")
        until(heard.lock_is_held)
        until(lambda: heard.listener.wrong is None)
    finally:
        heard.stop()


@pytest.mark.parametrize("error", [ValueError("out of range in select()"), RuntimeError("unforeseen"), OSError(9, "x")])
def test_unforeseen(heard: Heard, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whatever breaks in the listener's thread, it listens again, with its lock."""
    heard.hears("before")
    listen, broken = Listener._listen, []

    def once(self: Listener, connection: Any) -> None:
        if not broken:
            broken.append(self)
            raise error
        listen(self, connection)

    monkeypatch.setattr(Listener, "_listen", once)
    heard.cut()
    until(lambda: broken)
    heard.hears("after")
    until(lambda: heard.lock_is_held() and heard.listener.wrong is None)


def test_broken_subscriber(heard: Heard) -> None:
    """One subscriber's fault keeps nothing from the others, nor from those who wait."""

    def breaks(subject: str) -> None:
        raise RuntimeError(subject)

    heard.listener._subscribers["word"].insert(0, breaks)
    heard.hears("still")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_wrong(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells of a lock that somebody else holds, and of a thread that is gone."""
    assert heard.listener.wrong is None

    def dies(self: Listener, connection: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(Listener, "_listen", dies)
    heard.cut()
    until(lambda: heard.listener.wrong == "the listener's thread has ended")
    until(lambda: not heard.lock_is_held())
    assert heard.ask("SELECT pg_try_advisory_lock(%s, %s)", *LOCK)
    monkeypatch.undo()

    async def restart() -> None:
        await heard.listener.start(LOCK)

    run(restart)
    assert heard.listener.wrong == "another connection still holds this process's lock"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_health(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/health is red, and says why, when the listener has died and when a loop no longer turns."""
    cloud = MemoryCloud(database_url, tmp_path, rpc="127.0.0.1:0")
    manager = cloud.manager

    port = manager.ports[0].getHost().port

    def health() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as told:
                return told.status, told.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()

    try:
        until(lambda: health() == (200, "ok"))
        for pulse, what in (
            (manager.engine.pulse, "the journal"),
            (manager.engine.leases.pulse, "the journal's leases"),
            (manager.reconciler.turns.pulse, "the passes over nodes"),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(pulse, "_within_s", -1.0)
                status, text = health()
            assert status == 503 and text.startswith(f"{what} has not turned for ")
        monkeypatch.setattr(Listener, "_listen", lambda *_: exit())
        cloud.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'wawel listener' AND datname = current_database()"
        )
        until(lambda: health() == (503, "the listener's thread has ended"), deadline_s=5.0)
    finally:
        monkeypatch.undo()
        cloud.stop()
