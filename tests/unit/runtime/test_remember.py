"""Facts that were looked up: kept for a while, and not once there was news."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cm.runtime.remember import REMEMBER_S, Remembered


class RememberedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.memory: Remembered[str, int] = Remembered(self.clock.seconds, most=2)
        self.finds: list[Deferred[int | None]] = []

    async def find(self) -> int | None:
        self.finds.append(Deferred())
        return await self.finds[-1]

    def look_up(self) -> Deferred[int | None]:
        return Deferred.fromCoroutine(self.memory.look_up("a", self.find))

    def test_once(self) -> None:
        """What was found is not asked for again, as long as it is remembered."""
        first = self.look_up()
        self.finds[0].callback(1)
        self.assertEqual(self.successResultOf(first), 1)
        self.assertEqual(self.successResultOf(self.look_up()), 1)
        self.clock.advance(REMEMBER_S)
        self.assertNoResult(self.look_up())
        self.assertEqual(len(self.finds), 2)

    def test_nothing_found(self) -> None:
        first = self.look_up()
        self.finds[0].callback(None)
        self.assertIsNone(self.successResultOf(first))
        self.assertNoResult(self.look_up())

    def test_news_meanwhile(self) -> None:
        """What was being read when there was news is answered, and not kept: it may be from before."""
        first = self.look_up()
        self.memory.forget(lambda fact: False)
        self.finds[0].callback(1)
        self.assertEqual(self.successResultOf(first), 1)
        self.assertNoResult(self.look_up())

    def test_keeper(self) -> None:
        """It says whether it kept, so that what goes with a fact is kept or left with it."""
        before = self.memory.keeper()
        self.assertTrue(before("a", 1))
        self.memory.forget()
        self.assertFalse(before("a", 1))
        self.assertIsNone(self.memory.find("a"))
        self.assertTrue(self.memory.keeper()("a", 2))
