"""
What is done to many is done in the order in which they came. A set of objects that are told apart by where they lie in
memory has another order in each process, by chance.
"""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from cm.rpc.caller import Identity
from cm.rpc.standing import TICK_S, Standing
from cm.runtime.feed import FeedReader, Head, read_head
from contextualization.document import ALL, Documents

ROOT = Path(__file__).parents[2]
MANY = 50
VALUES = frozenset({"int", "str", "bytes", "tuple", "Path", "Hashable", "Capability", "StorageId", "NodeId"})
# Sets of objects that may stay, and why their order decides nothing.
MAY_STAY = {
    "cm/rpc/standing.py: set[M]": "who is being looked at; it is only asked who is in it",
    "cm/runtime/prompt.py: set[Line]": "connections alike, which are closed, all of them",
}


def _sets(path: Path) -> set[str]:
    """Annotations in a module of sets that are kept, of what is not a value for certain."""
    found = set()
    code = path.read_text()
    for node in ast.walk(ast.parse(code)) if "set[" in code else ():
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
            for inner in ast.walk(node.annotation):
                if isinstance(inner, ast.Subscript) and ast.unparse(inner.value) == "set":
                    of = inner.slice.value if isinstance(inner.slice, ast.Subscript) else inner.slice
                    if ast.unparse(of) not in VALUES:
                        found.add(ast.unparse(inner))
    return found


def test_no_order_by_chance() -> None:
    """No part of a program keeps objects in a set, but for those whose order is looked at by nobody."""
    found = set()
    for package in ("cm", "clm", "contextualization"):
        for path in (ROOT / package).rglob("*.py"):
            found |= {f"{path.relative_to(ROOT)}: {each}" for each in _sets(path)}
    assert found == set(MAY_STAY)


def _shuffled(made: list[Any]) -> list[Any]:
    """So that the order in which they come is not the one in which they lie in memory."""
    random.Random(1).shuffle(made)
    return made


class Member:
    check_at = 0.0

    def __init__(self, looked_at: list[Any]) -> None:
        self.identity = Identity(1, "ann", frozenset())
        self.looked_at = looked_at

    async def check(self) -> None:
        self.looked_at.append(self)


def test_connections_are_looked_at() -> None:
    clock = Clock()
    standing: Standing[Member] = Standing(clock, 0.0, lambda member, now: None)
    looked_at: list[Any] = []
    members = _shuffled([Member(looked_at) for _ in range(MANY)])
    for member in members:
        standing.add(member)
    clock.advance(TICK_S)
    assert looked_at == members
    looked_at.clear()
    standing.account_changed("1")
    assert looked_at == members


class Database:
    """Whose feed has ended."""

    epoch = "0" * 16

    async def read(self, function: Any, *args: Any) -> Any:
        return Head(self.epoch, 5, 5, None, True) if function is read_head else []


def test_subscriptions_end() -> None:
    database: Any = Database()
    reader = FeedReader(database, Clock(), lambda session, after, limit: [])
    reader.epoch = database.epoch
    ended: list[int] = []
    for number in range(MANY):
        subscribing = Deferred.fromCoroutine(
            reader.subscribe(None, lambda rows: None, lambda number=number: ended.append(number))  # type: ignore[misc]
        )
        subscribing.addCallback(lambda made: made.start())
    database.epoch = "1" * 16
    reader.afresh()
    assert ended == list(range(MANY))


def test_polls_are_woken() -> None:
    """Nodes' polls by the node that was first, and several of one in their order."""
    database: Any = None
    documents = Documents(database, Clock(), "1")
    woken: list[int] = []
    for number in range(MANY):
        waiting = Deferred.fromCoroutine(documents._wait(1 + number % 2, 60.0))
        waiting.addCallback(lambda _, number=number: woken.append(number))
    documents.changed(str(ALL))
    assert woken == [*range(0, MANY, 2), *range(1, MANY, 2)]
