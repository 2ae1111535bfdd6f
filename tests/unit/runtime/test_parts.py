"""Starting and stopping what a program is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clm.daemon.app import CloudManager
from clm.daemon.settings import CloudSettings, MailSettings
from clm.daemon.settings import Settings as CloudManagerSettings
from cm.daemon.app import ClusterManager
from cm.daemon.settings import ClusterSettings, Settings
from cm.runtime.parts import Parts


class PartsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.parts = Parts()
        self.done: list[str] = []

    def act(self, what: str, fails: bool = False) -> Callable[[], Any]:
        def act() -> Any:
            self.done.append(what)
            if fails:
                raise ValueError(what)

        return act

    def add(self, name: str, fails: bool = False) -> None:
        self.parts.add(name, self.act(f"+{name}", fails), self.act(f"-{name}"))

    def start(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.parts.start())

    def stop(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.parts.stop()))

    def test_order(self) -> None:
        """Parts stop in the reverse of the order in which they started."""
        for name in "abc":
            self.add(name)
        self.successResultOf(self.start())
        self.stop()
        self.assertEqual(self.done, ["+a", "+b", "+c", "-c", "-b", "-a"])

    def test_waiting(self) -> None:
        """A part starts once the one before it has ended its start, whether that gives a coroutine or a Deferred."""
        waits: Deferred[None] = Deferred()

        async def start() -> None:
            self.done.append("+b")

        self.parts.add("a", lambda: waits)
        self.parts.add("b", start)
        started = self.start()
        self.assertEqual(self.done, [])
        waits.callback(None)
        self.successResultOf(started)
        self.assertEqual(self.done, ["+b"])

    def test_failing_start(self) -> None:
        """What never began is not stopped; what failed to start is, and what lives without a start."""
        self.parts.add("always", stop=self.act("-always"))
        self.add("a")
        self.add("b", fails=True)
        self.add("c")
        self.failureResultOf(self.start(), ValueError)
        self.stop()
        self.assertEqual(self.done, ["+a", "+b", "-b", "-a", "-always"])

    def test_failing_stop(self) -> None:
        """One that cannot be stopped keeps no other from it."""
        self.add("a")
        self.parts.add("b", stop=self.act("-b", fails=True))
        self.successResultOf(self.start())
        self.stop()
        self.assertEqual(self.done, ["+a", "-b", "-a"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_stopped_meanwhile(self) -> None:
        """Once it is to stop, nothing more starts."""
        waits: Deferred[None] = Deferred()
        self.parts.add("a", lambda: waits, self.act("-a"))
        self.add("b")
        self.start()
        self.stop()
        waits.callback(None)
        self.assertEqual(self.done, ["-a"])

    def test_names(self) -> None:
        self.add("a")
        with self.assertRaises(ValueError):
            self.add("a")


@pytest.mark.parametrize("workers", [True, False])
def test_cluster_manager(tmp_path: Path, workers: bool) -> None:
    """It knows its number and hears of changes before it works, and works before it listens; it listens last."""
    settings = Settings(cluster=ClusterSettings(state_dir=tmp_path, workers=workers))
    made = ClusterManager(Clock(), settings)
    loops = ["care", "jobs", "reconciler", "measuring", "mirror"] if workers else []
    assert made.parts.names == [
        "database", "threads", "schema", "directories", "listener", "keys", "feed", "fleet", "logins", "engine", *loops,
        "events", "meetings", "sessions", "consoles", "downloads", "uploads", "objects", "dispatcher",
        "contextualization", "ports",
    ]  # fmt: skip


@pytest.mark.parametrize("mail", [True, False])
def test_cloud_manager(tmp_path: Path, mail: bool) -> None:
    """Likewise: clusters are there before anybody watches them."""
    cloud = CloudSettings(state_dir=tmp_path)
    tables = {"mail": MailSettings(host="127.0.0.1", sender="wawel@example.org", tls="none")} if mail else {}
    made = CloudManager(Clock(), CloudManagerSettings(cloud=cloud, **tables))
    mailer = ["mailer"] if mail else []
    assert made.parts.names == [
        "database", "threads", "schema", "listener", "clusters", "forwarder", "logins", *mailer, "feed", "watcher",
        "events", "passing", "consoles", "dispatcher", "ports",
    ]  # fmt: skip
