"""What a process notifies, it is told itself before its transaction's answer, where that was asked for."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy.orm import Session

from cm.runtime.database import Database, notify
from cm.runtime.listener import Listener
from cm.runtime.threads import IThreads, Threads
from support.cloud import reactor, run


class Refused(Exception):
    pass


def tell(session: Session, *subjects: int, fail: bool = False) -> None:
    for subject in subjects:
        notify(session, "soon", subject)
        notify(session, "later", subject)
    if fail:
        raise Refused()


@pytest.fixture
def told(database_url: str) -> Any:
    """``(transact, seen)``: what was seen by the time that a transaction was answered, by topic."""
    threads = Threads(reactor, {"database": 2})
    listener = Listener(reactor, database_url)
    database = Database(database_url, cast(IThreads, threads), pool_size=2, deliver=listener.deliver)
    seen: dict[str, list[str]] = {"soon": [], "later": []}

    async def start() -> None:
        await listener.start()
        listener.subscribe("soon", seen["soon"].append, at_once=True)
        listener.subscribe("later", seen["later"].append)

    async def transact(*subjects: int, fail: bool = False) -> dict[str, list[str]]:
        await database.transact(lambda session: tell(session, *subjects, fail=fail))
        return {topic: list(subjects) for topic, subjects in seen.items()}

    async def stop() -> None:
        await threads.stop()

    run(start)
    yield transact, seen
    listener.stop()
    run(stop)
    database.close()


def test_before_the_answer(told: Any) -> None:
    """Each subject once, whatever was notified of it; a topic that can wait comes round by the database."""
    transact, _ = told
    seen = run(lambda: transact(5, 6, 5))
    assert seen["soon"][:2] == ["5", "6"]
    assert seen["soon"][2:] == seen["later"]  # where the database was faster than the thread's answer


def test_rolled_back(told: Any) -> None:
    """What did not happen is not told."""
    transact, seen = told
    with pytest.raises(Refused):
        run(lambda: transact(7, fail=True))
    assert seen["soon"] == []
