"""What is waited for at the end of a block, and what cannot be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from cm.runtime.closing import Closing

ROOT = Path(__file__).parents[3]


class Thing:
    closed = 0

    async def close(self) -> None:
        await Deferred[None]() if self.hangs else None
        self.closed += 1

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs


async def use(thing: Thing, what: Deferred[int]) -> int:
    async with Closing(thing.close):
        return await what


def test_closed() -> None:
    """However the block ends."""
    thing, what, broken = Thing(), Deferred[int](), Deferred[int]()
    good, bad = Deferred.fromCoroutine(use(thing, what)), Deferred.fromCoroutine(use(thing, broken))
    what.callback(3)
    broken.errback(KeyError("key"))
    assert thing.closed == 2 and good.result == 3
    told: list[KeyError] = []
    bad.addErrback(lambda failure: told.append(failure.value))
    assert len(told) == 1


def test_collected() -> None:
    """Of a coroutine that nobody goes on with nothing is waited for, and nothing breaks."""
    thing = Thing(hangs=True)
    working = use(thing, Deferred())
    working.send(None)
    working.close()
    assert thing.closed == 0


def _waits(tree: ast.AST) -> Iterator[int]:
    """The lines where something is waited for though the coroutine may just be collected."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Try):
            continue
        parts = list(node.finalbody)
        names = [ast.unparse(handler.type) if handler.type else "BaseException" for handler in node.handlers]
        for name, handler in zip(names, node.handlers, strict=True):
            if name == "GeneratorExit" or (name == "BaseException" and "GeneratorExit" not in names):
                parts += handler.body
        for part in parts:
            yield from (found.lineno for found in ast.walk(part) if isinstance(found, (ast.Await, ast.AsyncWith)))


@pytest.mark.parametrize("package", ["cm", "clm", "contextualization"])
def test_nothing_waits_when_collected(package: str) -> None:
    """No ``finally`` waits for anything (``Closing`` does), nor does what catches everything."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in _waits(ast.parse(path.read_text()))
    ]
    assert found == []


def test_finds_waits() -> None:
    """The test before this one sees what it looks for."""
    source = "async def work():\n try:\n  pass\n except BaseException:\n  await a\n finally:\n  await b\n"
    assert [*_waits(ast.parse(source))] == [7, 5]
