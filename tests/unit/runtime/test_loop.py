"""What is done again and again."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cm.rpc.errors import Overloaded
from cm.runtime.loop import LOST_S, RETRY_S, Loop


class LoopTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.at: list[float] = []
        self.error: Exception | None = None
        self.hangs: Deferred[None] | None = None

    async def step(self) -> None:
        self.at.append(self.clock.seconds())
        if self.error is not None:
            raise self.error
        if self.hangs is not None:
            await self.hangs

    def loop(self, first_s: float = 0.0) -> Loop:
        made = Loop(self.clock, "it", 60.0, self.step, first_s)
        made.start()
        self.addCleanup(made.stop)
        return made

    def test_first(self) -> None:
        """One that has time begins later; what has not begun is not missed."""
        made = self.loop(60.0)
        self.clock.pump([30.0, 29.0])
        self.assertEqual(self.at, [])
        self.assertIsNone(made.pulse.wrong())
        self.clock.pump([1.0, 60.0])
        self.assertEqual(self.at, [60.0, 120.0])

    def test_stopped_before_the_first(self) -> None:
        self.loop(60.0).stop()
        self.clock.advance(61.0)
        self.assertEqual((self.at, self.clock.getDelayedCalls()), ([], []))

    def test_refused(self) -> None:
        """Where there was no time for it, or no database, it is tried again soon; a fault of ours does not end it."""
        self.error = Overloaded()
        self.loop()
        self.error = ValueError()
        self.clock.advance(RETRY_S)
        self.clock.advance(60.0)
        self.assertEqual(self.at, [0.0, RETRY_S, RETRY_S + 60.0])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_within(self) -> None:
        """A turn that is asked for comes sooner, never later; in a turn, it is counted from that one's end."""
        made = self.loop()
        self.clock.advance(10.0)
        made.within(5.0)
        made.within(30.0)
        self.clock.advance(4.0)
        self.hangs = Deferred()
        self.clock.advance(1.0)
        made.within(20.0)
        made.within(2.0)
        self.clock.advance(7.0)
        hangs, self.hangs = self.hangs, None
        hangs.callback(None)
        self.clock.advance(2.0)
        self.clock.advance(59.0)
        self.assertEqual(self.at, [0.0, 15.0, 24.0])
        self.clock.advance(1.0)
        self.assertEqual(self.at[3:], [84.0])

    def test_pulse(self) -> None:
        """Health tells of one that does not turn."""
        self.hangs = Deferred()
        made = self.loop()
        self.clock.advance(60.0 + LOST_S)
        self.assertIsNone(made.pulse.wrong())
        self.clock.advance(1.0)
        self.assertIsNotNone(made.pulse.wrong())
