"""The common round of a feed is nobody's, whoever came first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from cm.runtime.feed import FeedReader, Head, read_head
from cm.runtime.pool import on_behalf


class Database:
    """Tells on whose behalf it reads rows."""

    def __init__(self) -> None:
        self.whose: list[Any] = []

    async def read(self, function: Callable[..., Any], *args: Any) -> Any:
        if function is read_head:
            return Head("0" * 16, 5, 5, None, True)
        self.whose.append(on_behalf.get())
        return []


def test_common_round() -> None:
    """A reader's own pages are read on its behalf, and those of all on nobody's."""
    database: Any = Database()
    clock = Clock()
    reader = FeedReader(database, clock, lambda session, after, limit: [])

    async def subscribe() -> None:
        on_behalf.set(7)
        (await reader.subscribe(None, lambda rows: None, lambda: None)).start()

    Deferred.fromCoroutine(subscribe())
    for _ in range(3):
        clock.advance(1)
    assert database.whose[0] == 7 and len(database.whose) >= 3
    assert set(database.whose[1:]) == {None}
