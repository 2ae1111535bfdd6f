"""How a cluster's feed is followed, whatever becomes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clm.drivers.cluster import ClusterUnavailable
from clm.services.follow import RETRY_S, Follower


class FollowerTests(SynchronousTestCase):
    def follow(self, error: Exception) -> None:
        """Try twice, and fail alike."""
        tries: list[float] = []

        async def read(*_: Any) -> str:
            return ""

        async def open_(*_: Any) -> Any:
            tries.append(clock.seconds())
            raise error

        clock = Clock()
        services: Any = SimpleNamespace(reactor=clock, database=SimpleNamespace(read=read))
        connection: Any = SimpleNamespace(facts=SimpleNamespace(id=1, name="krakow"), open=open_)
        follower = Follower(services, connection)
        follower.start()
        clock.advance(2 * RETRY_S[0])
        follower.stop()
        self.assertEqual(len(tries), 2)

    def test_defect(self) -> None:
        """What no network does is in the log with its traceback, once for as long as it is the same."""
        self.follow(KeyError("of ours"))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_cluster_away(self) -> None:
        """That a cluster does not answer is no defect."""
        self.follow(ClusterUnavailable("krakow", "no answer in time"))
        self.assertEqual(self.flushLoggedErrors(), [])
